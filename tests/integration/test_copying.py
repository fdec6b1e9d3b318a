"""A ledger is copied to another store, whole: what is copied, what is refused, and what goes on there."""

from __future__ import annotations

import os
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import Tree, tree_on

from treeledger.copying import Copied, Progress, copy_ledger
from treeledger.errors import EngineLocked, StoreDataError, StoreVersionError, UsageError
from treeledger.ledger import Ledger
from treeledger.model import Cursor, NewJob
from treeledger.names import stored_from_bytes
from treeledger.plugins.postgres import stores as postgres_stores
from treeledger.plugins.sqlite import stores as sqlite_stores
from treeledger.protocols import CopyableStore, NewFile, StoreOptions, Tables
from treeledger.testing.examples import examples
from treeledger.testing.store_shelf import Shelf, hashed, stat
from treeledger.testing.store_tables import all_rows, busy, everything, table_of

pytestmark = pytest.mark.anyio
names = st.binary(min_size=1, max_size=40).filter(lambda name: not {0, 0x2F} & {*name})
numbers = st.integers(-(2**63), 2**63 - 1)
mtimes = st.integers(-(10**18), 2**63 - 1)
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
payloads = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)


def store_at(url: str) -> CopyableStore:
    store = sqlite_stores(StoreOptions(url)) or postgres_stores(StoreOptions(url))
    assert isinstance(store, CopyableStore)
    return store


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[CopyableStore]:
    store = store_at(url)
    try:
        await store.open()
        yield store
    finally:
        await store.aclose()


async def copied(source_url: str, target_url: str, seen: list[Progress] | None = None) -> Copied:
    source, target = store_at(source_url), store_at(target_url)
    try:
        return await copy_ledger(source, target, "here", [].append if seen is None else seen.append)
    finally:
        await source.aclose()
        await target.aclose()


async def held(url: str) -> tuple[dict[str, Any], dict[str, int]]:
    """Every row and counter of a ledger."""
    async with opened(url) as store:
        with closing(store.all_tables()) as tables:
            return everything(tables), dict(tables.counters())


@pytest.fixture(params=["sqlite to postgres", "postgres to sqlite", "sqlite to sqlite"])
def way(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, str]:
    """The URLs of two fresh stores."""
    source, target = (f"sqlite:{tmp_path / name}" for name in ("source.db", "target.db"))
    if request.param == "sqlite to sqlite":
        return source, target
    postgres: str = request.getfixturevalue("postgres_url")
    return (source, postgres) if request.param == "sqlite to postgres" else (postgres, target)


async def fill(url: str) -> Shelf:
    async with opened(url) as store:
        shelf = await busy(store)
        with closing(store.all_tables()) as tables:
            _add_what_a_daemon_keeps(tables, str(shelf.id))
        return shelf


def _add_what_a_daemon_keeps(tables: Tables, repository: str) -> None:
    rows = {
        "schedules": [(repository, "full", 5, None, 2**50), (repository, "quick", None, None, None)],
        "attention": [
            ("held:1", "held", repository, "two\nlines", 1, None, 0, None),
            ("x", "offline", None, "", 1, 2, 3, 4),
        ],
    }
    for name, some in rows.items():
        tables.load(table_of(tables, name), some)


async def test_a_copy_holds_the_same_and_is_another_history(way: tuple[str, str]) -> None:
    source, target = way
    await fill(source)
    before, seen = await held(source), list[Progress]()
    result = await copied(source, target, seen)
    assert await held(target) == before == await held(source)
    assert result.rows == {name: len(rows) for name, rows in before[0].items()}
    assert result.loaded == sum(result.rows.values())
    assert {one.doing for one in seen} == {"copying", "comparing"}
    assert seen[-1].rows == seen[-1].total == result.loaded
    async with opened(source) as ours, opened(target) as theirs:
        head, new_head = await ours.head(), await theirs.head()
        assert new_head.n == head.n
        assert new_head.epoch != head.epoch
        cursor = await theirs.action_cursor("hook")
        assert cursor
        assert cursor.epoch == new_head.epoch
        assert await theirs.plan_jobs("hook", new_head, [NewJob("new", {})], after=cursor)
        assert await theirs.engines() == []


async def test_leases_stay_behind_and_everything_goes_on(way: tuple[str, str]) -> None:
    source, target = way
    shelf = await fill(source)
    await copied(source, target)
    async with opened(target) as store:
        [_, photos] = await store.repositories()
        assert (photos.owner, photos.lease_until) == (None, None)
        lease = await store.claim(shelf.id, "new owner", 60.0)
        assert lease.fence > shelf.lease.fence
        head = await store.head()
        last = max(entry.record_id for entry in await store.changes(0, limit=99))
        there = Shelf(store, lease)
        record = await there.put("after")
        assert record.id > last
        assert (await store.head()).n == head.n + 1
        assert (await there.repository()).files == photos.files + 1
        [claimed, *_] = await store.claim_jobs("hook", "new owner", limit=9, seconds=60.0)
        assert claimed.key == "one"


