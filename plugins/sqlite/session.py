"""SQLite connections in threads of their own: a whole transaction is one hop from the event loop."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime, timedelta
from itertools import compress
from pathlib import Path
from typing import Any, Final, TypeVar
from uuid import UUID

import anyio

from treeledger.errors import StoreDataError, StoreUnavailable
from treeledger.plugins.sql.queries import load
from treeledger.plugins.sql.values import MICROSECOND, micros
from treeledger.plugins.sql.work import Each, Params, Query, Row, Step, Work, drive
from treeledger.plugins.sqlite.dialect import numbered, translate
from treeledger.plugins.sqlite.errors import ERRORS, wrapped

T = TypeVar("T")

_PACKAGES: Final = ("treeledger.plugins.sql", "treeledger.plugins.sqlite")
_LARGE: Final = 50  # rows
_SETTINGS: Final = (
    "PRAGMA busy_timeout = 5000",
    "PRAGMA page_size = 8192",
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
    "PRAGMA cache_size = -16384",
    "PRAGMA journal_size_limit = 67108864",
)


class SqliteSession:
    """One writer, one reader: readers see what is committed and never wait for the writer."""

    poll = 0.2

    def __init__(self, path: Path) -> None:
        self._writer = Connection(path, "BEGIN IMMEDIATE")
        self._reader = Connection(path, "BEGIN")
        self._announced = anyio.Event()

    async def read(self, work: Work[T]) -> T:
        return await self._reader.run(work)

    async def write(self, work: Work[T]) -> T:
        return await self._writer.run(work)

    async def migrate(self, work: Work[T]) -> T:
        return await self.write(work)

    def announce(self) -> None:
        self._announced.set()
        self._announced = anyio.Event()

    def announcement(self) -> anyio.Event:
        return self._announced

    async def aclose(self) -> None:
        await self._reader.aclose()
        await self._writer.aclose()


class Connection:
    """A connection that lives in one thread, which opens it at its first use."""

    def __init__(self, path: Path, begin: str) -> None:
        self._path = path
        self._begin = begin
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="ledger")
        self._queries = load(_PACKAGES, translate)
        self._connection: sqlite3.Connection | None = None
        self._now = 0

    async def run(self, work: Work[T]) -> T:
        """Runs work in one transaction. Whoever is cancelled while waiting leaves it to end in its thread."""
        return await self._in_thread(lambda: self._transact(work))

    async def aclose(self) -> None:
        with suppress(StoreUnavailable):  # it is closed already
            await self._in_thread(self._close)
        self._thread.shutdown()

    async def _in_thread(self, call: Callable[[], T]) -> T:
        try:
            future = self._thread.submit(call)
        except RuntimeError as error:
            raise StoreUnavailable(f"the ledger {self._path} is closed") from error
        return await asyncio.wrap_future(future)

    def _transact(self, work: Work[T]) -> T:
        try:
            connection = self._connection = self._connection or self._connect()
            connection.execute(self._begin)
        except ERRORS as error:
            raise wrapped(error, self._path) from error
        self._now = time.time_ns() // 1000
        try:
            result = drive(work, self._execute)
            self._commit(connection)
        except BaseException:
            connection.rollback()
            raise
        return result

    def _commit(self, connection: sqlite3.Connection) -> None:
        try:
            connection.execute("COMMIT")
        except ERRORS as error:
            raise wrapped(error, self._path) from error

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, isolation_level=None)
        try:
            for setting in _SETTINGS:
                connection.execute(setting)
        except BaseException:
            connection.close()
            raise
        connection.create_function("now", 0, lambda: self._now)
        return connection

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()

    def _execute(self, step: Step) -> Sequence[Row]:
        assert self._connection is not None
        try:
            return self._step(self._connection, step)
        except ERRORS as error:
            raise wrapped(error, self._path) from error

    def _step(self, connection: sqlite3.Connection, step: Step) -> Sequence[Row]:
        if isinstance(step, Query):
            sql = self._queries[step.name].sql(step.params)
            return connection.execute(sql, _bound(step.params)).fetchall()
        if isinstance(step, Each):
            name, columns, rows = _compact(step)
            connection.executemany(numbered(self._queries[name].sql({}), columns), map(_bound_row, rows))
        else:
            for statement in _statements(step.sql):
                connection.execute(statement)
        return ()


def _compact(step: Each) -> Each:
    """A large batch without the columns that are NULL in all its rows: binding None is slow."""
    if len(step.rows) < _LARGE:
        return step
    given = [column.count(None) < len(column) for column in zip(*step.rows, strict=True)]
    rows = [tuple(compress(row, given)) for row in step.rows]
    return Each(step.name, tuple(compress(step.columns, given)), rows)


def _bound(params: Params) -> dict[str, Any]:
    return dict(zip(params, _bound_row(tuple(params.values())), strict=True))


def _bound_row(row: Row) -> Row:
    """Values as SQLite takes them: times and spans in microseconds, lists as JSON."""
    return tuple(
        [value if type(value) in _PLAIN else _BINDERS.get(type(value), _refuse)(value) for value in row]
    )


def _refuse(value: object) -> None:
    raise StoreDataError(f"a value cannot be stored: {value!r} is of a type that SQLite does not know")


def _json(values: list[Any]) -> str:
    return json.dumps(values, ensure_ascii=False, default=str)


_PLAIN: Final = frozenset((int, str, type(None), bool, float, bytes))
_BINDERS: Final[Mapping[type, Callable[[Any], Any]]] = {
    datetime: micros,
    timedelta: lambda span: span // MICROSECOND,
    UUID: str,
    list: _json,
}


def _statements(script: str) -> list[str]:
    """The statements of a script. (`executescript` commits before it begins.)"""
    found, text = [], ""
    for line in script.splitlines(keepends=True):
        text += line
        if sqlite3.complete_statement(text):
            found.append(text)
            text = ""
    return found
