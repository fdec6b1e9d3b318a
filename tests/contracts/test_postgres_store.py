"""The PostgreSQL store keeps the contract of stores."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from treeledger.plugins.postgres.store import PostgresStore
from treeledger.protocols import Store, StoreOptions
from treeledger.testing.stores import StoreContract


class TestPostgresStore(StoreContract):
    @pytest.fixture
    def build(self, postgres_url: str) -> Callable[[], Store]:
        return lambda: PostgresStore(StoreOptions(postgres_url))
