"""Fixtures for every kind of test."""

from __future__ import annotations

from pathlib import Path

import hypothesis
import pytest
from postgres_server import (
    _postgres_template,
    _shared_own_server,
    own_server,
    postgres_ledger,
    postgres_server,
    postgres_url,
)

from treeledger.testing.examples import OF_THE_MACHINE

__all__ = [
    "_postgres_template",
    "_shared_own_server",
    "own_server",
    "postgres_ledger",
    "postgres_server",
    "postgres_url",
]

# How long examples take says more of what else the machine does; pytest has a limit for each test. They are
# the same each time, so that what fails was broken just now; `make stress` looks for others.
hypothesis.settings.register_profile("wandering", deadline=None, suppress_health_check=OF_THE_MACHINE)
hypothesis.settings.register_profile("steady", hypothesis.settings.get_profile("wandering"), derandomize=True)
hypothesis.settings.load_profile("steady")


@pytest.fixture
def anyio_backend() -> str:
    """Async tests run on asyncio: psycopg, textual and obstore know no other."""
    return "asyncio"


@pytest.fixture(params=["sqlite", "postgres"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a ledger that holds nothing, in a store of each kind in turn."""
    if request.param == "sqlite":
        return f"sqlite:{tmp_path / 'state' / 'ledger.db'}"
    url: str = request.getfixturevalue("postgres_ledger")
    return url


@pytest.fixture(params=["sqlite", "postgres"])
def new_store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a place for a ledger, of each kind in turn, where none was made yet."""
    if request.param == "sqlite":
        return f"sqlite:{tmp_path / 'state' / 'ledger.db'}"
    url: str = request.getfixturevalue("postgres_url")
    return url
