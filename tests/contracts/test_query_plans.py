"""An index answers each query of the SQL stores that must not grow with the ledger."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import closing
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
import pytest

from treeledger.model import RecordState
from treeledger.plugins.postgres import dialect as postgres_dialect
from treeledger.plugins.postgres.store import PostgresStore
from treeledger.plugins.sql.queries import load
from treeledger.plugins.sql.values import micros
from treeledger.plugins.sqlite import dialect as sqlite_dialect
from treeledger.plugins.sqlite.store import SqliteStore
from treeledger.protocols import EPOCH, Store, StoreOptions
from treeledger.testing.store_shelf import Shelf, change

SQLITE = load(sqlite_dialect.PACKAGES, sqlite_dialect.translate)
POSTGRES = load(postgres_dialect.PACKAGES, postgres_dialect.translate)
TODAY = datetime(2026, 11, 21, tzinfo=UTC)


class Planner(NamedTuple):
    """A store with records in it, and what its database says of how it would answer a query.

    `grow` makes the database believe that there are ten million records and entries.
    """

    store: Store
    shelf: Shelf
    explain: Callable[[str, Mapping[str, Any]], str]
    grow: Callable[[], None]


def _explain_sqlite(path: Path, name: str, params: Mapping[str, Any]) -> str:
    plain = {key: _bound(value) for key, value in params.items()}
    with closing(sqlite3.connect(path)) as connection:
        connection.create_function("now", 0, lambda: 0)
        rows = connection.execute("EXPLAIN QUERY PLAN " + SQLITE[name].sql(params), plain)
        return "\n".join(row[3] for row in rows)


def _bound(value: object) -> object:
    return (
        json.dumps(value)
        if isinstance(value, list)
        else micros(value)
        if isinstance(value, datetime)
        else value
    )


def _explain_postgres(url: str, name: str, params: Mapping[str, Any]) -> str:
    with psycopg.connect(url) as connection:
        rows = connection.execute(("EXPLAIN " + POSTGRES[name].sql(params)).encode(), params)
        return "\n".join(row[0] for row in rows)


def _grow_sqlite(path: Path) -> None:
    """Ten times what the ledger was told at its beginning."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.create_function("grown", 1, lambda stat: re.sub(r"\\d\\d+", r"\\g<0>0", stat))
        connection.execute("UPDATE sqlite_stat1 SET stat = grown(stat)")


def _grow_postgres(url: str) -> None:
    """As many rows on each page as make ten millions."""
    with psycopg.connect(url) as connection:
        connection.execute(
            "UPDATE pg_class SET reltuples = 1e7 WHERE oid IN ("
            "  SELECT indexrelid FROM pg_index"
            "  WHERE indrelid IN ('file_records'::regclass, 'changes'::regclass) AND indpred IS NULL"
            "  UNION SELECT unnest(ARRAY['file_records'::regclass, 'changes'::regclass])"
            "  UNION SELECT 'file_records_live'::regclass)"
        )


@pytest.fixture(params=["sqlite", "postgres"])
async def planner(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Planner]:
    path, is_sqlite = tmp_path / "ledger.db", request.param == "sqlite"
    url = "" if is_sqlite else request.getfixturevalue("postgres_url")
    store: Store = SqliteStore(path) if is_sqlite else PostgresStore(StoreOptions(url))
    await store.open()
    try:
        shelf = await _filled(store)
        if is_sqlite:
            yield Planner(store, shelf, partial(_explain_sqlite, path), partial(_grow_sqlite, path))
        else:
            with psycopg.connect(url) as connection:
                connection.execute("ANALYZE")
            yield Planner(store, shelf, partial(_explain_postgres, url), partial(_grow_postgres, url))
    finally:
        await store.aclose()


async def _filled(store: Store) -> Shelf:
    """The last of three repositories of 3,000 records each, some of them deleted."""
    for _ in range(3):
        shelf = await Shelf.new(store)
        records = await shelf.add(*(f"{number % 40:02}/{number:05}.jpg" for number in range(3000)))
        await shelf.write(*(change(record, state=RecordState.DELETED) for record in records[::10]))
    return shelf


