"""One operation while it runs: begun when the first thing happens, finished in any case."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final

import anyio

from treeledger.model import (
    ChangeKind,
    Counts,
    JournalEntry,
    Lease,
    OperationType,
    ScanScope,
    SyncOperation,
)
from treeledger.protocols import Store

INTERRUPTED: Final = "interrupted"
"""The error of an operation that was told to stop; what it did until then is recorded."""
_COUNTED = {
    ChangeKind.ADDED: "files_added",
    ChangeKind.RESTORED: "files_added",
    ChangeKind.MODIFIED: "files_updated",
    ChangeKind.MOVED: "files_moved",
    ChangeKind.DELETED: "files_removed",
    ChangeKind.IGNORED: "files_removed",
}


class Run:
    """Counts what happens, and has an operation in the store from the first moment it needs one."""

    def __init__(
        self,
        store: Store,
        lease: Lease,
        type: OperationType,
        scope: str,
        begun: Callable[[SyncOperation], None] = lambda operation: None,
    ) -> None:
        """`begun` is called with the operation once there is one."""
        self.type = type
        self.counts = Counts()
        self.corrupted = 0  # files found so, now or again
        self._scopes: dict[str, ScanScope] = {}
        self.operation: SyncOperation | None = None
        self._store = store
        self._lease = lease
        self._scope = scope
        self._begun = begun
        self._starting = anyio.Lock()
        self.started = anyio.current_time()

    async def begin(self) -> SyncOperation:
        """The operation, begun now if it was not yet; as a scan, so that it has a generation."""
        async with self._starting:
            if self.operation is None:
                self.operation = await self._store.begin_operation(
                    self._lease, self.type, self._scope, scan=True
                )
                self._begun(self.operation)
        return self.operation

    def covered(self, scope: ScanScope) -> None:
        """Notes what a scan of this run saw; the last of a prefix counts.

        A burst's scans of single folders are not kept: readers compare every record with every scope.
        """
        if self.type is not OperationType.REALTIME:
            self._scopes[scope.prefix] = scope

    def count(self, entries: Iterable[JournalEntry]) -> None:
        for entry in entries:
            name = _COUNTED.get(entry.kind)
            if name is not None:
                setattr(self.counts, name, getattr(self.counts, name) + 1)

    def count_read(self, sizes: Sequence[int]) -> None:
        self.counts.files_hashed += len(sizes)
        self.counts.bytes_hashed += sum(sizes)

    async def finish(self, error: str | None = None) -> SyncOperation | None:
        """Closes the operation; None if nothing ever happened."""
        if self.operation is None:
            return None
        scopes = () if error else tuple(self._scopes.values())
        finished = await self._store.finish_operation(
            self.operation.id, self.counts, error=error, scopes=scopes
        )
        self.operation = None
        return finished
