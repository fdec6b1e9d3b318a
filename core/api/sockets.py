"""The sockets of an engine: one of the Unix kind, and TCP where it was asked for."""

from __future__ import annotations

import grp
import ipaddress
import os
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from treeledger.api.guard import Guard
from treeledger.config.secrets import resolve_secret
from treeledger.config.settings import ApiSettings
from treeledger.errors import ConfigurationError

BACKLOG: Final = 1024
_SOCKET: Final = "api.sock"
_PROBE: Final = 1.0  # seconds that a program at the path has for taking a connection
_SHORTEST_TOKEN: Final = 16  # characters
_METRICS: Final = frozenset(("/metrics", "/healthz"))


@dataclass(frozen=True, slots=True)
class Bound:
    """A socket that listens, and who may ask what through it. `address`: unix:PATH or http://HOST:PORT."""

    socket: socket.socket
    guard: Guard
    address: str


@contextmanager
def bound_sockets(settings: ApiSettings, state: Path) -> Iterator[list[Bound]]:
    """Those that the settings ask for, the Unix socket first; it is removed at the end.

    `state`: the folder for what runs, if the system has none. Raises ConfigurationError.
    """
    token = checked_token("token of [api]", settings.token)
    read_token = checked_token("read_token of [api]", settings.read_token)
    if token is not None and token == read_token:
        raise ConfigurationError("[api]: token and read_token are the same; who may read could do everything")
    bound: list[Bound] = []
    with _unix_socket(settings, state) as (unix, path):
        bound.append(Bound(unix, Guard(is_local=True), f"unix:{path}"))
        try:
            for key, text, paths in (
                ("listen", settings.listen, None),
                ("metrics_listen", settings.metrics_listen, _METRICS),
            ):
                if text is not None:
                    has_token = (token or read_token) is not None
                    tcp, host = bind_tcp(f"{key} of [api]", text, has_token=has_token)
                    names = frozenset(name.lower() for name in (*settings.hosts, *host))
                    guard = Guard(False, token, read_token, names, paths)
                    bound.append(Bound(tcp, guard, http_address(tcp)))
            yield bound
        finally:
            for one in bound:
                one.socket.close()


def checked_token(key: str, written: str | None) -> str | None:
    """The token that was written, or is referred to, under a key. Raises ConfigurationError if it is none."""
    if written is None:
        return None
    token = resolve_secret(written)
    if len(token) < _SHORTEST_TOKEN or not token.isascii() or not token.isprintable() or " " in token:
        raise ConfigurationError(
            f"{key}: a token has {_SHORTEST_TOKEN} letters and digits at least; make one with: "
            "openssl rand -hex 16"
        )
    return token


# the Unix socket


@contextmanager
def _unix_socket(settings: ApiSettings, state: Path) -> Iterator[tuple[socket.socket, Path]]:
    wanted = socket_path(settings, state)
    try:
        path = _free_path(wanted, is_given=settings.socket is not None)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        listener, identity = _bind_unix(path, settings.socket_group)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise ConfigurationError(
            f"cannot listen at {wanted}: {reason}; socket of [api] names another path"
        ) from None
    try:
        yield listener, path
    finally:
        listener.close()
        with suppress(OSError):  # gone, or its folder is: it is of no use to anybody
            if _identity(path) == identity:
                path.unlink()


def socket_path(settings: ApiSettings, state: Path) -> Path:
    """In systemd's `$RUNTIME_DIRECTORY` (systemd.exec(5)), else the user's for what runs, else `state`."""
    if settings.socket is not None:
        return Path(os.path.expanduser(settings.socket)).absolute()
    if given := os.environ.get("RUNTIME_DIRECTORY"):
        return Path(given.partition(":")[0]) / _SOCKET
    if given := os.environ.get("XDG_RUNTIME_DIR"):
        return Path(given) / "treeledger" / _SOCKET
    return state / _SOCKET


def _free_path(path: Path, *, is_given: bool) -> Path:
    """The path, or one beside it while the engine of another ledger listens there."""
    if not _is_taken(path):
        return path
    if is_given:
        raise ConfigurationError(f"{path}: another program listens there; socket of [api] names another path")
    return path.with_stem(f"{path.stem}-{os.getpid()}")


def _is_taken(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(_PROBE)
        try:
            probe.connect(os.fspath(path))
        except OSError as error:
            if isinstance(error, PermissionError) or error.errno is None:  # a path that is too long
                raise
            return isinstance(error, BlockingIOError | TimeoutError)  # it has no time for us
        return True


def _bind_unix(path: Path, group: str | None) -> tuple[socket.socket, tuple[int, int]]:
    """A socket that only its owner may open, or its group, too; what a crash left at the path is replaced.

    It comes to its path when it is ready, so nobody finds it with other rights, or deaf.
    """
    with suppress(FileNotFoundError):
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise ConfigurationError(f"{path}: is no socket, and stays; socket of [api] names another path")
    making = path.with_name(f".{os.getpid()}")
    making.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX)
    try:
        listener.bind(os.fspath(making))
        _restrict(making, group)
        _listen(listener)
        making.rename(path)
    except BaseException:
        listener.close()
        making.unlink(missing_ok=True)
        raise
    return listener, _identity(path)


def _restrict(path: Path, group: str | None) -> None:
    path.chmod(0o600)
    if group is None:
        return
    try:
        os.chown(path, -1, grp.getgrnam(group).gr_gid)
    except (KeyError, OSError) as error:
        raise ConfigurationError(f"socket_group of [api]: {group!r}: {error}") from None
    path.chmod(0o660)


def _identity(path: Path) -> tuple[int, int]:
    found = path.lstat()
    return found.st_dev, found.st_ino


# TCP


def bind_tcp(key: str, text: str, *, has_token: bool) -> tuple[socket.socket, tuple[str, ...]]:
    """A TCP socket that listens at HOST:PORT, and the name that it was asked for by, if any.

    Without a token only on loopback. `key` is where the text comes from. Raises ConfigurationError.
    """
    host, _, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not port.isdecimal() or int(port) > 65535:
        raise ConfigurationError(f'{key}: {text!r} is no HOST:PORT, as "127.0.0.1:8733" is one')
    try:
        found = socket.getaddrinfo(host or None, int(port), type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, address = found[0]
        if not has_token and not ipaddress.ip_address(address[0]).is_loopback:
            raise ConfigurationError(
                f"{key}: {text} can be reached from outside, which takes a token; set token of [api], or "
                "listen on 127.0.0.1"
            )
        listener = socket.socket(family, kind, protocol)
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{key}: {text}: {error}") from None
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)  # readers that vanished are noticed
        listener.bind(address)
        _listen(listener)
    except OSError as error:
        listener.close()
        raise ConfigurationError(f"{key}: {text}: {error.strerror or error}") from None
    return listener, () if host in ("", address[0]) else (host,)


def _listen(listener: socket.socket) -> None:
    listener.listen(BACKLOG)
    listener.setblocking(False)


def http_address(listener: socket.socket) -> str:
    """http://HOST:PORT of a TCP socket."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
