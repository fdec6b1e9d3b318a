"""Quick scans: the folders that changed lately are looked at again, one level deep, without reading contents.

They find what no event told of where most happens, between two full scans. They cover no scope and clear
no mark; what a folder holds that is unknown to the ledger, or a folder that is gone, is scanned.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

from treeledger.engine.context import Context
from treeledger.engine.reconcile import operation
from treeledger.engine.session import Session
from treeledger.errors import CursorExpired
from treeledger.listing import Listing
from treeledger.model import ChangeKind, JournalEntry, OperationType
from treeledger.names import parent, range_below, successor
from treeledger.protocols import EPOCH, iterate_batches
from treeledger.units import show_number

_MOST: Final = 1000  # folders
_AT_ONCE: Final = 100  # folders that are listed together
_BATCH: Final = 1000  # paths in one inspection
_PAGE: Final = 5000  # entries of the journal
_KEYS: Final = 500  # records
_NO_EVENT: Final = (ChangeKind.HASHED, ChangeKind.CORRUPTED, ChangeKind.ACCEPTED)  # nothing was there to see


class RecentFolders:
    """The folders of a repository in which something changed since its last full scan, the latest 1,000."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._folders: dict[str, None] = {}
        self._n: int | None = None  # of the last entry that was read

    async def restart(self) -> None:
        """Forgets them: a full scan has just seen them all."""
        self._folders.clear()
        self._n = (await self._context.store.head()).n

    async def since(self, moment: datetime | None) -> list[str]:
        """As of now. `moment`: when the last full scan ended, for the first time that this is asked."""
        store, id = self._context.store, self._context.repository.id
        after, begin = (0, moment or EPOCH) if self._n is None else (self._n, None)
        try:
            while entries := await store.changes(after, limit=_PAGE, repository_id=id, since=begin):
                self._take(entries)
                self._n = after = entries[-1].n
        except CursorExpired:  # nobody has asked for longer than entries are kept: full scans have come by
            await self.restart()
        return list(self._folders)

    def _take(self, entries: Iterable[JournalEntry]) -> None:
        for entry in entries:
            if entry.kind in _NO_EVENT:
                continue
            for path in (entry.path_before, entry.path):
                if path is not None:
                    self._folders.pop(parent(path), None)
                    self._folders[parent(path)] = None
        for folder in list(self._folders)[:-_MOST]:
            del self._folders[folder]


async def quick_scan(session: Session, folders: Sequence[str]) -> list[str]:
    """Looks at what is in some folders. Returns paths that other writers kept overtaking.

    Raises RootOffline, StoreUnavailable, LeaseLost.
    """
    context = session.context
    scope = f"quick scan of {show_number(len(folders), 'folder')}"
    async with operation(session, OperationType.RECONCILIATION, scope) as run:
        await context.root.check()
        await run.begin()
        await session.deletions.sample()
        overtaken: list[str] = []
        unseen: list[str] = []
        for some in iterate_batches(folders, _AT_ONCE):
            listings = await context.workers.list_folders(context.spec, some)
            problems = [listing.problem for listing in listings if listing.problem is not None]
            await context.report(problems, [one.folder for one in listings if one.problem is None], run)
            paths: set[str] = set()
            for listing in listings:
                unseen += await _compare(context, listing, paths)
            for batch in iterate_batches(sorted(paths), _BATCH):
                context.beside.begin(batch)
                hints = dict.fromkeys(batch, False)
                overtaken += await session.inspector.inspect(hints, run, found_by_scan=True)
                run.counts.files_scanned += len(batch)
        if unseen:
            overtaken += (await session.scanner().scan(unseen, run)).overtaken
        await session.deletions.settle(run)
    return overtaken


async def _compare(context: Context, listing: Listing, paths: set[str]) -> list[str]:
    """Adds the files of a folder, here or on record; returns the folders that are to be scanned."""
    if listing.problem is not None:
        return []
    if listing.is_gone:
        return [listing.folder]
    files, folders = await _recorded_in(context, listing.folder)
    paths.update(files, listing.files)
    return sorted(folders.symmetric_difference(listing.folders))


async def _recorded_in(context: Context, folder: str) -> tuple[set[str], set[str]]:
    """The paths of live records right in a folder, and of the folders in it that hold any.

    What lies deeper is passed over, a page of records for each such folder at most.
    """
    files: set[str] = set()
    folders: set[str] = set()
    low, high = range_below(folder)
    base = len(low)
    after: str | None = low
    while after is not None and (page := await context.store.keys(context.repository.id, after, high, _KEYS)):
        for key in page:
            end = key.path.find("/", base)
            if end < 0:
                files.add(key.path)
                after = successor(key.path)
            else:
                folders.add(key.path[:end])
                after = range_below(key.path[:end])[1]
    return files, folders
