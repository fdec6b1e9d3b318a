"""Why a file is, or is not, in the ledger as one expects: the facts, for `treeledger explain`.

Looks at the path with `lstat` alone: no link is followed, nothing is opened. Whatever may take its time
is done in threads.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import anyio.to_thread

from treeledger.diff import same_stat
from treeledger.errors import RootOffline
from treeledger.ledger import Ledger
from treeledger.looking import Looker, looker
from treeledger.model import (
    DirtyPath,
    FileRecord,
    FileStat,
    HeldDeletion,
    Holder,
    HoldStatus,
    JournalEntry,
    KnownProblem,
    Repository,
)
from treeledger.names import range_below, within
from treeledger.protocols import Store
from treeledger.unlocked import SyncStatus
from treeledger.worker import Look

_ENTRIES: Final = 5
_PROBLEMS: Final = 100_000


@dataclass(frozen=True, slots=True)
class Sight:
    """What is at the path now. `offline` says why nothing could be looked at.

    `differing` names the fields of the stat that are not as recorded; `is_change`: by the repository's
    change key they mean that the file changed.
    """

    look: Look | None = None
    offline: str | None = None
    is_directory: bool = False
    is_replaced: bool = False  # the root is another directory than the one on record
    differing: tuple[str, ...] = ()
    is_change: bool = False


@dataclass(frozen=True, slots=True)
class Explanation:
    """All that the ledger and the disk say about one path of a repository."""

    repository: Repository
    path: str
    status: SyncStatus
    holder: Holder | None
    sight: Sight
    record: FileRecord | None
    below: bool  # there are records below this path
    hold: HeldDeletion | None
    dirty: DirtyPath | None  # a subtree with this path in it that waits for a scan
    problems: tuple[KnownProblem, ...]  # of the path and of the folders above it
    entries: tuple[JournalEntry, ...]  # the last of this record's journal
    epoch: str  # of the journal
    said: tuple[str, ...]  # by plugins


async def explain(ledger: Ledger, repository: Repository, path: str) -> Explanation:
    """Gathers the facts about a path (relative, stored form). Raises StoreError, ConfigurationError."""
    store = ledger.store
    record = await _record(store, repository, path)
    keys = await store.keys(repository.id, *range_below(path), 1)
    entries = (
        await store.changes(0, limit=_ENTRIES, record_id=record.id, newest=True) if record is not None else ()
    )
    known = await store.problems(repository.id, notes=True, limit=_PROBLEMS)
    dirty = await store.dirty(repository.id)
    return Explanation(
        repository=repository,
        path=path,
        status=await ledger.sync_status(repository.id),
        holder=await store.engine_holder(repository.host),
        sight=await _sight(ledger, repository, path, record),
        record=record,
        below=bool(keys),
        hold=await _hold(store, record),
        dirty=next((one for one in dirty if within(one.prefix, path)), None),
        problems=tuple(one for one in known if within(one.problem.path, path)),
        entries=tuple(entries),
        epoch=(await store.head()).epoch,
        said=tuple(await anyio.to_thread.run_sync(ledger.plugins.explain, repository, path, record)),
    )


async def _record(store: Store, repository: Repository, path: str) -> FileRecord | None:
    """The record as readers see it: with the last scan that covered it."""
    found = (await store.records_at(repository.id, [path])).get(path)
    return None if found is None else await store.record(found.id)


async def _sight(ledger: Ledger, repository: Repository, path: str, record: FileRecord | None) -> Sight:
    try:
        eyes = await looker(ledger, repository)
        look = await eyes.look(path)
    except RootOffline as error:
        return Sight(offline=str(error))
    differing, is_change = _difference(eyes, record, look.stat)
    return Sight(look, None, await eyes.is_directory(path), eyes.is_replaced, differing, is_change)


def _difference(
    eyes: Looker, record: FileRecord | None, stat: FileStat | None
) -> tuple[tuple[str, ...], bool]:
    if record is None or stat is None:
        return (), False
    differing = [
        name for name, old, new in zip(FileStat._fields, record.stat, stat, strict=True) if old != new
    ]
    same = same_stat(eyes.settings.change_key, eyes.root_type)
    return tuple(differing), not same(record.stat, stat)


async def _hold(store: Store, record: FileRecord | None) -> HeldDeletion | None:
    if record is None or record.held_id is None:
        return None
    holds = await store.holds(record.repository_id, statuses=tuple(HoldStatus))
    return next((hold for hold in holds if hold.id == record.held_id), None)
