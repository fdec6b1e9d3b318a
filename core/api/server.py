"""The listeners of an engine: a Unix socket, and TCP where it was asked for.

Nothing of a web server is imported before somebody connects: an engine that nobody asks stays small.
"""

from __future__ import annotations

import grp
import ipaddress
import os
import pwd
import socket
import stat
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import anyio
import anyio.to_thread

from treeledger.api.guard import Guard
from treeledger.config.secrets import resolve_secret
from treeledger.config.settings import ApiSettings
from treeledger.errors import ConfigurationError

_BACKLOG: Final = 1024
_FIRST_REQUEST: Final = 30.0  # seconds that a connection has for its first request
_KEEP_ALIVE: Final = 60  # seconds without a request
_FAREWELL: Final = 1  # seconds that answers have to end when the engine stops
_CREDENTIALS: Final = struct.Struct("3i")  # of SO_PEERCRED: pid, uid, gid; socket(7)
_SOCKET: Final = "api.sock"

Application = Callable[[Guard], Any]
"""Builds the ASGI application behind a listener."""


@dataclass(slots=True)
class Listener:
    """A bound socket, and who may ask what through it. `address`: unix:PATH or http://HOST:PORT."""

    socket: socket.socket
    guard: Guard
    address: str

    async def serve(self, application: Application) -> None:
        """Answers until cancelled."""
        await anyio.wait_readable(self.socket)
        server = await anyio.to_thread.run_sync(_server, application, self.guard)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(server.serve, [self.socket])
            try:
                await anyio.sleep_forever()
            finally:
                server.should_exit = True
                with anyio.move_on_after(_FAREWELL + 1, shield=True):
                    await server.has_ended.wait()


def _server(application: Application, guard: Guard) -> Any:
    """A server that leaves signals to the program; imported and built in a thread, which takes a while."""
    import uvicorn
    from uvicorn.protocols.http.h11_impl import H11Protocol

    class Connection(H11Protocol):
        """One connection. Who says nothing is let go."""

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            if guard.is_local:
                self.client = (_peer(transport.get_extra_info("socket")), 0)
            self.loop.call_later(_FIRST_REQUEST, self._expect_request)

        def _expect_request(self) -> None:
            if self.cycle is None and not self.transport.is_closing():
                self.transport.close()

    class Server(uvicorn.Server):
        has_ended: anyio.Event

        def capture_signals(self) -> Any:
            return nullcontext()

        async def serve(self, sockets: Any = None) -> None:
            try:
                await super().serve(sockets)
            finally:
                self.has_ended.set()

    config = uvicorn.Config(
        application(guard),
        http=Connection,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        backlog=_BACKLOG,
        timeout_keep_alive=_KEEP_ALIVE,
        timeout_graceful_shutdown=_FAREWELL,
    )
    config.load()
    server = Server(config)
    server.has_ended = anyio.Event()
    return server


def _peer(connection: socket.socket) -> str:
    """The user at the other end of a Unix socket."""
    if not hasattr(socket, "SO_PEERCRED"):
        return "socket"
    _, uid, _ = _CREDENTIALS.unpack(
        connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    )
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"


@contextmanager
def listeners(settings: ApiSettings, state: Path) -> Iterator[list[Listener]]:
    """The bound listeners that the settings ask for, the Unix socket first; it is removed at the end.

    `state`: the folder for what runs, if the system has none. Raises ConfigurationError, OSError.
    """
    token, read_token = _secret(settings.token), _secret(settings.read_token)
    bound: list[Listener] = []
    path = _free_path(_socket_path(settings, state), is_given=settings.socket is not None)
    try:
        unix = _bind_unix(path, settings.socket_group)
        bound.append(Listener(unix, Guard(is_local=True), f"unix:{path}"))
        if settings.listen is not None:
            tcp, host = _bind_tcp(settings.listen, has_token=token is not None or read_token is not None)
            names = frozenset(name.lower() for name in (host, *settings.hosts))
            guard = Guard(False, token, read_token, names)
            bound.append(Listener(tcp, guard, f"http://{_shown(tcp)}"))
        yield bound
    finally:
        for listener in bound:
            listener.socket.close()
        if bound:
            path.unlink(missing_ok=True)


def _secret(written: str | None) -> str | None:
    return None if written is None else resolve_secret(written)


def _socket_path(settings: ApiSettings, state: Path) -> Path:
    """systemd's `$RUNTIME_DIRECTORY` (systemd.exec(5)), else the user's folder for what runs, else `state`."""
    if settings.socket is not None:
        return Path(settings.socket)
    if given := os.environ.get("RUNTIME_DIRECTORY"):
        return Path(given.partition(":")[0]) / _SOCKET
    if given := os.environ.get("XDG_RUNTIME_DIR"):
        return Path(given) / "treeledger" / _SOCKET
    return state / _SOCKET


def _free_path(path: Path, *, is_given: bool) -> Path:
    """The path, or one beside it while an engine of another ledger listens there."""
    if not _is_alive(path):
        return path
    if is_given:
        raise ConfigurationError(f"{path}: another program listens there; [api] socket names another path")
    return path.with_stem(f"{path.stem}-{os.getpid()}")


def _is_alive(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(os.fspath(path))
        except OSError:
            return False
        return True


def _bind_unix(path: Path, group: str | None) -> socket.socket:
    """A socket that only its owner may open, or its group, too; what a crash left there is replaced."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with suppress(FileNotFoundError):
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise ConfigurationError(f"{path}: is no socket; [api] socket names another path")
        path.unlink()
    listener = socket.socket(socket.AF_UNIX)
    before = os.umask(0o177)
    try:
        listener.bind(os.fspath(path))
    except OSError as error:
        listener.close()
        raise ConfigurationError(f"{path}: cannot listen there: {error.strerror or error}") from None
    finally:
        os.umask(before)
    if group is not None:
        try:
            os.chown(path, -1, grp.getgrnam(group).gr_gid)
        except (KeyError, OSError) as error:
            listener.close()
            raise ConfigurationError(f"socket_group of [api]: {group}: {error}") from None
        path.chmod(0o660)
    return _listening(listener)


def _bind_tcp(text: str, *, has_token: bool) -> tuple[socket.socket, str]:
    """A TCP socket, and the host as it was written. Without a token only on loopback."""
    host, _, port = text.rpartition(":")
    host = host.strip("[]")
    try:
        number = int(port)
        found = socket.getaddrinfo(host or None, number, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (ValueError, OverflowError, OSError):
        raise ConfigurationError(f'listen of [api]: {text!r} is no HOST:PORT, as "127.0.0.1:8733" is one')
    family, type_, protocol, _, address = found[0]
    if not has_token and not ipaddress.ip_address(address[0]).is_loopback:
        raise ConfigurationError(
            f"listen of [api]: {text} can be reached from outside, which takes a token; set token, or "
            "listen on 127.0.0.1"
        )
    listener = socket.socket(family, type_, protocol)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(address)
    except OSError as error:
        listener.close()
        raise ConfigurationError(f"listen of [api]: {text}: {error.strerror or error}") from None
    return _listening(listener), host


def _listening(listener: socket.socket) -> socket.socket:
    listener.listen(_BACKLOG)
    listener.setblocking(False)
    return listener


def _shown(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
