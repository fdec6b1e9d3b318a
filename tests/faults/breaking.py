"""Stores that break while they are used: a fixture with the URL of one, and what happens to it."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from postgres_server import OwnServer

Disturb = Callable[[int], str]
"""Does something to a store in each of ten turns, and says what. PostgreSQL is restarted in two of them."""


def _lock_sqlite(ledger: Path) -> None:
    """Another process has the write lock for a second."""
    script = (
        "import sqlite3, sys, time; sqlite3.connect(sys.argv[1]).execute('BEGIN IMMEDIATE'); time.sleep(1)"
    )
    subprocess.run([sys.executable, "-c", script, ledger], check=False, stderr=subprocess.DEVNULL)


def _restart(server: OwnServer, mode: str) -> None:
    server.stop(mode)
    time.sleep(2)  # as a restart of the machine's service takes
    server.start()


@pytest.fixture(params=["sqlite", "postgres"])
def broken(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, Disturb]:
    """The URL of a store, and what happens to it."""
    if request.param == "sqlite":
        path = tmp_path / "state" / "ledger.db"

        def lock(turn: int) -> str:
            _lock_sqlite(path)
            return "write lock taken for a second"

        return f"sqlite:{path}", lock
    server: OwnServer = request.getfixturevalue("own_server")

    def disturb(turn: int) -> str:
        if turn in (3, 7):
            mode = "fast" if turn == 3 else "immediate"
            _restart(server, mode)
            return f"server restarted ({mode})"
        return f"{server.disconnect_all()} connections killed"

    return server.url("ledger"), disturb
