"""What a store promises that can be copied: all its rows, in an order, and back again."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing

import pytest

from treeledger.errors import StoreDataError, StoreVersionError
from treeledger.model import Counts, NewJob, OperationType, Problem, ProblemCode, RecordState
from treeledger.protocols import CopyableStore, PlainRow, Store, Table, Tables
from treeledger.testing.store_shelf import Shelf, change


def table_of(tables: Tables, name: str) -> Table:
    return next(table for table in tables.tables() if table.name == name)


def all_rows(tables: Tables, table: Table, page: int = 1000) -> list[PlainRow]:
    """Every row of a table, read page by page."""
    found: list[PlainRow] = []
    while rows := tables.rows(table, table.key_of(found[-1]) if found else None, page):
        assert len(rows) <= page
        found += rows
    return found


def everything(tables: Tables) -> dict[str, list[PlainRow]]:
    return {table.name: all_rows(tables, table) for table in tables.tables()}


async def busy(store: Store) -> Shelf:
    """Two repositories with records in every state, and something in most tables."""
    shelf, neighbour = await Shelf.new(store, "photos"), await Shelf.new(store, "music")
    await neighbour.add("between", "\U0010ff80", 'quote"\\back', "new\nline", "NULL", "{}")
    operation = await store.begin_operation(shelf.lease, OperationType.MANUAL, "", scan=True)
    added = [shelf.new_file(path) for path in ("a", "b/c", "gone", "odd\tname")]
    records = await shelf.write(*added, operation_id=operation.id, generation=operation.generation)
    await store.finish_operation(operation.id, Counts(files_added=4))
    await neighbour.add("later")
    hold = await store.open_hold(shelf.lease, gone=1, live=3, reason="\N{SNOWMAN} 50 %")
    await shelf.write(
        change(records[2], state=RecordState.DELETED, held_id=hold.id),
        change(records[1], state=RecordState.MISSING, held_id=hold.id),
        change(records[0], path="moved", state=RecordState.PRESENT),
    )
    await store.mark_dirty(shelf.id, [("b", "overflow"), ("", "unclean")])
    await store.report_problems(shelf.id, [Problem("b/c", ProblemCode.UNREADABLE, "no right")])
    jobs = [NewJob("one", {"z": 1, "a": [1.5, None, "é"]}), NewJob("two", {})]
    await store.plan_jobs("hook", await store.head(), jobs, after=None)
    await store.claim_jobs("hook", "somebody", limit=1, seconds=600.0)
    return shelf


@pytest.mark.anyio
class TablesContract:
    @pytest.fixture
    def copyable(self, store: Store) -> CopyableStore:
        if not isinstance(store, CopyableStore):
            pytest.skip("this store cannot be copied")
        return store

    @pytest.fixture
    async def tables(self, copyable: CopyableStore) -> AsyncIterator[Tables]:
        """The rows of a busy ledger."""
        await busy(copyable)
        with closing(copyable.all_tables()) as tables:
            yield tables

    @pytest.fixture
    def writer(self, copyable: CopyableStore, tables: Tables) -> Iterator[Tables]:
        """The same rows on another connection."""
        with closing(copyable.all_tables()) as writer:
            yield writer

    async def test_pages_hold_every_row_in_the_order_of_keys(self, tables: Tables) -> None:
        counts = tables.counts()
        assert counts["file_records"] == 11
        for table in tables.tables():
            rows = all_rows(tables, table)
            assert rows == all_rows(tables, table, 2)
            keys = [table.key_of(row) for row in rows]
            assert keys == sorted(set(keys))
            assert len(rows) == counts[table.name]
            assert tables.last(table) == (keys[-1] if keys else None)
            assert {type(value) for row in rows for value in row} <= {int, str, type(None)}

    async def test_what_is_loaded_is_what_was_read(self, tables: Tables, copyable: CopyableStore) -> None:
        before, counters = everything(tables), tables.counters()
        tables.clear()
        assert not any(tables.counts().values())
        for table in tables.tables():
            tables.load(table, before[table.name])
        tables.set_counters(counters)
        assert everything(tables) == before
        assert tables.counters() == counters
        tables.clear()
        tables.set_counters(counters)
        assert tables.counters() == counters

    async def test_ids_go_on_after_the_last_that_was_given(
        self, tables: Tables, copyable: CopyableStore
    ) -> None:
        last = tables.counters()["file_records"]
        tables.clear()
        tables.set_counters({**tables.counters(), "file_records": last + 100})
        record = await (await Shelf.new(copyable)).put("new")
        assert record.id == last + 101

    async def test_a_cursor_of_this_journal_has_no_epoch_in_its_row(
        self, tables: Tables, copyable: CopyableStore
    ) -> None:
        table = table_of(tables, "action_cursors")
        [row] = all_rows(tables, table)
        assert dict(zip(table.columns, row, strict=True))["epoch"] == ""
        tables.clear()
        tables.load(table, [row, ("stranger", "of another", 7, row[3])])
        assert await copyable.action_cursor("hook") == await copyable.head()
        found = await copyable.action_cursor("stranger")
        assert found
        assert found.epoch == "of another"

    async def test_a_page_is_loaded_whole_or_not_at_all(self, tables: Tables) -> None:
        table = table_of(tables, "changes")
        rows = all_rows(tables, table)
        tables.clear()
        with pytest.raises(StoreDataError):
            tables.load(table, [*rows, rows[0]])
        assert tables.counts()["changes"] == 0
        tables.load(table, rows)
        assert all_rows(tables, table) == rows

    async def test_the_largest_numbers(self, tables: Tables) -> None:
        table = table_of(tables, "file_records")
        *_, last = all_rows(tables, table)
        row, most = dict(zip(table.columns, last, strict=True)), 2**63 - 1
        row |= {"id": 2**62, "file_path": "x", "version": most, "file_size": most, "inode": -most - 1}
        row |= {"mtime_ns": -(2**62), "read_at": -1}  # and the first and the last moment that Python knows
        row |= {"created_at": 253_402_300_799_999_999, "updated_at": -62_135_596_800_000_000}
        tables.load(table, [tuple(row.values())])
        assert all_rows(tables, table)[-1] == tuple(row.values())

    async def test_what_is_held_stays_as_it_was(self, tables: Tables, writer: Tables) -> None:
        before = everything(writer)
        tables.hold()
        assert everything(tables) == before
        table = table_of(tables, "changes")
        rows = all_rows(writer, table)
        writer.load(table, [(rows[-1][0] + 1, *rows[-1][1:])])
        assert everything(tables) == before
        assert len(all_rows(writer, table)) == len(rows) + 1

    async def test_half_a_copy_opens_only_to_be_copied_further(
        self, tables: Tables, build: Callable[[], CopyableStore]
    ) -> None:
        tables.mark("epoch")
        for given in ({}, {"copy_of": "another"}):
            store = build()
            with pytest.raises(StoreVersionError, match="half a copy"):
                await store.open(**given)
            await store.aclose()
        store = build()
        await store.open(copy_of="epoch")
        await store.aclose()
        tables.finish()
        store = build()
        await store.open()
        await store.aclose()

    async def test_jobs_that_were_running_are_free_in_the_end(
        self, tables: Tables, copyable: CopyableStore
    ) -> None:
        before = everything(tables)
        tables.clear()
        for table in tables.tables():
            tables.load(table, before[table.name])
        tables.finish()
        claimed = await copyable.claim_jobs("hook", "me", limit=9, seconds=60.0)
        assert {job.key for job in claimed} == {"one", "two"}

    async def test_engines_of_every_host_are_told(self, copyable: CopyableStore) -> None:
        assert await copyable.engines() == []
        owner = await copyable.lock_engine("here", "watch")
        assert [(one.command, one.owner) for one in await copyable.engines()] == [("watch", owner)]
        await copyable.unlock_engine(owner)
        assert await copyable.engines() == []
