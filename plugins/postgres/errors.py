"""What PostgreSQL and its driver say, in the ledger's words."""

from __future__ import annotations

from typing import Final

import psycopg
from psycopg import errors
from psycopg_pool import PoolClosed, PoolTimeout

from treeledger.errors import StoreDataError, StoreError, StoreUnavailable

ERRORS: Final = (psycopg.Error, UnicodeEncodeError, OverflowError)

# An index entry that is too large, a statement that is: about this row, though "operational".
_DATA: Final = (psycopg.DataError, psycopg.IntegrityError, errors.ProgramLimitExceeded)


def wrapped(error: Exception, url: str) -> StoreError:
    """A driver's error as the one kind of StoreError that says what to do about it."""
    if isinstance(error, _DATA):
        return StoreDataError(f"a row cannot be stored: {error}")
    if isinstance(error, UnicodeEncodeError | OverflowError):
        return StoreDataError(f"a value cannot be stored: {error}")
    if isinstance(error, PoolTimeout):
        return StoreUnavailable(f"no connection to the ledger {url} for {error}; I try again")
    if isinstance(error, PoolClosed):
        return StoreUnavailable(f"the ledger {url} is closed")
    if isinstance(error, errors.InsufficientPrivilege):
        return StoreUnavailable(f"the ledger {url} does not let this user in: {error}. Ask for the right")
    if isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
        return StoreUnavailable(f"the ledger {url} is away: {error}. I try again")
    return StoreError(f"the ledger {url} refused a statement, which should not happen: {error}")
