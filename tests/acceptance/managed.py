"""A daemon as a service manager has it: its configuration, its socket, what it tells of itself."""

from __future__ import annotations

import json
import re
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, NamedTuple

import executable
from executable import Executable, Running

FAREWELL = "stopped; everything settled is written"


class Away(Exception):
    """The store does not answer the daemon at the moment."""


def until(condition: Callable[[], object], what: str) -> None:
    """As `executable.until`; while the store is away, a condition is not met."""

    def holds() -> object:
        try:
            return condition()
        except Away:
            return False

    executable.until(holds, what)


class Answer(NamedTuple):
    status: int
    json: Any


class Manager:
    """The end of $NOTIFY_SOCKET that a service manager has.

    It listens all the time: what finds ten datagrams waiting is dropped. `heard` is all that was told so far,
    a datagram each.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.heard: list[dict[str, str]] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._thread = threading.Thread(target=self._listen)
        self._thread.start()

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._socket.close()

    def _listen(self) -> None:
        while lines := self._socket.recv(65536).decode().splitlines():
            self.heard.append(dict(line.split("=", 1) for line in lines))

    def until(self, key: str, count: int = 1) -> dict[str, str]:
        """Waits until something was told so often; what came with it the last time."""
        until(lambda: len(self._with(key)) >= count, f"{key} told {count} times")
        return self._with(key)[count - 1]

    def _with(self, key: str) -> list[dict[str, str]]:
        return [one for one in self.heard if key in one]

    @property
    def status(self) -> str:
        """As `systemctl status` would show it."""
        return next((one["STATUS"] for one in reversed(self.heard) if "STATUS" in one), "")


class Daemon:
    """A running `treeledger daemon`."""

    def __init__(self, running: Running, socket: Path) -> None:
        self.running = running
        self._socket = socket

    def until_ready(self) -> None:
        """Waits until it has said so: each repository is watched, or it is known why not."""
        self.until_logged("^info : ready: ")

    def ask(self, path: str, method: str = "GET", body: object = None) -> Answer:
        """One request to its API."""
        connection = HTTPConnection("localhost", timeout=30)
        connection.sock = socket.socket(socket.AF_UNIX)
        try:
            connection.sock.settimeout(30)
            connection.sock.connect(str(self._socket))
            connection.request(method, path, None if body is None else json.dumps(body))
            answer = connection.getresponse()
            text = answer.read()
            return Answer(answer.status, json.loads(text) if text else None)
        finally:
            connection.close()

    def told(self, path: str) -> Any:
        """What it answers. Raises Away."""
        answer = self.ask(path)
        if answer.status == HTTPStatus.SERVICE_UNAVAILABLE:
            raise Away(answer.json["message"])
        assert answer.status == HTTPStatus.OK, answer
        return answer.json

    def states(self) -> dict[str, str]:
        return {one["name"]: one["state"] for one in self.told("/api/repositories")["items"]}

    def until_state(self, name: str, state: str) -> None:
        until(lambda: self.states().get(name) == state, f"{name} {state}")

    def files(self, repository: str) -> int:
        """How many are on record."""
        return int(self.told(f"/api/repositories/{repository}")["files"])

    def paths(self, repository: str) -> list[str]:
        """Those on record."""
        items = self.told(f"/api/files?repository={repository}&limit=1000")["items"]
        return [one["path"] for one in items]

    def until_recorded(self, repository: str, *paths: str) -> None:
        until(lambda: set(paths) <= set(self.paths(repository)), f"{paths} on record")

    def starts(self, repository: str) -> int:
        """How many startup scans there were."""
        items = self.told(f"/api/operations?repository={repository}&limit=1000")["items"]
        return sum(one["type"] == "startup" for one in items)

    def until_logged(self, pattern: str) -> None:
        """Waits until the log in memory has a line of this kind."""
        until(lambda: any(re.search(pattern, line) for line in self.logged()), f"logged: {pattern}")

    def logged(self) -> list[str]:
        items = self.told("/api/logs?limit=1000&level=debug")["items"]
        return [f"{one['level']} {one['repository'] or ''}: {one['message']}" for one in items]

    def reload(self) -> None:
        self.running.signal(signal.SIGHUP)

    def stop(self, within: float = 5.0) -> None:
        """By SIGTERM; fails unless it ends in order, in this time (seconds)."""
        assert self.running.stop(within=within) == 0, self.running.text


class House:
    """A machine with folders to watch, a plugins.toml, and perhaps a daemon."""

    def __init__(self, home: Path, *, store: str | None = None) -> None:
        self.home = home
        self.treeledger = Executable(home, store=store)
        self.file = home / "plugins.toml"
        self.configure("a", "b")

    def configure(self, *names: str, top: str = "", **more: str) -> None:
        """Declares repositories, with more keys of each; `top`: tables before them."""
        tables = [top]
        for name in names:
            (self.home / name).mkdir(exist_ok=True)
            table = f'[[repositories]]\nname = "{name}"\nroot = "{self.home / name}"\n'
            tables.append(table + more.get(name, ""))
        self.file.write_text("\n".join(tables))
        self.file.chmod(0o600)

    def write(self, path: str, text: str = "text") -> None:
        (self.home / path).write_text(text)

    def __call__(self, *arguments: str | Path, code: int = 0) -> Any:
        return self.treeledger("--config", self.file, *arguments, code=code)

    @contextmanager
    def daemon(self, *, waits: bool = True, **environ: str) -> Iterator[Daemon]:
        """One that was started, and answers if one `waits` for that; it is killed with the block."""
        given = ("--config", self.file, "daemon")
        with self.treeledger.started(*given, terminal=False, **environ) as running:
            if waits:
                running.until("^log: ")
            yield Daemon(running, self.home / "state/treeledger/api.sock")
