"""A worker's own view of the ledger: one connection, on which nothing is kept."""

from __future__ import annotations

from collections.abc import Sequence

import psycopg

from treeledger.errors import StoreError
from treeledger.plugins.postgres.address import Address, completed
from treeledger.plugins.postgres.dialect import INDEXED, PACKAGES, bound, translate
from treeledger.plugins.postgres.errors import ERRORS, wrapped
from treeledger.plugins.sql.queries import load
from treeledger.plugins.sql.reader import Reader
from treeledger.plugins.sql.work import Query, Row


class PostgresReader(Reader["psycopg.Connection[Row]"]):
    """What it asks is prepared by nobody, so a pooler may stand between."""

    indexed = INDEXED
    errors = ERRORS

    def __init__(self, repository_id: str, *, address: Address) -> None:
        super().__init__(repository_id)
        self._address = address
        self._queries = load(PACKAGES, translate)

    def connect(self) -> psycopg.Connection[Row]:
        return psycopg.connect(completed(self._address.conninfo), autocommit=True, prepare_threshold=None)

    def rows(self, connection: psycopg.Connection[Row], query: Query) -> Sequence[Row]:
        cursor = connection.cursor(binary=True)
        cursor.execute(self._queries[query.name].sql(query.params).encode(), bound(query.params))
        return cursor.fetchall()

    def wrapped(self, error: Exception) -> StoreError:
        return wrapped(error, self._address.url)
