"""Whether the tables of two ledgers hold the same rows, and a digest of what is the same.

Two sides may page a table in different places, so their rows are compared as two streams.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any, Final, TypeVar

import anyio
import msgspec

from treeledger.protocols import CopyableStore, PlainRow, Table, Tables

T = TypeVar("T")
S = TypeVar("S")

_PAGE: Final = 5000  # rows of a transaction


class Side:
    """The rows of one ledger, in a thread of their own."""

    def __init__(self, tables: Tables, thread: ThreadPoolExecutor) -> None:
        self.tables = tables
        self._thread = thread

    @classmethod
    @asynccontextmanager
    async def of(cls, store: CopyableStore) -> AsyncIterator[Side]:
        """Of an open store. Raises StoreUnavailable."""
        thread = ThreadPoolExecutor(1, thread_name_prefix="copy")
        side = cls(await asyncio.wrap_future(thread.submit(store.all_tables)), thread)
        try:
            yield side
        finally:
            with anyio.CancelScope(shield=True):
                await side.do(side.tables.close)
                thread.shutdown()

    async def do(self, call: Callable[..., T], *arguments: Any) -> T:
        """The result of a method of `tables`."""
        return await asyncio.wrap_future(self._thread.submit(call, *arguments))

    async def page(self, table: Table, after: PlainRow | None) -> list[PlainRow]:
        return await self.do(self.tables.rows, table, after, _PAGE)


async def both(first: Coroutine[Any, Any, T], second: Coroutine[Any, Any, S]) -> tuple[T, S]:
    """The results of two that go on at the same time; an error of one when the other has ended, too."""
    one, other = await asyncio.gather(first, second, return_exceptions=True)
    for result in (one, other):
        if isinstance(result, BaseException):
            raise result
    return one, other


class Comparison:
    """Compares table after table; `digest` is that of all rows so far that are the same."""

    def __init__(self, left: Side, right: Side, told: Callable[[Table, int], None]) -> None:
        self._left = left
        self._right = right
        self._told = told
        self._digest = hashlib.sha256()

    @property
    def digest(self) -> str:
        return self._digest.hexdigest()

    async def difference(self, table: Table, *, is_whole: bool) -> str | None:
        """How the right side differs; unless `is_whole`, it may end before the left one does."""
        left, right = _Stream(self._left, table), _Stream(self._right, table)
        self._digest.update(table.name.encode())
        while True:
            await both(left.fill(), right.fill())
            count = min(len(left.waiting), len(right.waiting))
            if not count:
                return _left_over(table, left.waiting if is_whole else [], right.waiting)
            ours, theirs = left.take(count), right.take(count)
            if ours != theirs:
                return first_difference(table, ours, theirs)
            self._add(ours)
            self._told(table, count)

    def counters_differ(self, left: Mapping[str, int], right: Mapping[str, int]) -> str | None:
        """As `difference`, of the counters."""
        self._add([tuple(pair) for pair in sorted(left.items())])
        differing = sorted(name for name in {*left, *right} if left.get(name) != right.get(name))
        return f"the counters {', '.join(differing)} differ" if differing else None

    def _add(self, rows: Sequence[PlainRow]) -> None:
        self._digest.update(b"".join(map(msgspec.msgpack.encode, rows)))


class _Stream:
    """The rows of a table, page by page."""

    def __init__(self, side: Side, table: Table) -> None:
        self._side = side
        self._table = table
        self._after: PlainRow | None = None
        self._is_over = False
        self.waiting: list[PlainRow] = []

    async def fill(self) -> None:
        if self.waiting or self._is_over:
            return
        self.waiting = await self._side.page(self._table, self._after)
        self._is_over = not self.waiting
        if self.waiting:
            self._after = self._table.key_of(self.waiting[-1])

    def take(self, count: int) -> list[PlainRow]:
        taken, self.waiting = self.waiting[:count], self.waiting[count:]
        return taken


def first_difference(table: Table, left: Sequence[PlainRow], right: Sequence[PlainRow]) -> str | None:
    """Says which is the first of two lists of rows, of equal length and in order, that is not the same."""
    for ours, theirs in zip(left, right, strict=True):
        if ours == theirs:
            continue
        if table.key_of(ours) == table.key_of(theirs):
            columns = (
                f"{name} is {theirs[place]!r}, not {ours[place]!r}"
                for place, name in enumerate(table.columns)
                if ours[place] != theirs[place]
            )
            return f"{named(table, ours)}: {', '.join(columns)}"
        is_missing = table.key_of(ours) < table.key_of(theirs)
        return _left_over(table, [ours] if is_missing else [], [theirs])
    return None


def _left_over(table: Table, left: Sequence[PlainRow], right: Sequence[PlainRow]) -> str | None:
    """Says so where only one side has more rows."""
    if left:
        return f"{named(table, left[0])} is missing"
    return f"{named(table, right[0])} is there though it should not be" if right else None


def named(table: Table, row: PlainRow) -> str:
    """A row by its table and key, for messages."""
    return f"{table.name} {', '.join(map(str, table.key_of(row)))}"
