"""What SQLite says, in the ledger's words."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Final

from treeledger.errors import StoreDataError, StoreError, StoreUnavailable

ERRORS: Final = (sqlite3.Error, OverflowError, UnicodeEncodeError)

_ADVICE: Final = {
    sqlite3.SQLITE_BUSY: "is locked by another program for too long. I try again",
    sqlite3.SQLITE_LOCKED: "is locked by another program for too long. I try again",
    sqlite3.SQLITE_FULL: "cannot grow: its disk is full. Make room; I try again",
    sqlite3.SQLITE_READONLY: "cannot be written: check its permissions and those of its folder",
    sqlite3.SQLITE_PERM: "cannot be opened: check its permissions and those of its folder",
    sqlite3.SQLITE_CANTOPEN: "cannot be opened: check that it exists and its permissions",
    sqlite3.SQLITE_IOERR: "cannot be read or written: its disk reports an error",
    sqlite3.SQLITE_CORRUPT: "is damaged. Stop treeledger and restore a backup of it",
    sqlite3.SQLITE_NOTADB: "is not a ledger, nor any SQLite database. Name another file with --store",
}
_DATA: Final = frozenset(
    (sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_TOOBIG, sqlite3.SQLITE_MISMATCH, sqlite3.SQLITE_RANGE)
)


def wrapped(error: Exception, path: Path) -> StoreError:
    """A driver's error as the one kind of StoreError that says what to do about it."""
    if isinstance(error, OverflowError | UnicodeEncodeError):
        return StoreDataError(f"a value cannot be stored: {error}")
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # without the extended part
    if code in _DATA or isinstance(error, sqlite3.DataError | sqlite3.IntegrityError):
        return StoreDataError(f"a row cannot be stored: {error}")
    if code in _ADVICE:
        return StoreUnavailable(f"the ledger {path} {_ADVICE[code]} ({error})")
    if isinstance(error, sqlite3.InterfaceError | sqlite3.ProgrammingError):
        return StoreDataError(f"a value cannot be stored: {error}")
    return StoreUnavailable(f"the ledger {path} cannot be used: {error}")
