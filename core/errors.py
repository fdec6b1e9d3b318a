"""The exceptions of treeledger. What concerns one path is a `Problem`, not an exception.

    TreeledgerError              exit code 1
    ├── UsageError               exit code 2: the call or its arguments
    │   ├── ConfigurationError   a file, table and key
    │   └── NotFound             no such job, record, held deletion, ...
    │       └── RepositoryNotFound
    ├── PluginError              a plugin cannot be imported or configured (2)
    ├── StoreError               exit code 4
    │   ├── StoreUnavailable     away, locked or full; trying again may help
    │   │   └── StoreRefused     no right, wrong password, no such database: it helps once a person has acted
    │   ├── StoreVersionError    the schema is newer, or older and may not be migrated here
    │   └── StoreDataError       this batch cannot be stored as it is; halve it
    ├── Unwritable               plugins.toml cannot be written; what to put there by hand is said
    ├── LeaseLost                another engine owns the repository now
    ├── EngineLocked             another engine has this ledger
    ├── EngineAway               the engine that was asked does not answer, or stopped to
    ├── RootOffline              exit code 5
    ├── CursorExpired            the journal cannot be read on from there: start afresh
    ├── PermanentFailure         a job that trying again will not help: it is dead
    └── RetryLater               a job that may do better after some time

Messages are for people: what happened, what is safe, what to do next.
"""

from __future__ import annotations

from typing import ClassVar


class TreeledgerError(Exception):
    exit_code: ClassVar[int] = 1


class UsageError(TreeledgerError):
    exit_code = 2


class ConfigurationError(UsageError):
    pass


class NotFound(UsageError):
    pass


class RepositoryNotFound(NotFound):
    pass


class PluginError(TreeledgerError):
    exit_code = 2


class StoreError(TreeledgerError):
    exit_code = 4


class StoreUnavailable(StoreError):
    pass


class StoreRefused(StoreUnavailable):
    pass


class StoreVersionError(StoreError):
    pass


class StoreDataError(StoreError):
    pass


class Unwritable(TreeledgerError):
    """The first line says what cannot be written, and why; the others are to be put there by hand."""

    @property
    def why(self) -> str:
        return str(self).partition("\n")[0]

    @property
    def paste(self) -> str:
        return str(self).partition("\n")[2]


class LeaseLost(TreeledgerError):
    pass


class EngineLocked(TreeledgerError):
    pass


class EngineAway(TreeledgerError):
    pass


class RootOffline(TreeledgerError):
    exit_code = 5


class CursorExpired(TreeledgerError):
    pass


class PermanentFailure(TreeledgerError):
    pass


class RetryLater(TreeledgerError):
    """`seconds`: not before so long from now; 0 leaves it to the usual backoff."""

    def __init__(self, message: str, seconds: float = 0.0) -> None:
        super().__init__(message)
        self.seconds = seconds
