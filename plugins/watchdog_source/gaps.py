"""What a watch does not hear: directories that could take no watch."""

from __future__ import annotations

from collections import defaultdict
from typing import Final, NamedTuple

from treeledger.dirty import collapse
from treeledger.names import parent, within

_KEPT: Final = 10_000
_SHOWN: Final = 1_000


class Gap(NamedTuple):
    """A directory without a watch. `directories` counts it and all below; `reason` is for people.

    `expected`: nothing is wrong, no watch could ever help (a network file system is mounted there).
    """

    directories: int
    reason: str
    expected: bool = False


class Gaps:
    """Gaps by path, each standing for all that lies below; bounded by collapsing upward."""

    def __init__(self) -> None:
        self._by_path: dict[str, Gap] = {}

    def __contains__(self, path: str) -> bool:
        return path in self._by_path

    def __bool__(self) -> bool:
        return bool(self._by_path)

    def add(self, path: str, gap: Gap) -> None:
        self._by_path[path] = gap
        if len(self._by_path) > _KEPT:
            self._by_path = _collapsed(self._by_path)

    def forget(self, prefix: str) -> None:
        """Drops the gaps within a path."""
        if self._by_path:
            self._by_path = {path: gap for path, gap in self._by_path.items() if not within(prefix, path)}

    def within(self, prefix: str) -> bool:
        """Whether there are any within a path."""
        return any(within(prefix, path) for path in self._by_path)

    def to_try_again(self) -> list[str]:
        return [path for path, gap in self._by_path.items() if not gap.expected]

    def directories(self) -> int:
        """How many directories want for a watch."""
        return sum(gap.directories for gap in tuple(self._by_path.values()) if not gap.expected)

    def paths(self) -> tuple[str, ...]:
        """At most a thousand prefixes that cover all gaps."""
        return tuple(collapse(tuple(self._by_path), _SHOWN))

    def degraded(self) -> str | None:
        """What is not heard, in words; None if nothing is amiss."""
        reasons = {gap.reason for gap in tuple(self._by_path.values()) if not gap.expected}
        if not reasons:
            return None
        return f"{self.directories():,} directories take no watch: {'; '.join(sorted(reasons))}"


def _collapsed(gaps: dict[str, Gap]) -> dict[str, Gap]:
    merged: dict[str, list[Gap]] = defaultdict(list)
    prefixes = frozenset(collapse(gaps, _SHOWN))
    for path, gap in gaps.items():
        while path not in prefixes:
            path = parent(path)
        merged[path].append(gap)
    return {path: _merged(parts) for path, parts in merged.items()}


def _merged(parts: list[Gap]) -> Gap:
    amiss = [gap for gap in parts if not gap.expected]
    return Gap(sum(gap.directories for gap in amiss), amiss[0].reason) if amiss else parts[0]
