"""What the two SQL stores share: the model, the queries by name, and that an index answers each page."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import closing
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
import pytest

from treeledger.migrations import scripts
from treeledger.model import RecordState
from treeledger.plugins.postgres import dialect as postgres_dialect
from treeledger.plugins.postgres.store import PostgresStore
from treeledger.plugins.sql.queries import Template, load
from treeledger.plugins.sql.values import ENTRY_COLUMNS, RECORD_COLUMNS, micros
from treeledger.plugins.sqlite import dialect as sqlite_dialect
from treeledger.plugins.sqlite.store import SqliteStore
from treeledger.protocols import EPOCH, Store, StoreOptions
from treeledger.testing.store_shelf import Shelf, change

SQLITE = load(("treeledger.plugins.sql", "treeledger.plugins.sqlite"), sqlite_dialect.translate)
POSTGRES = load(("treeledger.plugins.sql", "treeledger.plugins.postgres"), postgres_dialect.translate)
TODAY = datetime(2026, 11, 21, tzinfo=UTC)
# SQLite has a lock file and is told what a large ledger looks like.
ONLY_POSTGRES = {
    "engine_lock",
    "hold_engine_lock",
    "take_engine_lock",
    "drop_engine_lock",
    "renew_engine_lock",
    "never_analyzed",
    "analyze",
    "short_keys_between",
}


class Planner(NamedTuple):
    """A store with records in it, and what its database says of how it would answer a query."""

    store: Store
    shelf: Shelf
    explain: Callable[[str, Mapping[str, Any]], str]


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
        connection.execute("ANALYZE")
        rows = connection.execute(("EXPLAIN " + POSTGRES[name].sql(params)).encode(), params)
        return "\n".join(row[0] for row in rows)


@pytest.fixture(params=["sqlite", "postgres"])
async def planner(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Planner]:
    explain: Callable[[str, Mapping[str, Any]], str]
    store: Store
    if request.param == "sqlite":
        path = tmp_path / "ledger.db"
        store, explain = SqliteStore(path), lambda name, params: _explain_sqlite(path, name, params)
    else:
        url = request.getfixturevalue("postgres_url")
        store = PostgresStore(StoreOptions(url))
        explain = lambda name, params: _explain_postgres(url, name, params)  # noqa: E731
    await store.open()
    try:
        yield Planner(store, await _filled(store), explain)
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


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("name", "index", "params"),
    [
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
            {"after": "", "low": "07", "high": "08", "states": ["present"], "limit": 100},
        ),
        ("live_files", "file_records_live", {"after": "07/x", "states": ["present"], "limit": 100}),
        ("deleted_files", "file_records_deleted", {"after": "07/x", "low": "07", "high": "08", "limit": 100}),
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
        ("entries", "changes", {"after": 500, "limit": 100}),
    ],
)
async def test_an_index_answers(planner: Planner, name: str, index: str, params: dict[str, Any]) -> None:
    given = params if name == "entries" else params | {"repository_id": str(planner.shelf.id)}
    plan = planner.explain(name, given)
    assert any(words in plan for words in (index, f"{index}_pkey", "changes USING INTEGER PRIMARY KEY")), plan
    for words in (
        "SCAN file_records",
        "SCAN r",
        "SCAN changes",
        "Seq Scan on file_records",
        "Seq Scan on changes",
    ):
        assert words not in plan, plan


@pytest.mark.anyio
async def test_both_hold_the_same_model(tmp_path: Path, postgres_url: str) -> None:
    for store in (SqliteStore(tmp_path / "ledger.db"), PostgresStore(StoreOptions(postgres_url))):
        await store.open()
        await store.aclose()
    sqlite, postgres = _sqlite_model(tmp_path / "ledger.db"), _postgres_model(postgres_url)
    assert postgres.pop("engine_locks")
    assert sqlite == postgres
    assert {script[:2] for script in scripts("sqlite")} == {script[:2] for script in scripts("postgres")}


def _sqlite_model(path: Path) -> dict[str, set[str]]:
    """The columns of each table and view, generated ones too."""
    with closing(sqlite3.connect(path)) as connection:
        tables = connection.execute(
            "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite%'"
        ).fetchall()
        return {
            table: {row[1] for row in connection.execute(f"PRAGMA table_xinfo({table})")}
            for (table,) in tables
        }


def _postgres_model(url: str) -> dict[str, set[str]]:
    with psycopg.connect(url) as connection:
        rows = connection.execute(
            "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public'"
        ).fetchall()
    model: dict[str, set[str]] = {}
    for table, column in rows:
        model.setdefault(table, set()).add(column)
    return model


@pytest.mark.parametrize("package", ["sql", "sqlite", "postgres"])
def test_every_query_says_what_it_is_for(package: str) -> None:
    for resource in files(f"treeledger.plugins.{package}").iterdir():
        if resource.name.endswith(".sql"):
            text = resource.read_text("utf-8")
            assert re.findall(r"^-- (?:name|fragment): (\w+)\n(?!-- )", text, re.MULTILINE) == []


def test_every_query_is_asked_for() -> None:
    code = "".join(
        resource.read_text("utf-8")
        for package in ("sql", "sqlite", "postgres")
        for resource in files(f"treeledger.plugins.{package}").iterdir()
        if resource.name.endswith(".py")
    )
    assert [name for name in {*SQLITE, *POSTGRES} if f'"{name}"' not in code] == []


def test_both_answer_the_same_queries() -> None:
    assert set(POSTGRES) - set(SQLITE) == ONLY_POSTGRES
    assert set(SQLITE) - set(POSTGRES) == set()


NEVER_UPDATED = {"id", "created_at", "repository_id"}
STAYING = {"file_path", "file_system", "inode", "state", "held_id", "missing_at", "deleted_at"}


@pytest.mark.parametrize("queries", [SQLITE, POSTGRES], ids=["sqlite", "postgres"])
@pytest.mark.parametrize(
    ("name", "columns"),
    [
        ("update_records", set(RECORD_COLUMNS) - NEVER_UPDATED),
        ("update_contents", set(RECORD_COLUMNS) - NEVER_UPDATED - STAYING),
    ],
)
def test_rows_are_updated_whole(queries: Mapping[str, Template], name: str, columns: set[str]) -> None:
    """A column that a statement forgets would be lost in silence."""
    assert {
        column for column in RECORD_COLUMNS if f"{column} = n.{column}" in queries[name].sql({})
    } >= columns


@pytest.mark.parametrize(
    ("name", "columns"), [("insert_records", RECORD_COLUMNS), ("insert_entries", ENTRY_COLUMNS)]
)
def test_rows_are_inserted_whole(name: str, columns: tuple[str, ...]) -> None:
    """PostgreSQL finds the columns by name, twice; SQLite takes them in their order, as updates do."""
    names = re.findall(r"\w+", POSTGRES[name].sql({}))
    assert {column for column in columns if names.count(column) >= 2} == set(columns)
    for query in (name, *(("update_records", "update_contents") if name == "insert_records" else ())):
        assert f"({', '.join(columns)})" in re.sub(r"\s+", " ", SQLITE[query].sql({}))


@pytest.mark.parametrize("queries", [SQLITE, POSTGRES], ids=["sqlite", "postgres"])
def test_moves_are_told_whole(queries: Mapping[str, Template]) -> None:
    words = set(re.findall(r"\w+", queries["journal_moves"].sql({})))
    assert set(ENTRY_COLUMNS) <= words


def test_conditions_and_fragments() -> None:
    entries = SQLITE["entries"]
    everything = entries.sql({"repository_id": "x", "record_id": 1, "since": 2})
    assert "repository_id = :repository_id" in everything
    assert "repository_id = :repository_id" not in entries.sql({"repository_id": None})
    assert "{" not in everything
    unheld, held = (SQLITE["missing_records"].sql({"held_id": id}) for id in (None, 3))
    assert "held_id IS NULL" in unheld
    assert "held_id = :held_id" in held
    assert "held_id IS NULL" not in held
