"""Requests over a Unix socket: broken off at the worst moment, and over lines that end between two."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
import pytest

from treeledger.client import Client
from treeledger.errors import EngineAway

pytestmark = pytest.mark.anyio
WITHIN = 15.0  # seconds
EMPTY = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nnull"


@pytest.fixture
async def listening(tmp_path: Path) -> AsyncIterator[socket.socket]:
    with socket.socket(socket.AF_UNIX) as place:
        place.bind(str(tmp_path / "s"))
        place.listen()
        place.setblocking(False)
        yield place


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[Client]:
    async with Client(f"unix:{tmp_path / 's'}") as client:
        yield client


async def asked(listening: socket.socket) -> socket.socket:
    """The line of one who asks, the request read from it."""
    line, _ = await asyncio.get_running_loop().sock_accept(listening)
    await asyncio.get_running_loop().sock_recv(line, 65536)
    await anyio.wait_all_tasks_blocked()
    return line


async def test_a_request_that_is_broken_off_as_its_answer_comes_is_no_error(
    listening: socket.socket, client: Client
) -> None:
    """In one turn of the event loop, the request first."""
    loop, told = asyncio.get_running_loop(), list[dict[str, Any]]()
    loop.set_exception_handler(lambda _, context: told.append(context))
    for _ in range(3):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(client.reload)
            with await asked(listening) as line:
                line.send(EMPTY)
                loop.call_soon(tasks.cancel_scope.cancel)
                await anyio.sleep(WITHIN)
    await anyio.wait_all_tasks_blocked()
    assert told == []


async def test_a_line_that_ended_between_two_requests_is_not_used_again(
    listening: socket.socket, client: Client
) -> None:
    for _ in range(2):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(client.reload)
            with await asked(listening) as line:
                line.send(EMPTY)


async def test_a_line_that_ends_without_an_answer_is_an_engine_that_is_away(
    listening: socket.socket, client: Client
) -> None:
    async def ask() -> None:
        with pytest.raises(EngineAway, match="does not answer"):
            await client.reload()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ask)
        (await asked(listening)).close()


async def test_where_nobody_listens_is_an_engine_that_is_away(tmp_path: Path) -> None:
    async with Client(f"unix:{tmp_path / 'none'}") as client:
        with pytest.raises(EngineAway, match="No such file"):
            await client.reload()
