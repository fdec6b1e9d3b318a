"""Sets of paths that collapse upward as they grow."""

from __future__ import annotations

from collections.abc import Iterable

from treeledger.names import parent


def outermost(prefixes: Iterable[str]) -> list[str]:
    """The prefixes without those that lie within another, sorted; "" covers everything."""
    kept: list[str] = []
    for prefix in sorted(set(prefixes), key=lambda path: path + "/" if path else ""):
        if kept and (kept[-1] == "" or prefix.startswith(kept[-1] + "/")):
            continue
        kept.append(prefix)
    return kept


def collapse(prefixes: Iterable[str], limit: int) -> list[str]:
    """At most `limit` (one or more) prefixes that cover all the given ones: the deepest give way first."""
    kept = outermost(prefixes)
    while len(kept) > limit:
        deepest = max(path.count("/") + bool(path) for path in kept)
        kept = outermost(parent(path) if path.count("/") + bool(path) == deepest else path for path in kept)
    return kept
