"""PostgreSQL connections: a small pool, and one that listens."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, Final, TypeVar

import anyio
import msgspec
import psycopg
from psycopg import AsyncConnection, IsolationLevel
from psycopg.types.string import TextLoader
from psycopg_pool import AsyncConnectionPool

from treeledger.errors import StoreError
from treeledger.plugins.postgres.dialect import translate
from treeledger.plugins.postgres.errors import ERRORS, wrapped
from treeledger.plugins.sql.queries import load
from treeledger.plugins.sql.work import Each, Query, Row, Script, Step, Work, drive_async

T = TypeVar("T")

_PACKAGES: Final = ("treeledger.plugins.sql", "treeledger.plugins.postgres")
_CONNECTIONS: Final = 5
_PATIENCE: Final = 10.0  # seconds to wait for a connection
_FAREWELL: Final = 2.0  # seconds that transactions under way have to end when the store closes
_OLDEST: Final = 140000  # before, it does not say whether a table was ever analyzed
_AGAIN: Final = 1.0  # seconds until the listener tries again

_Connection = AsyncConnection[Row]


class PostgresSession:
    """Transactions on pooled connections. Nothing is kept on a connection, so a pooler may stand between."""

    poll = 1.0

    def __init__(self, conninfo: str, url: str) -> None:
        self._conninfo = conninfo
        self._url = url
        self._queries = load(_PACKAGES, translate)
        self._pool: AsyncConnectionPool[_Connection] | None = None
        self._running: set[asyncio.Task[Any]] = set()
        self._listener: asyncio.Task[None] | None = None
        self._announced = anyio.Event()
        self._is_suspect = False  # a connection was lost, so others may be dead as well

    async def connect(self) -> None:
        """Connects once, to say at once and in the server's words why it cannot be done."""
        try:
            connection = await AsyncConnection.connect(self._conninfo, connect_timeout=int(_PATIENCE))
            version, encoding = (
                connection.info.server_version,
                connection.info.parameter_status("server_encoding"),
            )
            await connection.close()
        except ERRORS as error:
            raise wrapped(error, self._url) from error
        if version < _OLDEST:
            raise StoreError(f"{self._url} is PostgreSQL {version // 10000}; a ledger needs 14 or newer")
        if encoding != "UTF8":
            raise StoreError(
                f"the database {self._url} is encoded in {encoding}, which cannot hold every name. "
                "Make one with: CREATE DATABASE ... ENCODING 'UTF8' TEMPLATE template0"
            )

    async def read(self, work: Work[T]) -> T:
        connection = await self._acquired()
        return await self._to_its_end(self._read(connection, work))

    async def write(self, work: Work[T]) -> T:
        connection = await self._acquired()
        return await self._to_its_end(self._write(connection, work))

    async def migrate(self, work: Work[T]) -> T:
        connection = await self._acquired()
        return await self._to_its_end(self._migrate(connection, work))

    def announce(self) -> None:
        self._announced.set()
        self._announced = anyio.Event()

    def announcement(self) -> anyio.Event:
        if self._listener is None:
            self._listener = asyncio.create_task(self._listen())
        return self._announced

    async def aclose(self) -> None:
        if self._listener is not None:
            self._listener.cancel()
            await asyncio.wait((self._listener,))
        if self._running:
            await asyncio.wait(self._running, timeout=_FAREWELL)
        if self._pool is not None:
            await self._pool.close(_FAREWELL)

    async def _acquired(self) -> _Connection:
        try:
            return await (await self._opened()).getconn()
        except ERRORS as error:
            raise self._wrapped(error) from error

    async def _to_its_end(self, transaction: Coroutine[Any, Any, T]) -> T:
        """Whoever is cancelled while waiting leaves the transaction, and its connection, to end in order."""
        task = asyncio.create_task(transaction)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return await asyncio.shield(task)

    async def _read(self, connection: _Connection, work: Work[T]) -> T:
        """Each statement for itself: reading needs no transaction around several."""
        async with self._used(connection):
            return await drive_async(work, lambda step: self._execute(connection, step))

    async def _write(self, connection: _Connection, work: Work[T]) -> T:
        """In a pipeline: only for rows that are wanted does it wait, which halves the round trips."""
        async with self._used(connection), connection.pipeline(), connection.transaction():
            return await drive_async(work, lambda step: self._execute(connection, step))

    async def _migrate(self, connection: _Connection, work: Work[T]) -> T:
        """A script has many statements, which a pipeline does not take."""
        async with self._used(connection), connection.transaction():
            return await drive_async(work, lambda step: self._execute(connection, step))

    @asynccontextmanager
    async def _used(self, connection: _Connection) -> AsyncIterator[None]:
        """Gives the connection back to the pool, which mends or replaces it."""
        try:
            yield
        except ERRORS as error:
            raise self._wrapped(error) from error
        finally:
            if self._pool is not None:
                await self._pool.putconn(connection)

    async def _opened(self) -> AsyncConnectionPool[_Connection]:
        if self._pool is None:
            self._pool = AsyncConnectionPool(
                self._conninfo,
                connection_class=_Connection,
                kwargs={"autocommit": True, "prepare_threshold": None},
                configure=_configure,
                min_size=1,
                max_size=_CONNECTIONS,
                timeout=_PATIENCE,
                open=False,
                name="treeledger",
            )
            await self._pool.open()
        if self._is_suspect:
            self._is_suspect = False
            await self._pool.check()
        return self._pool

    def _wrapped(self, error: Exception) -> Exception:
        if isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
            self._is_suspect = True
        return wrapped(error, self._url)

    async def _execute(self, connection: _Connection, step: Step) -> Sequence[Row]:
        try:
            async with connection.cursor() as cursor:
                return await self._step(cursor, step)
        except ERRORS as error:
            raise self._wrapped(error) from error

    async def _step(self, cursor: psycopg.AsyncCursor[Row], step: Step) -> Sequence[Row]:
        if isinstance(step, Script):
            await cursor.execute(step.sql.encode())
            return ()
        if isinstance(step, Each):
            return await self._each(cursor, step)
        await cursor.execute(self._sql(step), step.params)
        return await cursor.fetchall() if step.is_wanted else ()

    async def _each(self, cursor: psycopg.AsyncCursor[Row], step: Each) -> Sequence[Row]:
        rows = [dict(zip(step.columns, row, strict=True)) for row in step.rows]
        sql = self._sql(Query(step.name, {}))
        if b"%(rows)s" in sql:
            await cursor.execute(sql, {"rows": msgspec.json.encode(rows).decode()})
        else:
            await cursor.executemany(sql, rows)
        return ()

    def _sql(self, query: Query) -> bytes:
        return self._queries[query.name].sql(query.params).encode()

    async def _listen(self) -> None:
        """Announces what other processes commit. Behind a pooler nothing is heard, and readers poll."""
        while True:
            with suppress(psycopg.Error):
                async with await AsyncConnection.connect(self._conninfo, autocommit=True) as connection:
                    await connection.execute("LISTEN treeledger_journal")
                    self.announce()  # for what came before
                    async for _ in connection.notifies():
                        self.announce()
            await asyncio.sleep(_AGAIN)


async def _configure(connection: _Connection) -> None:
    await connection.set_isolation_level(IsolationLevel.READ_COMMITTED)
    connection.adapters.register_loader("jsonb", TextLoader)  # JSON crosses as text
