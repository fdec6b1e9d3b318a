"""Names of one directory that another system would take for one: pure functions.

They differ in case or Unicode normalisation only. Where both exist the file system keeps them apart; a
copy or a restore to one that does not would overwrite one with the other.
"""

from __future__ import annotations

from collections.abc import Collection
from unicodedata import normalize

from treeledger.model import Problem, ProblemCode
from treeledger.names import shown


def collisions(names: Collection[str]) -> dict[str, str]:
    """For each name that collides, the first other one in the order of names."""
    fold = str.casefold if all(map(str.isascii, names)) else _folded
    if len(set(map(fold, names))) == len(names):
        return {}
    groups: dict[str, list[str]] = {}
    for name in sorted(set(names)):
        groups.setdefault(fold(name), []).append(name)
    return {
        name: group[1] if name == group[0] else group[0]
        for group in groups.values()
        if len(group) > 1
        for name in group
    }


def collision_notes(base: str, names: Collection[str]) -> list[Problem]:
    """A note on each of the names that collide; `base` is their directory with its slash, or ""."""
    return [
        Problem(base + name, ProblemCode.NAMES_COLLIDE, _message(o)) for name, o in collisions(names).items()
    ]


def _message(other: str) -> str:
    return (
        f"its name differs from {shown(other)} in case or Unicode normalisation only; here they are two,"
        " but a copy on a system that does not tell them apart (macOS, Windows, some shares) overwrites one"
    )


def _folded(name: str) -> str:
    """Equal for names that differ in case or Unicode normalisation only (Unicode 3.13, D145)."""
    return normalize("NFD", normalize("NFD", name).casefold())
