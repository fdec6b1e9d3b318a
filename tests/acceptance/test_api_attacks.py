"""A daemon that is asked by enemies: they are refused, and whatever they do it goes on watching."""

from __future__ import annotations

import re
import resource
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import httpx
import pytest
from daemons import daemon
from executable import WITHIN, Running, until

ADMIN, READER = "0123456789abcdef-admin", "0123456789abcdef-reader"
SETTINGS: Final = f'[api]\nlisten = "127.0.0.1:0"\ntoken = "{ADMIN}"\nread_token = "{READER}"\n'
FILES: Final = 1024  # that the daemon may open
IDLE: Final = 1000
MIB: Final = 2**20


class Attacked:
    """A daemon and the folder that it watches."""

    def __init__(self, running: Running, folder: Path) -> None:
        self.folder = folder
        self.process = running.process
        (self.socket,) = re.findall("^api: unix:(.*)$", running.text, re.MULTILINE)
        (self.tcp,) = re.findall("^api: (http.*)$", running.text, re.MULTILINE)
        through = httpx.HTTPTransport(uds=self.socket)
        self.http = httpx.Client(transport=through, base_url="http://localhost", timeout=WITHIN)

    def ask(self, method: str, path: str, token: str | None = None, **more: object) -> httpx.Response:
        """Over TCP."""
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        headers |= more.pop("headers", {})  # type: ignore[arg-type]
        return httpx.request(method, self.tcp + path, headers=headers, timeout=WITHIN, **more)  # type: ignore[arg-type]

    def until_recorded(self, name: str) -> None:
        """Makes a file; waits until it is on record."""
        (self.folder / name).write_text(name)
        query = {"repository": "photos", "prefix": name}
        until(lambda: self.http.get("/api/files", params=query).json().get("items"), f"{name} on record")


@pytest.fixture
def attacked(tmp_path: Path) -> Iterator[Attacked]:
    (tmp_path / "photos").mkdir()
    with daemon(tmp_path, SETTINGS) as running:
        # It has raised its own limit by now, and asks how many connections it may have at the first of them.
        resource.prlimit(running.process.pid, resource.RLIMIT_NOFILE, (FILES, FILES))
        attacked = Attacked(running, tmp_path / "photos")
        with attacked.http:
            yield attacked


def test_a_thousand_idle_connections_keep_nobody_from_his_answer_nor_it_from_watching(
    attacked: Attacked,
) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < 2 * IDLE:
        pytest.skip(f"needs {2 * IDLE} open files; this process may have {soft} of {hard}")
    with ExitStack() as idle:
        for _ in range(IDLE):
            one = idle.enter_context(socket.socket(socket.AF_UNIX))
            one.settimeout(WITHIN)
            one.connect(attacked.socket)
        attacked.until_recorded("while they are there")
        until(lambda: attacked.http.get("/readyz").status_code == 200, "ready")
        # Half of them may be connections; it has some twenty of its own.
        assert len(list(Path(f"/proc/{attacked.process.pid}/fd").iterdir())) < FILES * 3 // 4
    attacked.until_recorded("when they have gone")


def test_who_has_no_token_or_the_wrong_one_is_refused(attacked: Attacked) -> None:
    for token in (None, "x", "0123456789abcdef-wrong", ADMIN[:-1], ADMIN + "x", f"{ADMIN} {READER}"):
        assert attacked.ask("GET", "/api/status", token).status_code == 401, token
        assert attacked.ask("POST", "/api/sync/pause", token, json={}).status_code == 401, token
        assert attacked.ask("GET", "/metrics", token).status_code == 401, token
    assert attacked.ask("GET", "/api/status", READER).status_code == 200
    assert attacked.ask("POST", "/api/sync/pause", READER, json={}).status_code == 403
    assert attacked.ask("GET", "/healthz").status_code == 200
    attacked.until_recorded("it was never paused")


def test_pages_of_other_origins_are_refused(attacked: Attacked) -> None:
    for host in ("evil.example", "localhost.evil.example", "127.0.0.1.evil.example:80", ""):
        answer = attacked.ask("GET", "/api/status", ADMIN, headers={"Host": host})
        assert answer.status_code in (400, 421), host
    for origin in ("http://evil.example", "null", attacked.tcp + ".evil.example"):
        answer = attacked.ask("POST", "/api/sync/pause", ADMIN, json={}, headers={"Origin": origin})
        assert answer.status_code == 403, origin
    attacked.until_recorded("it was never paused")


@pytest.mark.parametrize("path", ["../../..", "/etc", "../../../etc/passwd", "a/../../..", "..%2f.."])
def test_no_path_leads_out_of_the_tree(attacked: Attacked, path: str) -> None:
    (attacked.folder.parent / "secret").write_text("outside")
    within = {"repository": "photos", "path": path}
    assert attacked.http.get("/api/explain", params=within).json()["record"] is None
    assert not attacked.http.get("/api/ignore/check", params=within).is_server_error
    for work in ("scan", "scrub"):
        answer = attacked.http.post(f"/api/repositories/photos/{work}", json={"prefixes": [path]}).json()
        operation = answer.get("operation", answer)
        assert ".." not in operation["scope"].split("/"), answer
        assert operation["files_scanned"] == 0, answer
    assert attacked.http.post("/api/repositories/photos/accept", json={"paths": [path]}).status_code == 400
    assert attacked.http.get(f"/api/repositories/{path}").status_code == 404
    assert attacked.http.get("/api/files").json()["items"] == []


def test_what_is_too_large_is_refused(attacked: Attacked) -> None:
    def endless() -> Iterator[bytes]:
        while True:
            yield b" " * 65536

    for content in (b" " * (MIB + 1), endless()):
        try:
            status = attacked.ask("POST", "/api/sync/trigger", ADMIN, content=content).status_code
        except httpx.TransportError:  # it had closed the line while more was sent
            continue
        assert status == 413
    nested = b'{"settings":' + b"[" * 200_000 + b"]" * 200_000 + b"}"
    assert attacked.ask("PATCH", "/api/repositories/photos", ADMIN, content=nested).status_code == 400
    attacked.until_recorded("it goes on")
