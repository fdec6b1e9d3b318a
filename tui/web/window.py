"""One window of a browser: a dashboard in a process of its own, and the web socket that shows it."""

from __future__ import annotations

import asyncio
import json
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from enum import IntEnum
from typing import Final

from aiohttp import WSMsgType, web
from textual_serve.app_service import AppService
from textual_serve.download_manager import DownloadManager

_DRIVER: Final = "treeledger.tui.web.driver:WindowDriver"
_LEAVING: Final = 3.0  # seconds that a dashboard has to end
_LONGEST: Final = 2**20  # bytes of a message: what is pasted
_SMALLEST, _LARGEST = 10, 1000  # columns and lines


class Closed(IntEnum):
    """Why a web socket was closed, for the page (RFC 6455, 7.4)."""

    LEFT = 1000  # a person quit the dashboard
    AWAY = 1001  # the server stops
    FAILED = 4001
    TOO_MANY = 4002


class Window(AppService):
    """The process of a dashboard. `show` takes what its terminal prints, `close` why it ended."""

    def __init__(
        self,
        command: Sequence[str],
        socket: web.WebSocketResponse,
        close: Callable[[Closed], Awaitable[None]],
        downloads: DownloadManager,
    ) -> None:
        super().__init__(
            command[0],
            write_bytes=socket.send_bytes,
            write_str=socket.send_str,
            close=self._note_leaving,
            download_manager=downloads,
        )
        self._argv = command
        self._end = close
        self._has_left = False

    async def _note_leaving(self) -> None:
        self._has_left = True

    async def _open_app_process(self, width: int = 80, height: int = 24) -> Process:
        """In a session of its own: Ctrl-C is for the server, which then closes its windows."""
        environ = self._build_environment(within(width), within(height)) | {"TEXTUAL_DRIVER": _DRIVER}
        self._process = await asyncio.create_subprocess_exec(
            *self._argv, stdin=PIPE, stdout=PIPE, stderr=PIPE, env=environ, start_new_session=True
        )
        self._stdin = self._process.stdin
        return self._process

    async def run(self) -> None:
        """Shows the dashboard until it ends, and closes the socket then."""
        await super().run()
        self.stdin.close()
        with suppress(OSError):  # of what was written to it as it had ended
            await self.stdin.wait_closed()
        sys.stdout.flush()  # what it said in case it failed
        await self._end(Closed.LEFT if self._has_left else Closed.FAILED)

    async def stop(self) -> None:
        """Has the dashboard end; it is killed if it does not."""
        if self._process is None or self._task is None:
            return
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(_LEAVING):
                    await self._download_manager.cancel_app_downloads(app_service_id=self.app_service_id)
                    await self.send_meta({"type": "quit"})
                    self.stdin.close()
                    await self._process.wait()
        finally:  # also once the server waits no longer
            if self._process.returncode is None:
                self._process.kill()
        await self._process.wait()
        await self._task
        self._task = None

    async def take(self, text: str) -> None:
        """Passes on what a browser sends: keys, its size, whether it has the focus."""
        match _decoded(text):
            case ["stdin", str(keys)]:
                await self.send_bytes(keys.encode(errors="replace"))
            case ["resize", {"width": int(width), "height": int(height)}]:
                await self.set_terminal_size(within(width), within(height))
            case ["ping", str(said)]:
                await self.remote_write_str(json.dumps(["pong", said]))
            case ["blur"]:
                await self.blur()
            case ["focus"]:
                await self.focus()


async def show_in(
    socket: web.WebSocketResponse,
    command: Sequence[str],
    size: tuple[int, int],
    downloads: DownloadManager,
) -> None:
    """Runs a dashboard for a web socket until either ends."""

    async def close(why: Closed) -> None:
        with suppress(ConnectionError):
            await socket.close(code=why)

    window = Window(command, socket, close, downloads)
    try:
        await window.start(*size)
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                await window.take(message.data)
    finally:
        await window.stop()


def web_socket() -> web.WebSocketResponse:
    """One that notices a browser which is gone within half a minute."""
    return web.WebSocketResponse(heartbeat=15, timeout=1.0, max_msg_size=_LONGEST)


def within(number: int) -> int:
    """A number of columns or lines that a terminal may have."""
    return min(max(number, _SMALLEST), _LARGEST)


def _decoded(text: str) -> object:
    """None for what is no JSON."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
