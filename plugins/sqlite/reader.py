"""A worker's own view of the ledger: one connection that only reads, and waits for no writer."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Final
from urllib.parse import quote

from treeledger.errors import StoreError
from treeledger.plugins.sql.queries import load
from treeledger.plugins.sql.reader import Reader
from treeledger.plugins.sql.work import Query, Row
from treeledger.plugins.sqlite.binding import bound
from treeledger.plugins.sqlite.dialect import PACKAGES, translate
from treeledger.plugins.sqlite.errors import ERRORS, wrapped
from treeledger.plugins.sqlite.file import LedgerFile

_PATIENCE: Final = 5.0  # seconds to wait for a file that another program has locked
_SETTINGS: Final = ("PRAGMA cache_size = -4096",)


class SqliteReader(Reader[sqlite3.Connection]):
    """`known` is the device and inode of the file that the engine has open, if it has one. (mmap saves 1 %
    and would end the process where the disk fails.)"""

    errors = ERRORS

    def __init__(self, repository_id: str, *, path: str, known: tuple[int, int] | None) -> None:
        super().__init__(repository_id)
        self._file = LedgerFile(Path(path), known)
        self._queries = load(PACKAGES, translate)

    def check(self) -> None:
        self._file.check()

    def connect(self) -> sqlite3.Connection:
        uri = f"file:{quote(os.fsencode(self._file.path))}?mode=ro"
        connection = sqlite3.connect(uri, _PATIENCE, uri=True, isolation_level=None, check_same_thread=False)
        for setting in _SETTINGS:
            connection.execute(setting)
        return connection

    def rows(self, connection: sqlite3.Connection, query: Query) -> Sequence[Row]:
        rows = connection.execute(self._queries[query.name].sql(query.params), bound(query.params))
        return rows.fetchall()

    def wrapped(self, error: Exception) -> StoreError:
        return wrapped(error, self._file.path)
