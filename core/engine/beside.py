"""Who else looks: so that nothing stays committed that another has seen to be otherwise.

Whoever looks at paths commits what he saw a while later: contents may be read in between. What others
*wrote* meanwhile he learns by the versions of records. But one who looked later, and found things as
the ledger had them, wrote nothing: of a file that came and was gone again there was neither a record
nor the file, and the record that is written after that would stay. So everybody says here where he
begins to look, and whoever has committed looks again where another began after him.

One who began earlier and looked later matters not: what happens after I began is told by a hint that
comes after it, and whoever answers that hint begins after me. For the same reason a second look,
which answers no hint, is not said to others, so that no two look again because of each other for ever.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from typing import Final

from treeledger.dirty import collapse, outermost
from treeledger.names import ancestors, parent

_MOST: Final = 10_000  # paths, or prefixes, kept for one who looks; beyond that they collapse
_COLLAPSED: Final = 100


class Looking:
    """One who looks and then commits, and is told of all who begin meanwhile.

    `paths`: those of interest to him; None if he cannot say yet: all that others name.
    """

    def __init__(self, paths: Collection[str] | None) -> None:
        self._paths = None if paths is None else set(paths)
        self._met: set[str] = set()
        self._below: list[str] = []

    def also(self, paths: Collection[str]) -> None:
        """Names paths that he is going to look at, too."""
        if self._paths is not None:
            self._paths.update(paths)

    def take(self, paths: AbstractSet[str], below: Sequence[str]) -> None:
        """Another begins to look, at some paths and everywhere below some prefixes."""
        self._met |= paths if self._paths is None else self._paths & paths
        if len(self._met) > _MOST:
            below = [*below, *map(parent, self._met)]
            self._met.clear()
        if below:
            merged = outermost([*self._below, *below])
            self._below = merged if len(merged) <= _MOST else collapse(merged, _COLLAPSED)

    def met(self, paths: Collection[str] | None = None) -> set[str]:
        """Those of some paths, else of his own, at which others began to look: ask after the commit."""
        paths = self._paths or () if paths is None else paths
        met = self._met.intersection(paths)
        if self._below:
            below = {*self._below}
            met.update(path for path in paths if not below.isdisjoint(("", *ancestors(path), path)))
        return met


class Beside:
    """All who look at one repository now. Belongs to one event loop."""

    def __init__(self) -> None:
        self._lookings: set[Looking] = set()

    def begin(self, paths: Collection[str] = (), below: Sequence[str] = ()) -> None:
        """Somebody who answers a hint, or scans, begins to look: to be said before he reads or looks."""
        if self._lookings:
            named = frozenset(paths)
            for looking in self._lookings:
                looking.take(named, below)

    @contextmanager
    def looking(self, paths: Collection[str] | None = None) -> Iterator[Looking]:
        """From before the first look until the commit is done. A scan that commits names no paths."""
        looking = Looking(paths)
        self._lookings.add(looking)
        try:
            yield looking
        finally:
            self._lookings.discard(looking)
