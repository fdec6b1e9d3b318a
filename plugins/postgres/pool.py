"""A few PostgreSQL connections that whoever needs one opens himself, and so learns at once why he cannot."""

from __future__ import annotations

import asyncio
import logging
from typing import Final
from weakref import WeakSet

import psycopg
from psycopg import AsyncConnection, IsolationLevel
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.pq import TransactionStatus
from psycopg.types.string import TextLoader

from treeledger.plugins.sql.work import Row

Connection = AsyncConnection[Row]

# What it warns of, lost connections, is in the errors that are raised.
logging.getLogger("psycopg").setLevel(logging.ERROR)

_CONNECTIONS: Final = 5
_CONNECT_TIMEOUT: Final = 10  # seconds
# A server that vanished with its machine is given up after a minute, not after the two hours of TCP.
_KEEPALIVE: Final = {
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
}


class Pool:
    """Opens connections as they are needed and keeps them. Raises what psycopg raises."""

    def __init__(self, conninfo: str) -> None:
        given = conninfo_to_dict(conninfo)
        defaults = {"connect_timeout": _CONNECT_TIMEOUT, **_KEEPALIVE}
        missing = {name: value for name, value in defaults.items() if name not in given}
        self._conninfo = make_conninfo(conninfo, client_encoding="UTF8", **missing)
        self._free = asyncio.Semaphore(_CONNECTIONS)
        self._idle: list[Connection] = []
        self._open: WeakSet[Connection] = WeakSet()
        self._is_closed = False

    async def open(self) -> Connection:
        """A connection that is not the pool's: for who listens, or only wants to know whether it can."""
        connection: Connection = await AsyncConnection.connect(
            self._conninfo, autocommit=True, prepare_threshold=None
        )
        self._open.add(connection)
        try:
            await _configure(connection)
        except BaseException:
            connection.pgconn.finish()
            raise
        return connection

    async def take(self) -> Connection:
        """A connection for one transaction; `give` it back."""
        await self._free.acquire()
        try:
            while self._idle:
                if _is_alive(connection := self._idle.pop()):
                    return connection
            return await self.open()
        except BaseException:
            self._free.release()
            raise

    async def give(self, connection: Connection) -> None:
        """Takes a connection back; with one that was lost the others go, for they may be dead as well."""
        self._free.release()
        if connection.closed:
            idle, self._idle = self._idle, []
            for other in idle:
                await other.close()
        elif self._is_closed or connection.info.transaction_status is not TransactionStatus.IDLE:
            await connection.close()
        else:
            self._idle.append(connection)

    def close(self) -> None:
        """Ends every connection, also under a transaction whose server does not answer."""
        self._is_closed = True
        for connection in self._open:
            connection.pgconn.finish()


def _is_alive(connection: Connection) -> bool:
    """Whether nothing was said meanwhile that ended it, as a server that stops does."""
    try:
        connection.pgconn.consume_input()
    except psycopg.OperationalError:
        return False
    return not connection.closed


async def _configure(connection: Connection) -> None:
    """Whatever the user's settings are. Nothing else is kept on it, so that a pooler may stand between."""
    await connection.set_isolation_level(IsolationLevel.READ_COMMITTED)
    connection.adapters.register_loader("jsonb", TextLoader)  # JSON crosses as text
    if not (connection.info.parameter_status("DateStyle") or "ISO").startswith("ISO"):
        await connection.execute("SET datestyle TO ISO")
