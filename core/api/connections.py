"""The connections of a socket, on the HTTP/1.1 protocol of uvicorn (h11 below it refuses what is no HTTP).

Of uvicorn only the protocol is used: its server handles signals, and wakes up ten times a second.
"""

from __future__ import annotations

import asyncio
import logging
import math
import pwd
import resource
import socket
import struct
from dataclasses import dataclass
from email.utils import formatdate
from functools import lru_cache
from typing import Any, Final

import anyio
import h11
import msgspec
from uvicorn import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from treeledger.api.routing import Failure
from treeledger.api.sockets import BACKLOG

_AT_ONCE: Final = 64  # connections taken in one turn of the event loop: so many may there be beyond the most
_FAREWELL: Final = 1.0  # seconds that answers have to end when the engine stops
_CUT_OFF: Final = 0.5  # seconds for those that were then cancelled
_CREDENTIALS: Final = struct.Struct("3i")  # of SO_PEERCRED: pid, uid, gid; socket(7)
_nothing: Final = logging.Logger("treeledger.api.http", logging.CRITICAL)  # the application logs by itself


@dataclass(frozen=True, slots=True)
class Limits:
    """What connections may take. `most`: of them, and never more than half of the files we may open.

    `silence`: seconds that one has for its next request, however slowly that comes; `swallow`: for the rest
    of a body that was refused, so that its sender hears why.
    """

    most: int = 4096
    silence: float = 30.0
    swallow: float = 5.0


async def serve(listener: socket.socket, application: Any, limits: Limits = Limits()) -> None:
    """Answers what comes by a listening socket until cancelled; then ends within two seconds."""
    config = Config(
        application,
        http=Connection,
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        proxy_headers=False,
        timeout_keep_alive=math.ceil(limits.silence),
    )
    config.load()
    connections = Connections(limits)
    server = await asyncio.get_running_loop().create_server(
        lambda: Connection(config, connections), sock=listener, backlog=_AT_ONCE
    )
    listener.listen(BACKLOG)  # the others wait in the system
    try:
        await anyio.sleep_forever()
    finally:
        server.close()
        with anyio.CancelScope(shield=True):
            await connections.end()


class Connections(ServerState):
    """Those of one socket. Beyond `most`, who has been silent for longest is let go."""

    def __init__(self, limits: Limits) -> None:
        super().__init__()
        self.limits = limits
        files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        self.most = limits.most if files == resource.RLIM_INFINITY else min(limits.most, files // 2)
        self.silent: dict[Connection, None] = {}  # longest first
        self.leaving = anyio.Event()
        self.gone = anyio.Event()  # one has, just now

    def make_room(self) -> None:
        if len(self.connections) > self.most and self.silent:
            next(iter(self.silent)).let_go()

    async def end(self) -> None:
        """Lets answers end, streams at once; then cuts off what is left."""
        self.leaving.set()
        for connection in self._mine():
            connection.finish()
        await self._left(_FAREWELL)
        for task in self.tasks:
            task.cancel()
        await self._left(_CUT_OFF)
        for connection in self._mine():
            connection.transport.abort()

    def _mine(self) -> list[Connection]:
        return [one for one in self.connections if isinstance(one, Connection)]

    async def _left(self, within: float) -> None:
        """Until all have gone."""
        with anyio.move_on_after(within):
            while self.connections:
                self.gone = anyio.Event()
                await self.gone.wait()


class Connection(H11Protocol):
    """One connection. `client` is the address at its other end, on a Unix socket the user."""

    def __init__(self, config: Config, connections: Connections) -> None:
        super().__init__(config, connections, {"leaving": connections.leaving})
        self.logger = _nothing
        self.access_log = False
        self._all = connections
        self._limit: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        peer = transport.get_extra_info("socket")
        if peer.family == socket.AF_UNIX:
            self.client = (_user(peer), 0)
        self._note_silence()
        self._all.make_room()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end_silence()
        super().connection_lost(exc)
        self._all.gone.set()

    def data_received(self, data: bytes) -> None:
        self._all.default_headers = [(b"date", formatdate(usegmt=True).encode())]
        super().data_received(data)

    def handle_events(self) -> None:
        super().handle_events()
        if self._is_answering and self.conn.their_state is not h11.SEND_BODY:
            self._end_silence()

    def on_response_complete(self) -> None:
        self._note_silence()
        super().on_response_complete()

    def send_400_response(self, msg: str) -> None:
        """What came is no HTTP. While a request is answered, its body is what is wrong."""
        if self._is_answering:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        elif self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            self._refuse()
        self._end_silence()
        self.transport.close()

    def finish(self) -> None:
        """After the answer that is under way, if any, it closes."""
        if self._is_answering:
            self.cycle.keep_alive = False
        else:
            self.transport.close()

    def let_go(self) -> None:
        """Closes it at once. It is among the connections until the event loop has done so."""
        self._end_silence()
        self.transport.abort()

    @property
    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _note_silence(self) -> None:
        """From now on it has a limited time until its next request is here."""
        self._end_silence()
        limits = self._all.limits
        is_still_sending = self.conn.their_state is h11.SEND_BODY
        seconds = limits.swallow if is_still_sending else limits.silence
        self._limit = self.loop.call_later(seconds, self.transport.abort)
        self._all.silent[self] = None

    def _end_silence(self) -> None:
        self._all.silent.pop(self, None)
        if self._limit is not None:
            self._limit.cancel()
            self._limit = None

    def _refuse(self) -> None:
        body = msgspec.json.encode(Failure(error="bad_request", message="this is no HTTP/1.1"))
        headers = [("Content-Type", "application/json"), ("Connection", "close")]
        headers.append(("Content-Length", str(len(body))))
        for event in (
            h11.Response(status_code=400, headers=headers, reason=b"Bad Request"),
            h11.Data(data=body),
            h11.EndOfMessage(),
        ):
            self.transport.write(self.conn.send(event) or b"")


def _user(peer: socket.socket) -> str:
    """Who is at the other end of a Unix socket."""
    if not hasattr(socket, "SO_PEERCRED"):
        return "socket"
    _, uid, _ = _CREDENTIALS.unpack(peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
    return _name_of(uid)


@lru_cache(maxsize=64)
def _name_of(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"