@pytest.mark.anyio
async def test_a_ledger_that_was_small_a_moment_ago_is_searched_by_path(postgres_url: str) -> None:
    """What the planner saw when there was one record does not mislead it when there are thousands."""
    store = PostgresStore(StoreOptions(postgres_url))
    await store.open()
    try:
        with psycopg.connect(postgres_url, autocommit=True) as connection:
            connection.execute("ALTER TABLE file_records SET (autovacuum_enabled = off)")
            shelf = await Shelf.new(store)
            await shelf.add("first")
            connection.execute("ANALYZE file_records")
            paths = [f"{number % 40:02}/{number:05}.jpg" for number in range(3000)]
            await shelf.add(*paths)
            params = {"repository_id": str(shelf.id), "paths": paths[:100]}
            for name in ("live_at_paths", "occupied_paths"):
                sql = ("EXPLAIN " + POSTGRES[name].sql(params)).encode()
                assert "file_records_live" in "\n".join(row[0] for row in connection.execute(sql, params))
    finally:
        await store.aclose()


OF_ANY_LEDGER: list[tuple[str, str, dict[str, Any]]] = [
    ("keys_between", "file_records_live", {"low": "", "high": "", "limit": 100}),
    ("keys_between", "file_records_live", {"low": "07/", "high": "070", "limit": 100}),
    ("inodes_on_record", "file_records_inode", {"file_system": 1, "inodes": [1, 2, 3]}),
    ("deleted_between", "file_records_deleted", {"low": "07/x", "high": "08", "limit": 100}),
    ("deleted_paths", "file_records_deleted", {"paths": ["10/00010.jpg"]}),
    ("live_at_paths", "file_records_live", {"paths": ["07/00007.jpg", "08/00008.jpg"]}),
    ("deleted_at_paths", "file_records_deleted", {"paths": ["10/00010.jpg"]}),
    ("occupied_paths", "file_records_live", {"paths": ["07/00007.jpg"]}),
    ("movable_between", "file_records_live", {"low": "07/00007", "high": "07/00087", "limit": 100}),
    ("any_live_between", "file_records_live", {"low": "07/00007", "high": "07/00087"}),
    (
        "live_files",
        "file_records_live",
        {"low": "07", "high": "08", "states": ["present"], "limit": 100},
    ),
    ("live_files", "file_records_live", {"low": "07/x", "states": ["present"], "limit": 100}),
    ("deleted_files", "file_records_deleted", {"low": "07/x", "high": "08", "limit": 100}),
    ("records_by_inode", "file_records_inode", {"file_system": 1, "inodes": [1, 2, 3]}),
    ("records_pending", "file_records_pending", {"limit": 100}),
    (
        "records_pending_within",
        "file_records_pending",  # or, in PostgreSQL, its companion by path
        {"prefix": "07", "low": "07/", "high": "070", "limit": 9},
    ),
    (
        "records_to_scrub_beside",
        "file_records_scrub",
        {"verified": EPOCH, "read": TODAY, "id": 7, "limit": 100},
    ),
    (
        "records_to_scrub_beyond",
        "file_records_scrub",
        {"verified": EPOCH, "before": TODAY, "limit": 100},
    ),
    ("held_contents", "file_records_missing", {"held_id": 7, "after": 0, "limit": 5000}),
    ("held_folders", "file_records_missing", {"held_id": 7}),
    ("entries", "changes", {"after": 500, "limit": 100}),
]
READ_THROUGH = (
    "SCAN file_records",
    "SCAN r",
    "SCAN changes",
    "Seq Scan on file_records",
    "Seq Scan on changes",
)


@pytest.mark.anyio
async def test_an_index_answers(planner: Planner) -> None:
    wrong = []
    for name, index, params in OF_ANY_LEDGER:
        given = params if name == "entries" else params | {"repository_id": str(planner.shelf.id)}
        plan = planner.explain(name, given)
        wanted = (index, f"{index}_pkey", "changes USING INTEGER PRIMARY KEY")
        if not any(words in plan for words in wanted) or any(words in plan for words in READ_THROUGH):
            wrong.append(f"{name} {params}:\n{plan}")
    assert not wrong, "\n\n".join(wrong)


@pytest.mark.anyio
async def test_what_is_before_a_time_is_not_read(tmp_path: Path) -> None:
    """A plan does not tell from which of two bounds on it reads; the steps of SQLite's machine do."""
    path = tmp_path / "ledger.db"
    store = SqliteStore(path)
    await store.open()
    await _filled(store)
    await store.aclose()
    steps: list[int] = []
    with closing(sqlite3.connect(path)) as connection:
        connection.set_progress_handler(lambda: steps.append(1), 1)
        sql = SQLITE["entries"].sql({"since": TODAY})
        assert connection.execute(sql, {"after": 0, "since": 2**62, "limit": 9}).fetchall() == []
    assert len(steps) < 2000, "9,900 entries"


