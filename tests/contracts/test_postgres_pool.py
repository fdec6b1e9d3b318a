"""Connections of a pool: who cannot have one learns at once why, and nothing goes on when it is closed."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import AsyncIterator
from functools import partial

import anyio
import psycopg
import pytest
from anyio.lowlevel import checkpoint
from postgres_server import OwnServer
from support import until

from treeledger.plugins.postgres.pool import Connection, Pool

pytestmark = pytest.mark.anyio

_BACKENDS = "SELECT count(*) FROM pg_stat_activity WHERE datname = 'ledger'"


@pytest.fixture
async def pool(own_server: OwnServer) -> AsyncIterator[Pool]:
    """In the end nothing of it is left: no task, no connection."""
    pool = Pool(own_server.url("ledger"))
    yield pool
    await pool.close()
    await _turns()
    assert [task for task in asyncio.all_tasks() if task.get_name().startswith("pool-")] == []
    await until(partial(_has, own_server, 0), "no connection left")


async def _has(server: OwnServer, backends: int) -> bool:
    return server.execute(_BACKENDS) == [(backends,)]


async def _turns() -> None:
    """Enough turns of the event loop for all that waits for nothing else."""
    for _ in range(20):
        await checkpoint()


async def _all(pool: Pool) -> list[Connection]:
    return [await pool.take() for _ in range(5)]


async def test_all_who_wait_are_told_at_once(pool: Pool, own_server: OwnServer) -> None:
    own_server.stop()
    try:
        for _ in range(3):
            with anyio.fail_after(15):
                told = await asyncio.gather(*(pool.take() for _ in range(12)), return_exceptions=True)
            assert {type(error) for error in told} == {psycopg.OperationalError}
            assert all("Is the server running" in str(error) for error in told)
    finally:
        own_server.start()
    await pool.give(await pool.take())


async def test_who_waits_has_the_place_of_one_that_was_lost(pool: Pool) -> None:
    connections = await _all(pool)
    with anyio.fail_after(15):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(pool.take)
            await _turns()
            connections[0].pgconn.finish()
            await pool.give(connections[0])


async def test_with_one_that_was_lost_the_others_go(pool: Pool) -> None:
    connections = await _all(pool)
    for connection in connections[1:]:
        await pool.give(connection)
    await connections[0].close()
    await pool.give(connections[0])
    assert all(connection.closed for connection in connections)


async def test_one_that_died_is_not_handed_out(pool: Pool) -> None:
    await pool.give(died := await pool.take())
    with socket.socket(fileno=os.dup(died.fileno())) as its_socket:
        its_socket.shutdown(socket.SHUT_RDWR)
    taken = await pool.take()
    await taken.execute("SELECT 1")
    await pool.give(taken)


async def test_closed_while_the_server_is_frozen(pool: Pool, own_server: OwnServer) -> None:
    busy = await pool.take()
    with own_server.frozen():
        asking = asyncio.create_task(busy.execute("SELECT 1"))
        waiting = asyncio.create_task(pool.take())
        await _turns()
        began = time.monotonic()
        await pool.close()
        with pytest.raises(psycopg.OperationalError):
            await waiting
        assert time.monotonic() - began < 4.0, "psycopg_pool waits five seconds for who is at work"
        assert busy.closed
        asking.cancel()
        await asyncio.wait([asking])
        await pool.give(busy)
