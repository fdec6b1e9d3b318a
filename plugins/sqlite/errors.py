"""What SQLite says, in the ledger's words."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Final

from treeledger.errors import StoreDataError, StoreError, StoreRefused, StoreUnavailable

ERRORS: Final = (sqlite3.Error, OverflowError, UnicodeEncodeError)

_AWAY: Final = {
    sqlite3.SQLITE_BUSY: "is locked by another program for too long",
    sqlite3.SQLITE_LOCKED: "is locked by another program for too long",
    sqlite3.SQLITE_FULL: "cannot grow: its disk is full. Make room",
    sqlite3.SQLITE_IOERR: "cannot be read or written: its disk reports an error",
}
_REFUSED: Final = {
    sqlite3.SQLITE_READONLY: "cannot be written: check its permissions and those of its folder",
    sqlite3.SQLITE_PERM: "cannot be opened: check its permissions and those of its folder",
    sqlite3.SQLITE_CANTOPEN: "cannot be opened: check that it exists and its permissions",
}
_LOST: Final = {
    sqlite3.SQLITE_CORRUPT: "is damaged. Keep the file, and restore a backup in its place",
    sqlite3.SQLITE_NOTADB: "is not a ledger, nor any SQLite database. Name another file with --store",
}
_DATA: Final = frozenset(
    (sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_TOOBIG, sqlite3.SQLITE_MISMATCH, sqlite3.SQLITE_RANGE)
)


def wrapped(error: Exception, path: Path) -> StoreError:
    """A driver's error as the one kind of StoreError that says what to do about it."""
    if isinstance(error, OverflowError | UnicodeEncodeError):
        return StoreDataError(f"a value cannot be stored: {error}")
    code = _code(error)
    if code in _DATA or isinstance(error, sqlite3.DataError | sqlite3.IntegrityError):
        return StoreDataError(f"a row cannot be stored: {error}")
    for kind, advice in ((StoreUnavailable, _AWAY), (StoreRefused, _REFUSED), (StoreError, _LOST)):
        if code in advice:
            return kind(f"the ledger {path} {advice[code]} ({error})")
    if isinstance(error, sqlite3.InterfaceError | sqlite3.ProgrammingError):
        return StoreDataError(f"a value cannot be stored: {error}")
    return StoreUnavailable(f"the ledger {path} cannot be used: {error}")


def is_locked(error: Exception) -> bool:
    """Whether it is only that another program has the file locked."""
    return _code(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def _code(error: Exception) -> int:
    """Without the extended part; 0 for what is not SQLite's."""
    code: int = getattr(error, "sqlite_errorcode", 0)
    return code & 0xFF
