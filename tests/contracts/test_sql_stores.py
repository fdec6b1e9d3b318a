"""What the two SQL stores share: the model, and the queries by name."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from importlib.resources import files
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from treeledger.migrations import scripts
from treeledger.model import RecordState
from treeledger.plugins.postgres import dialect as postgres_dialect
from treeledger.plugins.postgres.store import PostgresStore
from treeledger.plugins.sql.queries import Template, load
from treeledger.plugins.sql.records import _files
from treeledger.plugins.sql.tables import NOT_COPIED, TABLES
from treeledger.plugins.sql.values import ENTRY_COLUMNS, MOVE_COLUMNS, RECORD_COLUMNS
from treeledger.plugins.sql.work import Query, Row, Step, drive
from treeledger.plugins.sqlite import dialect as sqlite_dialect
from treeledger.plugins.sqlite.store import SqliteStore
from treeledger.protocols import FileQuery, StoreOptions
from treeledger.testing.store_shelf import Shelf, hashed

SQLITE = load(("treeledger.plugins.sql", "treeledger.plugins.sqlite"), sqlite_dialect.translate)
POSTGRES = load(("treeledger.plugins.sql", "treeledger.plugins.postgres"), postgres_dialect.translate)
# SQLite has a lock file and is told what a large ledger looks like.
ONLY_POSTGRES = {
    "announce_engine",
    "engine_lock",
    "engine_locks",
    "hold_engine_lock",
    "take_engine_lock",
    "drop_engine_lock",
    "renew_engine_lock",
    "never_analyzed",
    "analyze",
}


@pytest.mark.anyio
async def test_both_hold_the_same_model(tmp_path: Path, postgres_url: str) -> None:
    for store in (SqliteStore(tmp_path / "ledger.db"), PostgresStore(StoreOptions(postgres_url))):
        await store.open()
        await store.aclose()
    sqlite, postgres = _sqlite_model(tmp_path / "ledger.db"), _postgres_model(postgres_url)
    assert postgres.pop("engine_locks")
    assert sqlite == postgres
    assert {script[:2] for script in scripts("sqlite")} == {script[:2] for script in scripts("postgres")}


@pytest.mark.anyio
async def test_a_ledger_of_before_learns_how_many_files_have_their_hash(
    tmp_path: Path, postgres_url: str
) -> None:
    forget = "ALTER TABLE repositories DROP COLUMN hashed;"
    path = tmp_path / "ledger.db"
    for store in (SqliteStore(path), PostgresStore(StoreOptions(postgres_url))):
        await store.open()
        a, b, _ = await (shelf := await Shelf.new(store)).add("a", "b", "c")
        await shelf.write(hashed(a, "11"), hashed(b, "22"))
        await store.aclose()
    with closing(sqlite3.connect(path)) as lite, psycopg.connect(postgres_url) as postgres:
        lite.executescript(forget + _script("sqlite"))
        postgres.execute((forget + _script("postgres")).encode())
        for connection in (lite, postgres):
            assert connection.execute("SELECT files, hashed FROM repositories").fetchall() == [(3, 2)]


def _script(dialect: str) -> str:
    return next(script.sql for script in scripts(dialect) if script.name == "hashed")


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


def test_a_copy_takes_every_table_and_column(tmp_path: Path) -> None:
    """What is new in the schema is copied, too, or it is said why not."""
    with closing(sqlite3.connect(tmp_path / "ledger.db")) as connection:
        for script in scripts("sqlite"):
            connection.executescript(script.sql)
        views = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'view'")}
    model = {
        name: columns for name, columns in _sqlite_model(tmp_path / "ledger.db").items() if name not in views
    }
    copied = {table.name: {*table.columns} | NOT_COPIED.get(table.name, set()) for table in TABLES}
    assert model.pop("journal_head") == {"one", "epoch", "n", "oldest", "at"}  # the counters of a copy
    assert copied == model


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
        ("update_moved", set(MOVE_COLUMNS) - NEVER_UPDATED),
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
    names = re.findall(r"\w+", POSTGRES[name].sql({}))
    assert {column for column in columns if names.count(column) >= 2} == set(columns)


@pytest.mark.parametrize(
    ("name", "columns"),
    [
        ("insert_records", RECORD_COLUMNS),
        ("insert_entries", ENTRY_COLUMNS),
        ("update_records", RECORD_COLUMNS),
        ("update_contents", RECORD_COLUMNS),
        ("update_moved", MOVE_COLUMNS),
    ],
)
def test_sqlite_takes_columns_in_their_order(name: str, columns: tuple[str, ...]) -> None:
    assert f"({', '.join(columns)})" in re.sub(r"\s+", " ", SQLITE[name].sql({}))


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


@pytest.mark.parametrize(
    ("states", "looked_for"),
    [
        ([RecordState.MISSING], None),
        ([RecordState.IGNORED], ["ignored"]),
        ([RecordState.MISSING, RecordState.IGNORED], ["ignored"]),
        ([RecordState.PRESENT, RecordState.MISSING], ["present", "missing"]),
    ],
)
def test_only_states_are_looked_for_that_some_record_is_in(
    states: list[RecordState], looked_for: list[str] | None
) -> None:
    """Of a repository with no missing record, and one that is ignored."""
    asked: dict[str, Any] = {}

    def execute(step: Step) -> Sequence[Row]:
        assert isinstance(step, Query)
        asked[step.name] = step.params
        return [(0, 1)] if step.name == "count_rare" else ()

    drive(_files(FileQuery(uuid4(), states=tuple(states)), None), execute)
    assert asked.get("live_files", {}).get("states") == looked_for
