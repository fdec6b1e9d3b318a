"""The probe says why an engine is not ready, over a real socket."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import UnixStreamServer
from threading import Thread

import pytest

from treeledger.api.probe import why_not_ready


@contextmanager
def listening(path: Path, status: int, body: bytes) -> Iterator[list[str]]:
    """Something that answers every GET so; gives what was asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response_only(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            return

    with UnixStreamServer(str(path), Handler) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield asked
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(
    ("status", "body", "why"),
    [
        (200, b"{}", None),
        (503, b'{"error": "service_unavailable", "message": "the ledger is away"}', "the ledger is away"),
        (503, b"<html>", "it answers 503"),
        (500, b"[]", "it answers 500"),
    ],
)
def test_an_answer_is_read(tmp_path: Path, status: int, body: bytes, why: str | None) -> None:
    with listening(tmp_path / "api.sock", status, body) as asked:
        assert why_not_ready(str(tmp_path / "api.sock")) == why
    assert asked == ["/readyz"]


def test_nobody_and_nothing_there_are_told(tmp_path: Path) -> None:
    assert "does not answer" in (why_not_ready(str(tmp_path / "none.sock")) or "")
    with listening(tmp_path / "api.sock", 200, b""):
        pass
    assert "refused" in (why_not_ready(str(tmp_path / "api.sock")) or "")


@pytest.mark.parametrize(("status", "code"), [(200, 0), (503, 1)])
def test_as_a_program_it_has_an_exit_code_for_containers(tmp_path: Path, status: int, code: int) -> None:
    with listening(tmp_path / "api.sock", status, b'{"message": "not yet"}'):
        done = subprocess.run(
            [sys.executable, "-m", "treeledger.api.probe", str(tmp_path / "api.sock")],
            capture_output=True,
            text=True,
            check=False,
        )
    assert (done.returncode, done.stderr) == (code, "" if code == 0 else "not yet\n")
