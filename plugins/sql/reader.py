"""A worker's own view of the ledger, as far as both dialects share it: one connection that only reads."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar, Generic, Protocol, TypeVar

from treeledger.errors import StoreError
from treeledger.plugins.sql.reading import key_rows, known_paths
from treeledger.plugins.sql.work import Query, Row, Step, Work, drive
from treeledger.protocols import FilePlace, KeyRow

T = TypeVar("T")


class Closable(Protocol):
    def close(self) -> None: ...


Connection = TypeVar("Connection", bound=Closable)


class Reader(ABC, Generic[Connection]):
    """A `treeledger.protocols.LedgerReader`. Each statement is a transaction of its own.

    `indexed`: how many characters of a path the indexes hold, None for all; `errors` are what the driver
    raises.
    """

    indexed: ClassVar[int | None] = None
    errors: ClassVar[tuple[type[Exception], ...]]

    def __init__(self, repository_id: str) -> None:
        self._repository = repository_id
        self._connection: Connection | None = None

    def keys(self, low: str, high: str | None, limit: int) -> list[KeyRow]:
        return self._run(key_rows(self._repository, low, high, limit, indexed=self.indexed))

    def known(self, files: Sequence[FilePlace]) -> set[str]:
        return self._run(known_paths(self._repository, files))

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _run(self, work: Work[T]) -> T:
        try:
            connection = self._connected()
            return drive(work, lambda step: self._step(connection, step))
        except self.errors as error:
            self.close()
            raise self.wrapped(error) from error

    def _step(self, connection: Connection, step: Step) -> Sequence[Row]:
        assert isinstance(step, Query)
        return self.rows(connection, step)

    def _connected(self) -> Connection:
        self.check()
        if self._connection is None:
            self._connection = self.connect()
        return self._connection

    def check(self) -> None:
        """Raises StoreUnavailable if what would be read is not this ledger."""

    @abstractmethod
    def connect(self) -> Connection: ...

    @abstractmethod
    def rows(self, connection: Connection, query: Query) -> Sequence[Row]: ...

    @abstractmethod
    def wrapped(self, error: Exception) -> StoreError: ...
