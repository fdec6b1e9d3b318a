"""SQLite connections in threads of their own: a whole transaction is one hop from the event loop."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import Final, TypeVar
from urllib.parse import quote

import anyio

from treeledger.errors import StoreUnavailable
from treeledger.plugins.sql.queries import load
from treeledger.plugins.sql.work import Each, Query, Row, Step, Together, Work, drive
from treeledger.plugins.sqlite.binding import bound, bound_row, packed
from treeledger.plugins.sqlite.dialect import PACKAGES, for_rows, numbered, translate
from treeledger.plugins.sqlite.errors import ERRORS, is_locked, wrapped
from treeledger.plugins.sqlite.file import LedgerFile

T = TypeVar("T")

_MOST_PARAMETERS: Final = 900  # of one statement; every SQLite takes 999
POLL: Final = 0.2  # seconds between looks for what another process wrote
OWN_POLL: Final = 1.0  # where it is this process that writes most, and announces it
_PATIENCE: Final = 5.0  # seconds to wait for a file that another program has locked
_RECENT: Final = 1_000_000_000  # nanoseconds that the time of a file may lag behind
_FAREWELL: Final = 1.0  # seconds that a transaction under way has to end when the store closes
_WRITE: Final = ("BEGIN IMMEDIATE",)
_READ: Final = ("BEGIN", "SELECT rootpage FROM sqlite_schema LIMIT 1")  # from here on it waits for nobody
_SETTINGS: Final = (
    "PRAGMA busy_timeout = 200",
    "PRAGMA page_size = 8192",
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
    "PRAGMA cache_size = -4096",
    "PRAGMA journal_size_limit = 67108864",
)


class SqliteSession:
    """One writer, one reader, and another for what takes its time: readers see what is committed and never
    wait for the writer."""

    indexed: int | None = None

    def __init__(self, path: Path) -> None:
        self.file = LedgerFile(path)
        self._log = f"{path}-wal"
        self._writer = Connection(self.file, _WRITE)
        self._reader = Connection(self.file, _READ)
        self._browser = Connection(self.file, _READ)
        self._announced = anyio.Event()
        self.poll = POLL

    async def read(self, work: Work[T]) -> T:
        return await self._reader.run(work)

    async def browse(self, work: Work[T]) -> T:
        return await self._browser.run(work)

    async def write(self, work: Work[T]) -> T:
        return await self._writer.run(work)

    async def migrate(self, work: Work[T]) -> T:
        return await self.write(work)

    def announce(self) -> None:
        self._announced.set()
        self._announced = anyio.Event()

    def announcement(self) -> anyio.Event:
        return self._announced

    def written(self) -> object:
        """The log of what is written and its time; while that is so recent that another write might not
        show in it, something new each time."""
        try:
            log = os.stat(self._log)
        except OSError:  # none is there until somebody writes
            return object()
        is_recent = abs(time.time_ns() - log.st_mtime_ns) < _RECENT
        return object() if is_recent else (log.st_ino, log.st_size, log.st_mtime_ns)

    async def aclose(self) -> None:
        await self._reader.aclose()
        self._browser.interrupt()
        await self._browser.aclose()
        await self._writer.aclose()


class Connection:
    """A connection that lives in one thread, which opens it at its first use."""

    def __init__(self, file: LedgerFile, begin: Sequence[str]) -> None:
        self._file = file
        self._path = file.path
        self._begin = begin
        self._is_closing = False
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="ledger")
        self._queries = load(PACKAGES, translate)
        self._connection: sqlite3.Connection | None = None
        self._now = 0

    async def run(self, work: Work[T]) -> T:
        """Runs work in one transaction. Whoever is cancelled while waiting leaves it to end in its thread."""
        return await self._in_thread(lambda: self._transact(work))

    def interrupt(self) -> None:
        """Ends what is under way; whoever waits for it gets an error."""
        if (connection := self._connection) is not None:
            connection.interrupt()

    async def aclose(self) -> None:
        """Waits a moment for what is under way; what a disk that hangs holds up is not waited for."""
        self._is_closing = True
        with suppress(StoreUnavailable), anyio.move_on_after(_FAREWELL, shield=True):
            await self._in_thread(self._close)
        self._thread.shutdown(wait=False)

    async def _in_thread(self, call: Callable[[], T]) -> T:
        try:
            future = self._thread.submit(call)
        except RuntimeError as error:
            raise StoreUnavailable(f"the ledger {self._path} is closed") from error
        return await asyncio.wrap_future(future)

    def _transact(self, work: Work[T]) -> T:
        try:
            connection = self._begun()
            self._now = time.time_ns() // 1000
            result = drive(work, self._execute)
            self._commit(connection)
        except StoreUnavailable:
            self._close()  # rolled back; the next try opens the file anew, as it is then
            raise
        except BaseException:
            self._roll_back()
            raise
        return result

    def _begun(self) -> sqlite3.Connection:
        """The connection in a transaction; waits while another program has the file locked."""
        end = time.monotonic() + _PATIENCE
        while True:
            self._file.check()
            try:
                connection = self._connection = self._connection or self._connect()
                for statement in self._begin:
                    connection.execute(statement).fetchall()
            except ERRORS as error:
                self._roll_back()
                if not is_locked(error) or self._is_closing or time.monotonic() > end:
                    raise wrapped(error, self._path) from error
            else:
                return connection

    def _roll_back(self) -> None:
        if self._connection is not None:
            try:
                self._connection.rollback()
            except sqlite3.Error:  # it ends with the connection
                self._close()

    def _commit(self, connection: sqlite3.Connection) -> None:
        try:
            connection.execute("COMMIT")
        except ERRORS as error:
            raise wrapped(error, self._path) from error

    def _connect(self) -> sqlite3.Connection:
        """Never makes a file: that is done once, when a ledger begins."""
        uri = f"file:{quote(os.fsencode(self._path))}?mode=rw"
        connection = sqlite3.connect(uri, uri=True, isolation_level=None)
        try:
            for setting in _SETTINGS:
                connection.execute(setting)
        except BaseException:
            connection.close()
            raise
        connection.create_function("now", 0, lambda: self._now)
        return connection

    def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _execute(self, step: Step) -> Sequence[Row]:
        assert self._connection is not None
        try:
            return self._step(self._connection, step)
        except ERRORS as error:
            raise wrapped(error, self._path) from error

    def _step(self, connection: sqlite3.Connection, step: Step) -> Sequence[Row]:
        if isinstance(step, Together):
            return [tuple(self._step(connection, query)) for query in step.queries]
        if isinstance(step, Query):
            sql = self._queries[step.name].sql(step.params)
            return connection.execute(sql, bound(step.params)).fetchall()
        if isinstance(step, Each):
            self._each(connection, step)
        else:
            for statement in _statements(step.sql):
                connection.execute(statement)
        return ()

    def _each(self, connection: sqlite3.Connection, step: Each) -> None:
        sql = self._queries[step.name].sql({})
        if ":rows" not in sql:
            connection.executemany(numbered(sql, tuple(step.columns)), map(bound_row, step.rows))
            return
        names, values = tuple(step.params), bound_row(tuple(step.params.values()))
        given, rows = packed(step.rows)
        size = _MOST_PARAMETERS // len(given)
        whole = len(rows) - len(rows) % size
        for start in range(0, whole, size):
            together = chain(values, *rows[start : start + size])
            connection.execute(for_rows(sql, names, given, size), tuple(together))
        rest = ((*values, *row) for row in rows[whole:])
        connection.executemany(for_rows(sql, names, given, 1), rest)


def _statements(script: str) -> list[str]:
    """The statements of a script. (`executescript` commits before it begins.)"""
    found, text = [], ""
    for line in script.splitlines(keepends=True):
        text += line
        if sqlite3.complete_statement(text):
            found.append(text)
            text = ""
    return found
