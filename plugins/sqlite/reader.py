"""A worker's own view of the ledger: one connection that only reads, and waits for no writer."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Final, TypeVar
from urllib.parse import quote

from treeledger.plugins.sql.queries import load
from treeledger.plugins.sql.reading import key_rows, known_paths
from treeledger.plugins.sql.work import Query, Row, Step, Work, drive
from treeledger.plugins.sqlite.binding import bound
from treeledger.plugins.sqlite.dialect import PACKAGES, translate
from treeledger.plugins.sqlite.errors import ERRORS, wrapped
from treeledger.plugins.sqlite.file import LedgerFile
from treeledger.protocols import FilePlace, KeyRow

T = TypeVar("T")

_PATIENCE: Final = 5.0  # seconds to wait for a file that another program has locked
_SETTINGS: Final = ("PRAGMA cache_size = -4096",)


class SqliteReader:
    """A `treeledger.protocols.LedgerReader`. Each statement is a transaction of its own.

    `known` is the device and inode of the file that the engine has open, if it has one. (mmap saves 1 %
    and would end the process where the disk fails.)
    """

    def __init__(self, repository_id: str, *, path: str, known: tuple[int, int] | None) -> None:
        self._repository = repository_id
        self._file = LedgerFile(Path(path), known)
        self._queries = load(PACKAGES, translate)
        self._connection: sqlite3.Connection | None = None

    def keys(self, low: str, high: str | None, limit: int) -> list[KeyRow]:
        return self._run(key_rows(self._repository, low, high, limit, indexed=None))

    def known(self, files: Sequence[FilePlace]) -> set[str]:
        return self._run(known_paths(self._repository, files))

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _run(self, work: Work[T]) -> T:
        try:
            self._file.check()
            self._connection = self._connection or self._connect()
            return drive(work, self._execute)
        except ERRORS as error:
            self.close()
            raise wrapped(error, self._file.path) from error

    def _connect(self) -> sqlite3.Connection:
        uri = f"file:{quote(os.fsencode(self._file.path))}?mode=ro"
        connection = sqlite3.connect(uri, _PATIENCE, uri=True, isolation_level=None, check_same_thread=False)
        for setting in _SETTINGS:
            connection.execute(setting)
        return connection

    def _execute(self, step: Step) -> Sequence[Row]:
        assert self._connection is not None
        assert isinstance(step, Query)
        rows = self._connection.execute(self._queries[step.name].sql(step.params), bound(step.params))
        return rows.fetchall()
