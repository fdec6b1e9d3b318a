"""All rows of an SQLite ledger, read and loaded on a connection of its own."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from treeledger.plugins.sql.tables import JOURNAL, SEQUENCES, TABLES, Kind, canonical
from treeledger.plugins.sqlite.errors import ERRORS, wrapped
from treeledger.protocols import HALF_COPY, PlainRow, Table

_SETTINGS: Final = (
    "PRAGMA busy_timeout = 5000",
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
    "PRAGMA cache_size = -65536",
)
_READ: Final = {
    Kind.EPOCH: "CASE WHEN {0} = (SELECT epoch FROM journal_head) THEN '' ELSE {0} END",
}
_LOADED: Final = {
    Kind.EPOCH: "coalesce(nullif(?, ''), (SELECT epoch FROM journal_head))",
}


class SqliteTables:
    """`treeledger.protocols.Tables` of a file. Statements are made of the names in TABLES only."""

    def __init__(self, path: Path) -> None:
        self._path = path
        uri = f"file:{quote(os.fsencode(path))}?mode=rw"
        with self._wrapping():
            self._connection = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)
            for setting in _SETTINGS:
                self._connection.execute(setting)

    def tables(self) -> Sequence[Table]:
        return tuple(TABLES)

    def hold(self) -> None:
        with self._wrapping():
            self._connection.execute("BEGIN")
            self._connection.execute("SELECT rootpage FROM sqlite_schema LIMIT 1").fetchall()

    def counts(self) -> Mapping[str, int]:
        return {
            table.name: self._ask(" ".join(("SELECT count(*) FROM", table.name)))[0][0] for table in TABLES
        }

    def counters(self) -> Mapping[str, int]:
        [journal] = self._ask("SELECT n, oldest, at FROM journal_head")
        given: dict[str, int] = dict(self._ask("SELECT name, seq FROM sqlite_sequence"))
        return dict(zip(JOURNAL, journal, strict=True)) | {name: given.get(name, 0) for name in SEQUENCES}

    def rows(self, table: Table, after: PlainRow | None, limit: int) -> list[PlainRow]:
        rows = self._ask(_selecting(table, is_first=after is None), (*(after or ()), limit))
        return canonical(table, rows)

    def last(self, table: Table) -> PlainRow | None:
        rows = self._ask(_selecting_last(table))
        return rows[0] if rows else None

    def mark(self, epoch: str) -> None:
        with self._transaction() as connection:
            connection.execute(
                "INSERT INTO schema_migrations (version, name, applied_at) VALUES (?, ?, ?)",
                (HALF_COPY, epoch, time.time_ns() // 1000),
            )

    def load(self, table: Table, rows: Sequence[PlainRow]) -> None:
        statement = _inserting(table)
        with self._transaction() as connection:
            connection.executemany(statement, rows)

    def set_counters(self, counters: Mapping[str, int]) -> None:
        with self._transaction() as connection:
            connection.execute(
                "UPDATE journal_head SET n = ?, oldest = ?, at = ?", [counters[name] for name in JOURNAL]
            )
            for name in SEQUENCES:
                connection.execute("DELETE FROM sqlite_sequence WHERE name = ?", (name,))
                connection.execute("INSERT INTO sqlite_sequence VALUES (?, ?)", (name, counters[name]))

    def clear(self) -> None:
        with self._transaction() as connection:
            for table in reversed(TABLES):
                statement = " ".join(("DELETE FROM", table.name))
                connection.execute(statement)

    def finish(self) -> None:
        with self._transaction() as connection:
            connection.execute("UPDATE jobs SET lease_until = 0 WHERE state = 'running'")
            connection.execute("DELETE FROM schema_migrations WHERE version = ?", (HALF_COPY,))

    def close(self) -> None:
        self._connection.close()

    def _ask(self, statement: str, values: Sequence[Any] = ()) -> list[PlainRow]:
        with self._wrapping():
            return self._connection.execute(statement, values).fetchall()

    @contextmanager
    def _wrapping(self) -> Iterator[None]:
        try:
            yield
        except ERRORS as error:
            raise wrapped(error, self._path) from error

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._wrapping():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            finally:
                if self._connection.in_transaction:
                    self._connection.rollback()


@cache
def _selecting(table: Table, *, is_first: bool) -> str:
    columns = ", ".join(
        _READ.get(kind, "{0}").format(name) for name, kind in zip(table.columns, TABLES[table], strict=True)
    )
    keys = ", ".join(table.columns[: table.keys])
    behind = "" if is_first else f"WHERE ({keys}) > ({', '.join('?' * table.keys)})"
    return " ".join(("SELECT", columns, "FROM", table.name, behind, "ORDER BY", keys, "LIMIT ?"))


@cache
def _selecting_last(table: Table) -> str:
    keys = table.columns[: table.keys]
    order = ", ".join(f"{key} DESC" for key in keys)
    return " ".join(("SELECT", ", ".join(keys), "FROM", table.name, "ORDER BY", order, "LIMIT 1"))


@cache
def _inserting(table: Table) -> str:
    values = ", ".join(_LOADED.get(kind, "?") for kind in TABLES[table])
    return " ".join(("INSERT INTO", table.name, f"({', '.join(table.columns)})", "VALUES", f"({values})"))
