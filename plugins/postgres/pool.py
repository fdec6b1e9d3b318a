"""A few PostgreSQL connections, by psycopg_pool; whoever cannot have one learns at once why."""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import Any, Final
from weakref import WeakSet

from anyio import CancelScope
from psycopg import AsyncConnection, Error, IsolationLevel, OperationalError
from psycopg.types.string import TextLoader
from psycopg_pool import AsyncConnectionPool, PoolClosed

from treeledger.plugins.postgres.address import completed
from treeledger.plugins.sql.work import Row

Connection = AsyncConnection[Row]

# What it warns of, lost connections, is in the errors that are raised.
logging.getLogger("psycopg").setLevel(logging.ERROR)

# `timeout`: seconds to wait while others have them all. One worker: one attempt at a time.
_GIVEN: Final[dict[str, Any]] = {"min_size": 0, "max_size": 5, "timeout": 600, "num_workers": 1}


class Pool:
    """One AsyncConnectionPool after another, each until it cannot connect. Raises what psycopg raises."""

    def __init__(self, conninfo: str) -> None:
        self._conninfo = completed(conninfo)
        self._open: WeakSet[Connection] = WeakSet()
        self._lent: dict[Connection, AsyncConnectionPool[Connection]] = {}
        self._pool = self._made()
        self._attempt = CancelScope()
        self._why: Error = PoolClosed("closed")

    def _made(self) -> AsyncConnectionPool[Connection]:
        return AsyncConnectionPool(connection_class=_Asked, kwargs={"pool": self}, open=False, **_GIVEN)

    async def open(self) -> Connection:
        """A connection that is not the pool's: for who listens, or only wants to know whether it can."""
        connection = await Connection.connect(self._conninfo, autocommit=True, prepare_threshold=None)
        self._open.add(connection)
        connection.adapters.register_loader("jsonb", TextLoader)  # JSON crosses as text
        try:  # whatever the user's settings are; nothing else is kept, so that a pooler may stand between
            await connection.set_isolation_level(IsolationLevel.READ_COMMITTED)
            if not (connection.info.parameter_status("DateStyle") or "ISO").startswith("ISO"):
                await connection.execute("SET datestyle TO ISO")
        except BaseException:
            connection.pgconn.finish()
            raise
        return connection

    async def take(self) -> Connection:
        """A connection for one transaction; `give` it back."""
        while True:
            if (pool := self._pool).closed:
                pool = self._pool = self._made()
                await pool.open()
            try:
                connection = await pool.getconn()
            except PoolClosed:
                raise self._why from None
            self._lent[connection] = pool
            with suppress(OperationalError):  # of what ended it meanwhile, as a server that stops does
                connection.pgconn.consume_input()
            if not connection.closed:
                return connection
            await self.give(connection)

    async def give(self, connection: Connection) -> None:
        """Takes a connection back; with one that was lost the others go, for they may be dead as well."""
        pool = self._lent.pop(connection)
        if connection.closed:
            await pool.drain()
        await pool.putconn(connection)

    async def close(self) -> None:
        """Ends every connection, also under a transaction whose server does not answer."""
        for connection in self._open:
            connection.pgconn.finish()
        self._attempt.cancel()
        await self._pool.close()

    async def connect(self) -> Connection:
        """For psycopg_pool, which would try again and let others wait: closed, it tells them at once."""
        with CancelScope() as self._attempt:
            try:
                return await self.open()
            except Error as error:
                self._why = error
                await self._pool.close(timeout=0)
        raise self._why


class _Asked(AsyncConnection[Row]):
    @classmethod
    async def connect(cls, conninfo: str = "", *, pool: Any = None, **_: Any) -> Any:
        return await pool.connect()