GROWS = re.compile(
    r"SCAN (file_records|r|c|changes)\b|TEMP B-TREE|Seq Scan on (file_records|changes)|^ *(-> +)?Sort",
    re.MULTILINE,
)
RANGE = {"low": "07", "high": "08", "limit": 1000}
OF_LARGE_LEDGERS: list[tuple[str, dict[str, Any]]] = [
    ("record", {"id": 7}),
    ("standing", {"ids": [7, 8, 9]}),
    ("live_at_paths", {"paths": ["07/00007.jpg"]}),
    ("occupied_paths", {"paths": ["07/00007.jpg", "08/00008.jpg"]}),
    ("records_by_inode", {"file_system": 1, "inodes": [1, 2, 3]}),
    ("inodes_on_record", {"file_system": 1, "inodes": [1, 2, 3]}),
    ("deleted_between", RANGE),
    ("deleted_paths", {"paths": ["10/00010.jpg"]}),
    ("live_files", {"states": ["present"], **RANGE}),
    ("live_files", {"states": ["present"], **RANGE, "low": "07/00047.jpg"}),
    ("keys_between", {"low": "", "high": None, "limit": 5000}),
    ("keys_between", {"low": "39/02999.jpg", "high": None, "limit": 5000}),
    ("keys_between", RANGE),
    ("present_contents", {"after": 7, "limit": 5000}),
    ("entries", {"after": 9_999_000, "limit": 1000, "repository_id": None}),
    ("entries", {"after": 9_999_000, "limit": 1000}),
    ("entries", {"after": 0, "limit": 1000, "since": TODAY, "repository_id": None}),
    ("newest_entries", {"after": 0, "limit": 1000, "repository_id": None}),
    ("newest_entries", {"after": 0, "limit": 1000}),
    ("newest_entries", {"after": 0, "limit": 5, "record_id": 7, "repository_id": None}),
]


@pytest.mark.anyio
async def test_nothing_is_read_through_or_sorted_in_a_large_ledger(planner: Planner) -> None:
    planner.grow()
    given = {"repository_id": str(planner.shelf.id)}
    plans = {f"{name} {params}": planner.explain(name, given | params) for name, params in OF_LARGE_LEDGERS}
    wrong = [f"{query}:\n{plan}" for query, plan in plans.items() if GROWS.search(plan)]
    assert not wrong, "\n\n".join(wrong)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("name", "params", "indexes"),
    [
        (
            "count_jobs",
            {},
            {"INDEX jobs_dead", "INDEX jobs_leases", "INDEX jobs_due"},
        ),
        ("dead_jobs", {}, {"INDEX jobs_dead", "SEARCH newest USING INTEGER PRIMARY KEY"}),
        ("jobs", {"waiting": True}, {"INDEX jobs_order (action=? AND id>?)"}),
        ("jobs", {"running": True}, {"INDEX jobs_leases (action=?)"}),
        ("jobs", {"dead": True}, {"INDEX jobs_dead (action=? AND id>?)"}),
        (
            "jobs",
            {"in_any_state": True},
            {"INDEX jobs_order (action=? AND id>?)", "INDEX jobs_dead (action=? AND id>?)"},
        ),
        ("operations", {}, {"INDEX sync_operations_asked_for"}),
        ("operations", {"repository_id": "id"}, {"INDEX sync_operations_asked (repository_id=?"}),
        ("last_operations", {}, {"INDEX sync_operations_repository", "USING INTEGER PRIMARY KEY"}),
    ],
)
async def test_jobs_and_operations_are_found_in_their_indexes(
    tmp_path: Path, name: str, params: dict[str, Any], indexes: set[str]
) -> None:
    store = SqliteStore(tmp_path / "ledger.db")
    await store.open()
    await store.aclose()
    given = {"action": "hook", "after": 0, "limit": 9, **params}
    plan = _explain_sqlite(tmp_path / "ledger.db", name, given)
    assert all(index in plan for index in indexes), plan
    assert not re.search(r"SCAN (jobs|sync_operations)$", plan, re.MULTILINE), plan


@pytest.mark.anyio
async def test_what_is_to_be_read_is_counted_in_indexes_that_hold_nothing_else(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "ledger.db")
    await store.open()
    await store.aclose()
    plan = _explain_sqlite(tmp_path / "ledger.db", "tally_unread", {"most": 9})
    for index in ("file_records_pending", "file_records_failed", "file_records_verify"):
        assert re.search(rf"SEARCH file_records USING (COVERING )?INDEX {index}\b", plan), plan
