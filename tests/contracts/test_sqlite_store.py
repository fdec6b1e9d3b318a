"""The SQLite store keeps the contract of stores."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from treeledger.plugins.sqlite.store import SqliteStore
from treeledger.protocols import Store
from treeledger.testing.stores import StoreContract


class TestSqliteStore(StoreContract):
    @pytest.fixture
    def build(self, tmp_path: Path) -> Callable[[], Store]:
        return lambda: SqliteStore(tmp_path / "state" / "ledger.db")
