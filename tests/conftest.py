"""Fixtures for every kind of test."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def anyio_backend() -> str:
    """Async tests run on asyncio: psycopg, textual and obstore know no other."""
    return "asyncio"


@pytest.fixture
def store_url(tmp_path: Path) -> str:
    """The URL of a fresh store."""
    return f"sqlite:{tmp_path / 'state' / 'ledger.db'}"
