"""A ledger of as many records and journal entries as are wanted: one of each, copied by SQL."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from typing import Any, Final

import psycopg

from benchmarks.lab import Lab

_PATHS: Final = {
    "sqlite": "printf('%05d/%02d/file_%03d.txt', i / 4000, i / 40 % 100, i % 40)",
    "postgres": "format('%s/%s/file_%s.txt', lpad((i / 4000)::text, 5, '0'),"
    " lpad((i / 40 % 100)::text, 2, '0'), lpad((i % 40)::text, 3, '0'))",
}
_SERIES: Final = {
    "sqlite": "(WITH RECURSIVE series (i) AS"
    " (SELECT {first} UNION ALL SELECT i + 1 FROM series WHERE i < {last}) SELECT i FROM series)",
    "postgres": "generate_series({first}, {last}) AS series (i)",
}
_COLUMNS: Final = {
    "sqlite": "SELECT name FROM pragma_table_xinfo('{table}') WHERE hidden = 0",
    "postgres": "SELECT attname FROM pg_attribute WHERE attrelid = '{table}'::regclass"
    " AND attnum > 0 AND attgenerated = '' AND NOT attisdropped",
}
_INDEXES: Final = {
    "sqlite": "SELECT name, sql FROM sqlite_schema"
    " WHERE type = 'index' AND tbl_name = '{table}' AND sql IS NOT NULL",
    "postgres": "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = '{table}'"
    " AND indexname NOT LIKE '%_pkey'",
}

Execute = Callable[[str], Sequence[tuple[Any, ...]]]


def ledger_of(lab: Lab, kind: str, count: int) -> str:
    """The URL of a store with one repository of so many records, each with one entry in the journal.

    Their paths are those of `Trees.small`; the journal ends at `count`.
    """
    store = lab.store(kind)
    with lab.passing() as root:
        (root / "template").write_text("template")
        lab.treeledger(store, "-q", "scan", root)
    if kind == "sqlite":
        with closing(sqlite3.connect(store.removeprefix("sqlite:"), isolation_level=None)) as database:
            for setting in ("journal_mode = OFF", "synchronous = OFF", "cache_size = -1000000"):
                database.execute(f"PRAGMA {setting}")
            _fill(lambda sql: database.execute(sql).fetchall(), kind, count)
            database.execute("PRAGMA journal_mode = WAL")
    else:
        with psycopg.connect(store, autocommit=True) as connection:
            connection.execute("SET synchronous_commit = off")
            connection.execute("SET maintenance_work_mem = '512MB'")
            _fill(lambda sql: _answer(connection, sql), kind, count)
            connection.execute("VACUUM ANALYZE")
    return store


def _answer(connection: psycopg.Connection[Any], sql: str) -> Sequence[tuple[Any, ...]]:
    cursor = connection.execute(sql.encode())
    return cursor.fetchall() if cursor.description else []


def _fill(execute: Execute, kind: str, count: int) -> None:
    [(last,)] = execute("SELECT max(n) FROM changes")
    series = _SERIES[kind].format(first=last + 1, last=count)
    for table, key in (("changes", "n"), ("file_records", "id")):
        # a row as the program wrote it, but for what tells one from another
        own = {key: "i", "record_id": "i", "inode": "i", "path": _PATHS[kind], "file_path": _PATHS[kind]}
        columns = [name for (name,) in execute(_COLUMNS[kind].format(table=table))]
        values = [own.get(name, f"template.{name}") for name in columns]
        indexes = execute(_INDEXES[kind].format(table=table))
        for name, _ in indexes:
            execute(f"DROP INDEX {name}")
        execute(
            f"INSERT INTO {table} ({', '.join(columns)}) SELECT {', '.join(values)}"  # noqa: S608
            f" FROM {series} CROSS JOIN (SELECT * FROM {table} LIMIT 1) AS template"
        )
        for _, definition in indexes:
            execute(definition)
    execute("UPDATE journal_head SET n = (SELECT max(n) FROM changes)")
    execute(f"UPDATE repositories SET files = {count}")  # noqa: S608
