"""Fixtures for every kind of test."""

from __future__ import annotations

import pytest


@pytest.fixture
def anyio_backend() -> str:
    """Async tests run on asyncio: psycopg, textual and obstore know no other."""
    return "asyncio"
