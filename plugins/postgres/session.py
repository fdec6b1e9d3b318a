"""PostgreSQL connections: a small pool, and one that listens."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any, Final, TypeVar

import anyio
import psycopg
from psycopg.pq import PipelineStatus

from treeledger.errors import StoreError
from treeledger.plugins.postgres.dialect import INDEXED, PACKAGES, arrays, bound, json_rows, translate
from treeledger.plugins.postgres.errors import ERRORS, closed, wrapped
from treeledger.plugins.postgres.pool import Connection, Pool
from treeledger.plugins.sql.queries import load
from treeledger.plugins.sql.work import Each, Query, Row, Script, Step, Together, Work, drive_async

T = TypeVar("T")

_FAREWELL: Final = 0.5  # seconds that transactions under way have to end when the store closes
_OLDEST: Final = 140000  # before, it does not say whether a table was ever analyzed
_AGAIN: Final = 1.0  # seconds until the listener tries again


class PostgresSession:
    """Transactions on pooled connections. Nothing is kept on a connection, so a pooler may stand between."""

    poll = 1.0
    indexed: int | None = INDEXED

    def __init__(self, conninfo: str, url: str) -> None:
        self._conninfo = conninfo
        self._url = url
        self._queries = load(PACKAGES, translate)
        self._pool: Pool | None = None
        self._is_closed = False
        self._running: set[asyncio.Task[Any]] = set()
        self._listener: asyncio.Task[None] | None = None
        self._announced = anyio.Event()

    async def connect(self) -> None:
        """Connects once, to say at once and in the server's words why it cannot be done."""
        try:
            connection = await self._opened().open()
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

    async def browse(self, work: Work[T]) -> T:
        return await self.read(work)

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

    def written(self) -> object:
        """Nobody can say without asking the server."""
        return object()

    async def aclose(self) -> None:
        """Gives transactions under way a moment; those of a server that does not answer are given up."""
        self._is_closed = True
        if self._listener is not None:
            self._listener.cancel()
        if self._running:
            await asyncio.wait(self._running, timeout=_FAREWELL)
        if self._pool is not None:
            await self._pool.close()
        for task in self._running:
            task.cancel()
        if ending := {*self._running, *filter(None, (self._listener,))}:
            await asyncio.wait(ending, timeout=_FAREWELL)

    async def _acquired(self) -> Connection:
        if self._is_closed:
            raise closed(self._url)
        try:
            return await self._opened().take()
        except ERRORS as error:
            raise wrapped(error, self._url) from error

    async def _to_its_end(self, transaction: Coroutine[Any, Any, T]) -> T:
        """Whoever is cancelled while waiting leaves the transaction, and its connection, to end in order."""
        task = asyncio.create_task(transaction)
        self._running.add(task)
        task.add_done_callback(self._ended)
        return await asyncio.shield(task)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        """Takes note of an error, too, of which nobody hears any more if who waited was cancelled."""
        self._running.discard(task)
        if not task.cancelled():
            task.exception()

    async def _read(self, connection: Connection, work: Work[T]) -> T:
        """Each statement for itself: reading needs no transaction around several."""
        async with self._used(connection):
            return await drive_async(work, lambda step: self._execute(connection, step))

    async def _write(self, connection: Connection, work: Work[T]) -> T:
        """In a pipeline: only for rows that are wanted does it wait, which halves the round trips."""
        async with self._used(connection), connection.pipeline(), connection.transaction():
            return await drive_async(work, lambda step: self._execute(connection, step))

    async def _migrate(self, connection: Connection, work: Work[T]) -> T:
        """A script has many statements, which a pipeline does not take."""
        async with self._used(connection), connection.transaction():
            return await drive_async(work, lambda step: self._execute(connection, step))

    @asynccontextmanager
    async def _used(self, connection: Connection) -> AsyncIterator[None]:
        """Gives the connection back to the pool."""
        try:
            yield
        except ERRORS as error:
            raise wrapped(error, self._url) from error
        finally:
            await self._opened().give(connection)

    def _opened(self) -> Pool:
        """Made in the event loop that uses it."""
        if self._pool is None:
            self._pool = Pool(self._conninfo)
        return self._pool

    async def _execute(self, connection: Connection, step: Step) -> Sequence[Row]:
        try:
            async with connection.cursor() as cursor:
                return await self._step(cursor, step)
        except ERRORS as error:
            raise wrapped(error, self._url) from error

    async def _step(self, cursor: psycopg.AsyncCursor[Row], step: Step) -> Sequence[Row]:
        if isinstance(step, Script):
            await cursor.execute(step.sql.encode())
            return ()
        if isinstance(step, Each):
            return await self._each(cursor, step)
        if isinstance(step, Together):
            return await self._together(cursor.connection, step)
        await cursor.execute(self._sql(step), bound(step.params))
        return await cursor.fetchall() if step.is_wanted else ()

    async def _together(self, connection: Connection, step: Together) -> Sequence[Row]:
        """All are sent before the first answer is waited for."""
        async with AsyncExitStack() as stack:
            if connection.pgconn.pipeline_status == PipelineStatus.OFF:
                await stack.enter_async_context(connection.pipeline())
            cursors = [connection.cursor() for _ in step.queries]
            for cursor, query in zip(cursors, step.queries, strict=True):
                await self._step(cursor, query._replace(is_wanted=False))
            return [tuple(await cursor.fetchall()) for cursor in cursors]

    async def _each(self, cursor: psycopg.AsyncCursor[Row], step: Each) -> Sequence[Row]:
        sql = self._sql(Query(step.name, {}))
        if b"%(all_" in sql:
            await cursor.execute(sql, {**step.params, **arrays(step.columns, step.rows)})
            return ()
        if b"%(rows)s" in sql:
            await cursor.execute(sql, {"rows": json_rows(step.columns, step.rows)})
        else:
            rows = [dict(zip(step.columns, row, strict=True)) for row in step.rows]
            await cursor.executemany(sql, rows)
        return ()

    def _sql(self, query: Query) -> bytes:
        return self._queries[query.name].sql(query.params).encode()

    async def _listen(self) -> None:
        """Announces what other processes commit. Behind a pooler nothing is heard, and readers poll."""
        while True:
            with suppress(psycopg.Error):
                async with await self._opened().open() as connection:
                    await connection.execute("LISTEN treeledger_journal")
                    self.announce()  # for what came before
                    async for _ in connection.notifies():
                        self.announce()
            await asyncio.sleep(_AGAIN)
