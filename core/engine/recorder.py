"""The one way into the ledger: batches of changes, committed whole or not at all."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime

import anyio

from treeledger.engine.hub import Committed, Hub, ManyCommitted
from treeledger.engine.run import Run
from treeledger.errors import StoreDataError
from treeledger.model import (
    Change,
    File,
    FileRecord,
    HashState,
    Lease,
    Problem,
    ProblemCode,
    RecordState,
    Repository,
    SyncOperation,
)
from treeledger.names import shown
from treeledger.protocols import Applied, NewFile, Store, iterate_batches

log = logging.getLogger(__name__)
_BATCH = 2000  # changes in one transaction
_BULK = 4500  # new files in one transaction


class Recorder:
    """Writes changes of one repository; `generation` is the newest a scan was given."""

    def __init__(
        self,
        store: Store,
        repository: Repository,
        lease: Lease,
        hub: Hub,
        *,
        unit: int = 100,
    ) -> None:
        """`unit`: how many changes are tried again together after one of a batch was refused."""
        self._store = store
        self._repository = repository
        self._lease = lease
        self._hub = hub
        self._unit = unit
        self.generation = repository.generation
        self.unread = anyio.Event()  # set when something was committed without its hash
        self.lost = anyio.Event()  # set when something went missing
        self.refused: set[str] = set()  # paths whose last change the store could not take

    async def apply(self, changes: Sequence[Change], run: Run) -> Applied:
        """Commits changes, tells who listens, and counts them in the run."""
        total = Applied([], [], [])
        for batch in iterate_batches(changes, _BATCH):
            await self._apply(batch, run, total)
        return total

    async def add(self, files: Sequence[NewFile], run: Run, algorithm: str, read_at: datetime) -> list[str]:
        """Commits new files in bulk; returns the paths of those that have to be inspected instead."""
        return [
            path
            for batch in iterate_batches(files, _BULK)
            for path in await self._add(batch, run, algorithm, read_at)
        ]

    async def _add(self, files: Sequence[NewFile], run: Run, algorithm: str, read_at: datetime) -> list[str]:
        operation = await self._begun(run)
        try:
            added = await self._store.add(
                self._lease,
                files,
                algorithm=algorithm,
                read_at=read_at,
                operation_id=operation.id,
                generation=self.generation,
            )
        except (StoreDataError, MemoryError):
            return [file[0] for file in files]
        if numbers := range(added.first, added.last + 1):
            run.counts.files_added += len(numbers)
            self._hub.tell(ManyCommitted(self._repository, numbers))
        if any(file[7] == HashState.PENDING for file in files):
            self.unread.set()
        if self.refused:
            self.refused.difference_update({file[0] for file in files}.difference(added.refused))
        return added.refused

    async def _apply(self, changes: Sequence[Change], run: Run, total: Applied) -> None:
        try:
            applied = await self._commit(changes, run)
        except (StoreDataError, MemoryError) as error:
            if len(changes) == 1:
                await self._reject(changes[0], error, run)
                return
            size = min(self._unit, (len(changes) + 1) // 2)
            for part in iterate_batches(changes, size):
                await self._apply(part, run, total)
            return
        total.entries.extend(applied.entries)
        total.records.extend(applied.records)
        total.conflicts.extend(applied.conflicts)
        self.refused.difference_update(record.path for record in applied.records)
        self._signal(applied.records)
        if applied.entries:
            run.count(applied.entries)
            self._hub.tell(Committed(self._repository, applied.entries))

    async def move(self, source: str, target: str, files: Sequence[File], run: Run) -> int:
        """Takes the records of files along from below `source`, see `Store.move`; returns how many.

        Tells who listens, and counts them in the run. What the store cannot take stays where it is.
        """
        operation = await self._begun(run)
        try:
            moved = await self._store.move(
                self._lease,
                source,
                target,
                files,
                operation_id=operation.id,
                generation=self.generation,
            )
        except (StoreDataError, MemoryError) as error:
            log.warning("%s is looked at file by file: %s", shown(target), error)
            return 0
        if moved:
            run.counts.files_moved += len(moved)
            self._hub.tell(ManyCommitted(self._repository, moved))
        return len(moved)

    def _signal(self, records: Sequence[FileRecord]) -> None:
        for record in records:
            if record.state is RecordState.MISSING:
                self.lost.set()
            elif record.hash_state is HashState.PENDING:
                self.unread.set()

    async def _commit(self, changes: Sequence[Change], run: Run) -> Applied:
        operation = await self._begun(run)
        return await self._store.apply(
            self._lease, changes, operation_id=operation.id, generation=self.generation
        )

    async def _begun(self, run: Run) -> SyncOperation:
        operation = await run.begin()
        self.generation = max(self.generation, operation.generation)
        return operation

    async def _reject(self, change: Change, error: Exception, run: Run) -> None:
        self.refused.add(change.after.path)
        run.counts.problems += 1
        problem = Problem(change.after.path, ProblemCode.REJECTED_BY_STORE, str(error) or repr(error))
        await self._store.report_problems(self._repository.id, [problem])
