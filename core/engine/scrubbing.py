"""A person's scrub as an operation, and a person's word on what it found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import anyio

from treeledger.engine.hub import Progress
from treeledger.engine.inspector import Reread
from treeledger.engine.reconcile import operation
from treeledger.engine.run import Run
from treeledger.engine.scan import Told
from treeledger.engine.scrub import ScrubRequest
from treeledger.engine.session import Session
from treeledger.errors import UsageError
from treeledger.model import FileRecord, HashState, OperationType, RecordState, SyncOperation
from treeledger.names import shown


@dataclass(frozen=True, slots=True)
class Scrubbed:
    """What a scrub found, in files and, for `bytes`, bytes.

    `files` were read completely, the `corrupted` and the `modified` among them. `ended`: the kind of limit
    (files, bytes, time) that ended it; None if all that was asked for was read.
    """

    operation: SyncOperation
    files: int
    bytes: int
    corrupted: int
    modified: int
    unreadable: int
    ended: str | None


class Judged(NamedTuple):
    """A record that was corrupted, before and after a person's word on it."""

    before: FileRecord
    after: FileRecord

    @property
    def is_accepted(self) -> bool:
        """Its content is known again, and another than before."""
        is_known = self.after.hash_state is HashState.DONE
        return is_known and self.after.content_hash != self.before.content_hash


async def scrub_once(session: Session, request: ScrubRequest, *, told: Told | None = None) -> Scrubbed:
    """One scrub, until its budget is used up or all is read.

    Raises RootOffline, StoreUnavailable, LeaseLost.
    """
    context = session.context

    def tell(run: Run) -> None:
        seconds = anyio.current_time() - run.started
        context.hub.tell(
            Progress(context.repository, run.type, run.counts, context.repository.files, seconds)
        )
        if told is not None:
            told(run)

    async with operation(session, OperationType.SCRUB, " ".join(request.prefixes)) as run:
        ended = await session.scrubber(tell).scrub(request, run)
        begun = await run.begin()
    counts = run.counts
    [closed] = await context.store.operations(context.repository.id, limit=1, before=begun.id + 1)
    return Scrubbed(
        operation=closed,
        files=counts.files_hashed,
        bytes=counts.bytes_hashed,
        corrupted=run.corrupted,
        modified=counts.files_updated,
        unreadable=counts.problems - run.corrupted,
        ended=ended,
    )


async def accept_once(session: Session, paths: Sequence[str]) -> list[Judged]:
    """Reads corrupted files once more; what they hold now becomes what they ought to hold.

    Raises UsageError, having changed nothing, if one of them is not corrupted.
    """
    context = session.context
    before = await context.store.records_at(context.repository.id, paths)
    for path in paths:
        _refuse_unless_corrupted(context.repository.name, path, before.get(path))
    async with operation(session, OperationType.MANUAL, " ".join(paths)) as run:
        await session.inspector.inspect(dict.fromkeys(paths, True), run, reread=Reread(accept=True))
    after = await context.store.records_at(context.repository.id, paths)
    return [Judged(before[path], after[path]) for path in paths]


def _refuse_unless_corrupted(repository: str, path: str, record: FileRecord | None) -> None:
    if record is None or record.state is not RecordState.PRESENT:
        raise UsageError(f"{shown(f'{repository}: {path}')} has no present record. Nothing was changed")
    if record.hash_state is not HashState.CORRUPTED:
        raise UsageError(
            f"{shown(f'{repository}: {path}')} is not corrupted, as far as it was read: there is nothing to"
            " accept. Nothing was changed. What is corrupted: treeledger problems"
        )
