"""A worker's own view of the ledger: one connection, on which nothing is kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import psycopg

from treeledger.plugins.postgres.address import Address, completed
from treeledger.plugins.postgres.dialect import INDEXED, PACKAGES, bound, translate
from treeledger.plugins.postgres.errors import ERRORS, wrapped
from treeledger.plugins.sql.queries import load
from treeledger.plugins.sql.reading import key_rows, known_paths
from treeledger.plugins.sql.work import Query, Row, Step, Work, drive
from treeledger.protocols import FilePlace, KeyRow

T = TypeVar("T")


class PostgresReader:
    """A `treeledger.protocols.LedgerReader`. Each statement is a transaction of its own, prepared by nobody,
    so a pooler may stand between."""

    def __init__(self, repository_id: str, *, address: Address) -> None:
        self._repository = repository_id
        self._address = address
        self._queries = load(PACKAGES, translate)
        self._connection: psycopg.Connection[Row] | None = None

    def keys(self, low: str, high: str | None, limit: int) -> list[KeyRow]:
        return self._run(key_rows(self._repository, low, high, limit, indexed=INDEXED))

    def known(self, files: Sequence[FilePlace]) -> set[str]:
        return self._run(known_paths(self._repository, files))

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _run(self, work: Work[T]) -> T:
        try:
            self._connection = self._connection or self._connect()
            return drive(work, self._execute)
        except ERRORS as error:
            self.close()
            raise wrapped(error, self._address.url) from error

    def _connect(self) -> psycopg.Connection[Row]:
        return psycopg.connect(completed(self._address.conninfo), autocommit=True, prepare_threshold=None)

    def _execute(self, step: Step) -> Sequence[Row]:
        assert self._connection is not None
        assert isinstance(step, Query)
        cursor = self._connection.cursor(binary=True)
        cursor.execute(self._queries[step.name].sql(step.params).encode(), bound(step.params))
        return cursor.fetchall()
