"""What PostgreSQL and its driver say, in the ledger's words."""

from __future__ import annotations

import re
from typing import Final

import psycopg
from psycopg import errors

from treeledger.errors import StoreDataError, StoreError, StoreRefused, StoreUnavailable

ERRORS: Final = (psycopg.Error, UnicodeEncodeError, OverflowError)

# What only a person can change. Whoever is not let in is told so in words, without a code.
_REFUSED: Final = re.compile(
    r"authentication failed|no password supplied|does not exist|no pg_hba\.conf entry|permission denied"
    r"|not permitted to log in|not accepting connections to database",
    re.IGNORECASE,
)


def wrapped(error: Exception, url: str) -> StoreError:
    """A driver's error as the one kind of StoreError that says what to do about it."""
    words = " ".join(str(error).split())
    match error:
        case psycopg.DataError() | psycopg.IntegrityError() | errors.ProgramLimitExceeded():
            return StoreDataError(f"a row cannot be stored: {words}")
        case UnicodeEncodeError() | OverflowError():
            return StoreDataError(f"a value cannot be stored: {words}")
        case errors.InsufficientPrivilege():
            return StoreRefused(f"the ledger {url} does not let this user in: {words}. Ask for the right")
        case errors.ReadOnlySqlTransaction():
            return StoreRefused(
                f"the ledger {url} may only be read: it is a standby, or default_transaction_read_only"
                f" is set for this user ({words}). Name the primary, or set it off"
            )
        case errors.DiskFull():
            return StoreUnavailable(f"the ledger {url} cannot grow: its disk is full ({words}). Make room")
        case errors.DataCorrupted() | errors.IndexCorrupted():
            return StoreError(f"the ledger {url} is damaged: {words}. Restore a backup of it")
        case errors.UndefinedTable():
            return StoreError(
                f"the database {url} holds no ledger any more ({words}). Nothing was written."
                " Restore a backup of it, or start again on an empty database"
            )
        case psycopg.OperationalError() | psycopg.InterfaceError() | errors.InFailedSqlTransaction():
            return _away(words, url)
        case errors.IdleInTransactionSessionTimeout() | errors.TransactionTimeout():
            return _away(words, url)
    return StoreError(f"the ledger {url} refused a statement, which should not happen: {words}")


def _away(words: str, url: str) -> StoreUnavailable:
    if _REFUSED.search(words):
        return StoreRefused(
            f"the ledger {url} does not let me in: {words}. Check user, password and database"
        )
    return StoreUnavailable(f"the ledger {url} is away: {words}")


def closed(url: str) -> StoreUnavailable:
    return StoreUnavailable(f"the ledger {url} is closed")
