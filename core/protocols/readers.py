"""What a worker reads of the ledger by itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeAlias, runtime_checkable

KeyRow: TypeAlias = tuple[str, int, int, int, int, int, int, str]
"""The fields of a `RecordKey`, in its order."""

FilePlace: TypeAlias = tuple[str, int, int]
"""A file's path, file system and inode."""


@runtime_checkable
class LedgerReader(Protocol):
    """Reads the records of one repository inside a worker: sync, for one thread at a time.

    Built by `build_part(ref, str(repository_id))` from what `Store.reader` returns. It connects when it
    is first asked; after an error the next call connects anew. Raises StoreUnavailable or another
    StoreError.
    """

    def keys(self, low: str, high: str | None, limit: int) -> list[KeyRow]:
        """As `Store.keys`, in plain tuples: a `RecordKey` for each would cost more than to read it."""

    def known(self, files: Sequence[FilePlace]) -> set[str]:
        """The paths of those of some new files of which the ledger may know something: a record was deleted
        at the path, or has, in whatever state, this file system and inode. None has a live record at its
        path."""

    def close(self) -> None:
        """Disconnects."""
