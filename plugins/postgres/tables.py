"""All rows of a PostgreSQL ledger, read and loaded on a connection of its own.

Rows are loaded as an array for each column: nothing is left in the session, so a pooler may stand between.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any, Final

import psycopg

from treeledger.plugins.postgres.address import Address, completed
from treeledger.plugins.postgres.dialect import array
from treeledger.plugins.postgres.errors import ERRORS, wrapped
from treeledger.plugins.sql.tables import JOURNAL, SEQUENCES, TABLES, Kind, canonical
from treeledger.plugins.sql.work import Row
from treeledger.protocols import HALF_COPY, PlainRow, Table

_MICROS: Final = "(extract(epoch FROM {0}) * 1000000)::bigint"
# Exactly: an interval is multiplied in floating point, which holds hours, and less than an hour.
_TIME: Final = (
    "timestamptz 'epoch' + {0} / 3600000000 * interval '1 hour'"
    " + mod({0}, 3600000000) * interval '1 microsecond'"
)
_READ: Final = {
    Kind.TIME: _MICROS,
    Kind.FLAG: "{0}::integer",
    Kind.UUID: "{0}::text",
    Kind.JSON: "{0}::text",
    Kind.EPOCH: "CASE WHEN {0} = (SELECT epoch FROM journal_head) THEN '' ELSE {0} END",
}
_LOADED: Final = {
    Kind.TIME: _TIME,
    Kind.FLAG: "{0} <> 0",
    Kind.UUID: "{0}::uuid",
    Kind.JSON: "{0}::jsonb",
    Kind.EPOCH: "coalesce(nullif({0}, ''), (SELECT epoch FROM journal_head))",
}
_NUMBERS: Final = (Kind.NUMBER, Kind.TIME, Kind.FLAG)
# Ids are unique in all repositories, the index has them by repository: each is asked for what it has of the
# next ids. So pages are shorter where ids are missing.
_RECORDS: Final = """
FROM (SELECT min(n.id) AS id FROM repositories r CROSS JOIN LATERAL (
        SELECT id FROM file_records WHERE repository_id = r.id AND id > %s ORDER BY id LIMIT 1) AS n) AS first
CROSS JOIN repositories AS r
CROSS JOIN LATERAL (
    SELECT * FROM file_records
    WHERE repository_id = r.id AND id >= first.id AND id < first.id + %s OFFSET 0) AS t