async def test_there_and_back_again_is_the_same(tmp_path: Path, postgres_url: str) -> None:
    first, last = (f"sqlite:{tmp_path / name}" for name in ("first.db", "last.db"))
    await fill(first)
    there, back = await copied(first, postgres_url), await copied(postgres_url, last)
    assert there == back
    assert await held(first) == await held(last)


@given(
    files=st.lists(st.tuples(names, mtimes, numbers, numbers, numbers, numbers), min_size=1, max_size=8),
    payload=payloads,
)
@examples(30)
async def test_any_name_number_and_payload(
    tmp_path_factory: pytest.TempPathFactory, postgres_url: str, files: Any, payload: Any
) -> None:
    folder = tmp_path_factory.mktemp("any")
    async with opened(f"sqlite:{folder}/ledger.db") as ours, opened(postgres_url) as theirs:
        odd = {stored_from_bytes(name): stat for name, *stat in files}
        await (await Shelf.new(ours)).add(*odd)
        await ours.plan_jobs("hook", Cursor("e", 1), [NewJob("\n", {"x": payload})], after=None)
        with closing(ours.all_tables()) as left, closing(theirs.all_tables()) as right:
            right.clear()
            for table in left.tables():
                rows = all_rows(left, table)
                if table.name == "file_records":
                    at = table.columns.index("mtime_ns")
                    rows = [(*row[:at], *odd[row[2]], *row[at + 5 :]) for row in rows]
                right.load(table, rows)
                assert all_rows(right, table) == rows


async def test_half_a_copy_goes_on_where_it_was(way: tuple[str, str]) -> None:
    source, target = way
    await fill(source)
    whole = await held(source)
    await _half(source, target, rows=5)
    with pytest.raises(StoreVersionError, match="half a copy"):
        async with opened(target):
            pass
    result = await copied(source, target)
    assert result.loaded == sum(result.rows.values()) - _begun(whole[0], 5)
    assert await held(target) == whole


def _begun(rows: dict[str, Any], files: int) -> int:
    """How many rows `_half` copies."""
    return len(rows["repositories"]) + len(rows["file_systems"]) + files


async def _half(source: str, target: str, rows: int) -> None:
    """Copies as far as some of the records."""
    async with opened(source) as ours, opened(target) as theirs:
        with closing(ours.all_tables()) as left, closing(theirs.all_tables()) as right:
            right.mark((await ours.head()).epoch)
            for table in left.tables():
                if table.name == "file_records":
                    right.load(table, left.rows(table, None, rows)[:rows])
                    break
                right.load(table, all_rows(left, table))


async def test_half_a_copy_of_what_changed_meanwhile_is_begun_anew(way: tuple[str, str]) -> None:
    source, target = way
    shelf = await fill(source)
    await _half(source, target, rows=5)
    async with opened(source) as store:
        there = Shelf(store, shelf.lease)
        await there.put("one more")
        await there.write(hashed(await there.at("moved"), "ab"))
    result = await copied(source, target)
    assert result.loaded == sum(result.rows.values())
    assert await held(target) == await held(source)


async def test_a_finished_copy_is_only_compared_by_the_same_command(way: tuple[str, str]) -> None:
    source, target = way
    await fill(source)
    first = await copied(source, target)
    again = await copied(source, target)
    assert again == first._replace(loaded=0)
    shelf = await _live_on(target)
    with pytest.raises(
        UsageError, match="is not empty, and no copy of this ledger as it is now: repositories"
    ):
        await copied(source, target)
    async with opened(target) as store:
        assert await store.records_at(shelf.id, ["after"])


async def _live_on(url: str) -> Shelf:
    """Adds a file to the first repository, as who uses the ledger would."""
    async with opened(url) as store:
        [repository, *_] = await store.repositories()
        shelf = Shelf(store, await store.claim(repository.id, "new owner", 60.0))
        await shelf.put("after")
        await store.release(shelf.lease, clean=True)
        return shelf


async def test_another_ledger_is_not_written_over(way: tuple[str, str]) -> None:
    source, target = way
    await fill(source)
    async with opened(target) as store:
        await Shelf.new(store)
    before = await held(target)
    with pytest.raises(UsageError, match="not empty"):
        await copied(source, target)
    assert await held(target) == before


async def test_half_a_copy_of_another_ledger_is_left_alone(way: tuple[str, str], tmp_path: Path) -> None:
    source, target = way
    await fill(source)
    await _half(source, target, rows=5)
    other = f"sqlite:{tmp_path}/other.db"
    await fill(other)
    with pytest.raises(StoreVersionError, match="half a copy of another ledger"):
        await copied(other, target)
    await copied(source, target)


@pytest.mark.parametrize("busy_one", [0, 1], ids=["source", "target"])
async def test_an_engine_that_runs_is_respected(way: tuple[str, str], busy_one: int) -> None:
    source, target = way
    await fill(source)
    async with opened(way[busy_one]) as store:
        owner = await store.lock_engine("here", "watch")
        with pytest.raises(EngineLocked, match=f"{re.escape(store.url)}.*watch"):
            await copied(source, target)
        await store.unlock_engine(owner)
    await copied(source, target)


