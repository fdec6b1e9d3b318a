"""Sorting more than should be in memory: sorted runs in a temporary file, merged."""

from __future__ import annotations

import heapq
import pickle
import tempfile
from collections.abc import Iterator
from operator import itemgetter
from typing import Final, Generic, TypeVar

T = TypeVar("T")

_ITEMS: Final = 500  # of each run in memory while the runs are merged
_first: Final = itemgetter(0)


class SortedRuns(Generic[T]):
    """Pairs of a key and a value. Raises OSError where the temporary file cannot be made or written."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile(prefix="treeledger-")  # noqa: SIM115 - lives as long as this
        self._runs: list[list[int]] = []  # of each run the offsets of its pieces

    def __del__(self) -> None:
        self._file.close()

    def add(self, items: list[tuple[str, T]]) -> None:
        """Adds one run; sorts it in place."""
        items.sort(key=_first)
        offsets = []
        for start in range(0, len(items), _ITEMS):
            offsets.append(self._file.tell())
            pickle.dump(items[start : start + _ITEMS], self._file, pickle.HIGHEST_PROTOCOL)
        self._runs.append(offsets)

    def merged(self) -> Iterator[tuple[str, T]]:
        """All pairs by key; of pairs with equal keys one."""
        previous = None
        for pair in heapq.merge(*map(self._read, self._runs), key=_first):
            if pair[0] != previous:
                yield pair
            previous = pair[0]

    def _read(self, offsets: list[int]) -> Iterator[tuple[str, T]]:
        for offset in offsets:
            self._file.seek(offset)
            yield from pickle.load(self._file)