ORDER BY t.id
"""


class PostgresTables:
    """`treeledger.protocols.Tables` of a database. Statements are made of the names in TABLES only."""

    def __init__(self, address: Address) -> None:
        self._url = address.url
        with self._wrapping():
            self._connection: psycopg.Connection[Row] = psycopg.connect(
                completed(address.conninfo), autocommit=True, prepare_threshold=None
            )

    def tables(self) -> Sequence[Table]:
        return tuple(TABLES)

    def hold(self) -> None:
        with self._wrapping():
            self._connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            self._connection.execute("SET LOCAL idle_in_transaction_session_timeout = 0")

    def counts(self) -> Mapping[str, int]:
        return {
            table.name: self._ask(" ".join(("SELECT count(*) FROM", table.name)))[0][0] for table in TABLES
        }

    def counters(self) -> Mapping[str, int]:
        [journal] = self._ask(" ".join(("SELECT n, oldest,", _MICROS.format("at"), "FROM journal_head")))
        given = {
            name: self._ask(
                " ".join(("SELECT last_value * is_called::integer FROM", _sequence(name, column)))
            )[0][0]
            for name, column in SEQUENCES.items()
        }
        return dict(zip(JOURNAL, journal, strict=True)) | given

    def rows(self, table: Table, after: PlainRow | None, limit: int) -> list[PlainRow]:
        if table.name == "file_records":
            rows = self._ask(f"{_columns(table)} {_RECORDS}", (*(after or (0,)), limit))
        else:
            rows = self._ask(_selecting(table, is_first=after is None), (*(after or ()), limit))
        return canonical(table, rows)

    def last(self, table: Table) -> PlainRow | None:
        rows = self._ask(_selecting_last(table))
        return rows[0] if rows else None

    def mark(self, epoch: str) -> None:
        with self._transaction() as connection:
            connection.execute(
                "INSERT INTO schema_migrations (version, name, applied_at) VALUES (%s, %s, now())",
                (HALF_COPY, epoch),
            )

    def load(self, table: Table, rows: Sequence[PlainRow]) -> None:
        if not rows:
            return
        columns = zip(TABLES[table], zip(*rows, strict=True), strict=True)
        arrays = [_numbers(values) if kind in _NUMBERS else array(values) for kind, values in columns]
        statement = _inserting(table)
        with self._transaction() as connection:
            connection.execute(statement.encode(), arrays)

    def set_counters(self, counters: Mapping[str, int]) -> None:
        statement = " ".join(
            ("UPDATE journal_head SET n = %s, oldest = %s, at =", _TIME.format("%s::bigint"))
        )
        n, oldest, at = (counters[name] for name in JOURNAL)
        with self._transaction() as connection:
            connection.execute(statement.encode(), (n, oldest, at, at))
            for name, column in SEQUENCES.items():
                last = counters[name]
                connection.execute(
                    "SELECT setval(%s, %s, %s)", (_sequence(name, column), last or 1, last > 0)
                )

    def clear(self) -> None:
        statement = " ".join(("TRUNCATE", ", ".join(table.name for table in TABLES)))
        with self._transaction() as connection:
            connection.execute(statement.encode())

    def finish(self) -> None:
        with self._transaction() as connection:
            connection.execute("UPDATE jobs SET lease_until = to_timestamp(0) WHERE state = 'running'")
            connection.execute("DELETE FROM schema_migrations WHERE version = %s", (HALF_COPY,))

    def close(self) -> None:
        self._connection.close()

    def _ask(self, statement: str, values: Sequence[Any] = ()) -> list[Row]:
        with self._wrapping():
            return self._connection.cursor(binary=True).execute(statement.encode(), values).fetchall()

    @contextmanager
    def _wrapping(self) -> Iterator[None]:
        try:
            yield
        except ERRORS as error:
            raise wrapped(error, self._url) from error

    @contextmanager
    def _transaction(self) -> Iterator[psycopg.Connection[Row]]:
        with self._wrapping(), self._connection.transaction():
            yield self._connection


def _numbers(values: Sequence[int | None]) -> str:
    return "{" + ",".join(["NULL" if value is None else str(value) for value in values]) + "}"


def _sequence(table: str, column: str) -> str:
    return f"{table}_{column}_seq"


@cache
def _columns(table: Table) -> str:
    kinds = zip(table.columns, TABLES[table], strict=True)
    return " ".join(("SELECT", ", ".join(_READ.get(kind, "{0}").format(f"t.{name}") for name, kind in kinds)))


@cache
def _keys(table: Table) -> list[str]:
    """The key as it is compared: text by its bytes, as the other stores do."""
    kinds = zip(table.columns[: table.keys], TABLES[table], strict=False)
    return [f't.{name} COLLATE "C"' if kind is Kind.TEXT else f"t.{name}" for name, kind in kinds]


@cache
def _selecting(table: Table, *, is_first: bool) -> str:
    keys = ", ".join(_keys(table))
    given = ", ".join("%s::uuid" if kind is Kind.UUID else "%s" for kind in TABLES[table][: table.keys])
    behind = "" if is_first else f"WHERE ({keys}) > ({given})"
    return " ".join((_columns(table), "FROM", table.name, "AS t", behind, "ORDER BY", keys, "LIMIT %s"))


@cache
def _selecting_last(table: Table) -> str:
    keys = zip(table.columns[: table.keys], TABLES[table], strict=False)
    wanted = ", ".join(_READ.get(kind, "{0}").format(f"t.{name}") for name, kind in keys)
    order = ", ".join(f"{key} DESC" for key in _keys(table))
    return " ".join(("SELECT", wanted, "FROM", table.name, "AS t ORDER BY", order, "LIMIT 1"))


@cache
def _inserting(table: Table) -> str:
    kinds = TABLES[table]
    values = (
        _LOADED.get(kind, "{0}").format(f"n.{name}") for name, kind in zip(table.columns, kinds, strict=True)
    )
    arrays = ", ".join("%s::bigint[]" if kind in _NUMBERS else "%s::text[]" for kind in kinds)
    columns = ", ".join(table.columns)
    loaded = f"FROM unnest({arrays}) AS n ({columns})"
    return " ".join(("INSERT INTO", table.name, f"({columns}) SELECT", ", ".join(values), loaded))
