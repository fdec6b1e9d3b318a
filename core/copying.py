"""Copying a whole ledger from one store to another: `treeledger store copy`.

    with nobody else on either:
        what a half copy holds already is compared    (where it differs, it is begun anew)
        what follows is loaded, page by page, in the order of keys
        everything is read again on both sides, and compared
        the copy becomes a ledger

Until the last step the target is marked as half a copy, which nobody opens. So whatever happens, the same
call goes on where it was. The copy has an epoch of its own; the cursors of actions go on in it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Final, NamedTuple

import anyio

from treeledger.comparing import Comparison, Side, both, named
from treeledger.errors import EngineLocked, StoreDataError, StoreError, UsageError
from treeledger.protocols import CopyableStore, PlainRow, Table, Tables

_LEASE: Final = 60.0  # seconds that the engine locks outlive this process


class Progress(NamedTuple):
    """How far one pass over all rows is; `doing` is "checking", "copying" or "comparing"."""

    doing: str
    table: str
    rows: int
    total: int


class Copied(NamedTuple):
    """What a copy holds. `loaded` rows came with this call: 0 where all were there already."""

    rows: Mapping[str, int]  # by table
    loaded: int
    digest: str  # SHA-256 over all rows and counters, the same for each copy of a ledger


Told = Callable[[Progress], None]


async def copy_ledger(source: CopyableStore, target: CopyableStore, host: str, told: Told) -> Copied:
    """Copies all that a ledger holds to another store, which is empty or half a copy of the same ledger.

    The caller closes the stores. Raises EngineLocked while an engine uses one of them, UsageError for a
    source that is no ledger and a target that holds another one, StoreError if the copy is not equal in the
    end, and what stores raise.
    """
    if all(migration.applied_at is None for migration in await source.migrations()):
        raise UsageError(f"there is no ledger at {source.url}. Nothing was changed")
    await source.open()
    epoch = (await source.head()).epoch
    async with _alone(source, host):
        await target.open(copy_of=epoch)
        head = await target.head()
        if head.epoch == epoch:
            raise UsageError(f"{source.url} and {target.url} are the same ledger. Nothing was changed")
        async with _alone(target, host), Side.of(source) as left, Side.of(target) as right:
            copy = _Copy(left, right, told)
            await copy.prepare(target.url)
            is_half = any(one.is_half_copy for one in await target.migrations())
            if is_half:
                await copy.resume()
            elif head.n or await copy.is_begun():
                return await copy.repeated(target.url)
            else:
                await right.do(right.tables.mark, epoch)
            return await copy.completed()


@asynccontextmanager
async def _alone(store: CopyableStore, host: str) -> AsyncIterator[None]:
    """Holds the engine lock of a ledger that no engine of any host has."""
    try:
        owner = await store.lock_engine(host, "store copy")
    except EngineLocked as error:
        raise EngineLocked(f"{store.url}: {error}") from error
    keeping = asyncio.create_task(_keep(store, owner))
    try:
        for other in await store.engines():
            if other.owner != owner:
                raise EngineLocked(
                    f"{store.url}: treeledger {other.command} runs on {other.host}. Nothing was changed. "
                    "Stop it until the copy is made"
                )
        yield
    finally:
        keeping.cancel()
        with anyio.CancelScope(shield=True), suppress(StoreError):  # the lease ends by itself
            await store.unlock_engine(owner)


async def _keep(store: CopyableStore, owner: str) -> None:
    while True:
        await asyncio.sleep(_LEASE / 3)
        with suppress(StoreError):  # whoever copies hears of it, too
            await store.renew([], owner, _LEASE)


class _Copy:
    """One copy under way. `prepare` comes first."""

    def __init__(self, source: Side, target: Side, told: Told) -> None:
        self._source = source
        self._target = target
        self._tell = told
        self._tables: Sequence[Table] = ()
        self._counts: Mapping[str, int] = {}  # of the source
        self._passed = 0

    async def prepare(self, url: str) -> None:
        source, target = self._source, self._target
        self._tables = await source.do(source.tables.tables)
        if self._tables != await target.do(target.tables.tables):
            raise UsageError(f"{url} is a store with other tables. Nothing was changed")
        await source.do(source.tables.hold)
        self._counts = await source.do(source.tables.counts)

    async def is_begun(self) -> bool:
        """Whether the target has any row."""
        return any((await self._target.do(self._target.tables.counts)).values())

    async def resume(self) -> None:
        """Leaves in the target what are the first rows of the source; nothing, if it has any other."""
        comparison = self._comparison("checking")
        for table in self._tables:
            if await comparison.difference(table, is_whole=False) is not None:
                await self._target.do(self._target.tables.clear)
                return

    async def repeated(self, url: str) -> Copied:
        """What was copied before and is still the same. Raises UsageError if it is not."""
        difference, digest = await self._compared("checking")
        if difference is not None:
            raise UsageError(
                f"{url} is not empty, and no copy of this ledger as it is now: {difference}. Nothing was "
                "changed. Name a file that does not exist, or an empty database"
            )
        return Copied(self._counts, 0, digest)

    async def completed(self) -> Copied:
        """Loads what is missing, compares everything, and makes the copy a ledger."""
        source, target = self._source, self._target
        self._passed = 0
        loaded = sum([await self._load(table) for table in self._tables])
        await target.do(target.tables.set_counters, await source.do(source.tables.counters))
        difference, digest = await self._compared("comparing")
        if difference is not None:
            raise StoreError(
                f"the copy is not equal: {difference}. The source was not changed, and the copy is not used. "
                "Run the same command again: it begins anew"
            )
        await target.do(target.tables.finish)
        return Copied(self._counts, loaded, digest)

    async def _load(self, table: Table) -> int:
        """Loads the rows after the last that is there, while the next page is read; returns how many."""
        loaded = 0
        after = await self._target.do(self._target.tables.last, table)
        rows = await self._source.page(table, after)
        while rows:
            loading = self._target.do(_load_page, self._target.tables, table, rows)
            following, _ = await both(self._source.page(table, table.key_of(rows[-1])), loading)
            loaded += len(rows)
            self._advance("copying", table, len(rows))
            rows = following
        return loaded

    async def _compared(self, doing: str) -> tuple[str | None, str]:
        """The first difference, and the digest of all if there is none."""
        comparison = self._comparison(doing)
        for table in self._tables:
            before = self._passed
            difference = await comparison.difference(table, is_whole=True)
            unseen = self._counts[table.name] - (self._passed - before)
            if difference is None and unseen:
                difference = f"{unseen:,} rows of {table.name} belong to no repository"
            if difference is not None:
                return difference, ""
        left, right = self._source, self._target
        counters = await both(left.do(left.tables.counters), right.do(right.tables.counters))
        return comparison.counters_differ(*counters), comparison.digest

    def _comparison(self, doing: str) -> Comparison:
        self._passed = 0
        return Comparison(self._source, self._target, partial(self._advance, doing))

    def _advance(self, doing: str, table: Table, rows: int) -> None:
        self._passed += rows
        self._tell(Progress(doing, table.name, self._passed, sum(self._counts.values())))


def _load_page(tables: Tables, table: Table, rows: Sequence[PlainRow]) -> None:
    """Halves what cannot be stored until the row is found that is to blame."""
    try:
        tables.load(table, rows)
    except StoreDataError as error:
        if len(rows) == 1:
            raise StoreDataError(
                f"{named(table, rows[0])} cannot be copied: {error}. What comes before it was. "
                "Mend it in the source, then run the same command again"
            ) from error
        middle = len(rows) // 2
        _load_page(tables, table, rows[:middle])
        _load_page(tables, table, rows[middle:])