async def test_an_engine_of_another_host_is_respected(tmp_path: Path, postgres_url: str) -> None:
    await fill(postgres_url)
    async with opened(postgres_url) as store:
        await store.lock_engine("elsewhere", "daemon")
        with pytest.raises(EngineLocked, match="daemon runs on elsewhere"):
            await copied(postgres_url, f"sqlite:{tmp_path}/target.db")


async def test_what_is_no_ledger_is_not_copied(tmp_path: Path, postgres_url: str) -> None:
    for source in (f"sqlite:{tmp_path}/none.db", postgres_url):
        with pytest.raises(UsageError, match="there is no ledger at"):
            await copied(source, f"sqlite:{tmp_path}/target.db")
    assert os.listdir(tmp_path) == []


async def test_a_ledger_is_not_copied_to_itself(tmp_path: Path) -> None:
    source = f"sqlite:{tmp_path}/ledger.db"
    await fill(source)
    os.symlink(tmp_path / "ledger.db", tmp_path / "link.db")
    for target in (source, f"sqlite:{tmp_path}/link.db"):
        with pytest.raises(UsageError, match="the same ledger"):
            await copied(source, target)


async def test_a_row_that_the_target_refuses_is_named(tmp_path: Path, postgres_url: str) -> None:
    """SQLite takes a NUL in the text of a problem, PostgreSQL in none."""
    source = f"sqlite:{tmp_path}/ledger.db"
    shelf = await fill(source)
    async with opened(source) as store:
        with closing(store.all_tables()) as tables:
            bad = (str(shelf.id), "some/path", "unreadable", "with a \0 in it", 1, 1)
            tables.load(table_of(tables, "problems"), [bad])
    with pytest.raises(StoreDataError, match=f"problems {shelf.id}, some/path, unreadable cannot be copied"):
        await copied(source, postgres_url)
    with pytest.raises(StoreVersionError, match="half a copy"):
        async with opened(postgres_url):
            pass


async def test_a_scan_after_the_copy_finds_nothing_changed_and_reads_nothing(
    way: tuple[str, str], tmp_path: Path
) -> None:
    source, target = way
    async with tree_on(tmp_path / "tree", source) as tree:
        for n in range(60):
            tree.write(f"d{n % 3}/f{n}", f"content {n}")
        await tree.ledger.scan(tree.repository)
        before = await tree.present()
    await copied(source, target)
    async with Ledger.open(store=target, environ={**os.environ, "TREELEDGER_CONFIG": ""}) as ledger:
        tree = Tree(tmp_path / "tree", ledger)
        [tree.repository] = await ledger.repositories()
        counts = (await ledger.scan(tree.repository)).counts
        assert (counts.files_scanned, counts.files_unchanged) == (60, 60)
        assert (counts.files_added, counts.files_updated, counts.files_removed) == (0, 0, 0)
        assert (counts.files_hashed, counts.bytes_hashed) == (0, 0)
        after = await tree.present()
    assert {path: (one.id, one.version, one.content_hash) for path, one in after.items()} == {
        path: (one.id, one.version, one.content_hash) for path, one in before.items()
    }


async def test_many_records_of_several_repositories(way: tuple[str, str]) -> None:
    """More than a page of each, ids in turn, some of them purged: pages of both sides end in other places."""
    source, target = way
    async with opened(source) as store:
        shelves = [await Shelf.new(store, name) for name in ("one", "two", "three")]
        for turn in range(12):
            shelf = shelves[turn % 3]
            await add_files(shelf, turn, 1000)
        await store.remove_repository(shelves[1].id, purge=True)
    result = await copied(source, target)
    assert result.rows["file_records"] == 8000
    assert result.rows["changes"] == 12_000
    assert await held(source) == await held(target)


async def test_a_hundred_thousand_files_there_and_back(tmp_path: Path, postgres_url: str) -> None:
    first, last = (f"sqlite:{tmp_path / name}" for name in ("first.db", "last.db"))
    async with opened(first) as store:
        shelf = await Shelf.new(store)
        for turn in range(20):
            await add_files(shelf, turn, 5000)
    there, back = await copied(first, postgres_url), await copied(postgres_url, last)
    assert there == back
    assert there.rows["file_records"] == 100_000
    async with opened(first) as ours, opened(last) as theirs:
        assert (await ours.head()).n == (await theirs.head()).n == 100_000


async def add_files(shelf: Shelf, turn: int, count: int) -> None:
    """New files in bulk, as a first scan adds them."""
    files = [
        NewFile(f"d{turn:03}/f{n:05}", *stat(inode=turn * count + n + 1), "done", f"{turn * count + n:064x}")
        for n in range(count)
    ]
    added = await shelf.store.add(
        shelf.lease, files, algorithm="sha256", read_at=None, operation_id=None, generation=1
    )
    assert not added.refused
