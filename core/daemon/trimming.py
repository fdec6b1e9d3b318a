"""Letting the journal's oldest entries go, but none that an action is yet to read."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import anyio

from treeledger.engine.patience import patient, unsaid
from treeledger.errors import CursorExpired
from treeledger.ledger import Ledger
from treeledger.model import Cursor
from treeledger.protocols import Store
from treeledger.units import show_duration, show_number
from treeledger.waiting import Behind

log = logging.getLogger(__name__)
_EVERY: Final = 3600.0  # seconds
_BATCH: Final = 2000  # entries in one transaction
_REST: Final = 0.05  # seconds between two batches, for whoever else writes


class Trimming:
    """Keeps the journal to the `journal_retention` of the configuration, which may change."""

    def __init__(self, ledger: Ledger, actions: Sequence[str]) -> None:
        """`actions`: the names of those that are enabled."""
        self.behind: Behind | None = None
        self._ledger = ledger
        self._actions = actions

    async def serve(self) -> None:
        store = patient(self._ledger.store, None, unsaid())
        while True:
            retention = self._ledger.configuration.store.journal_retention
            before, self.behind = self.behind, None
            if retention is not None:
                self.behind = await trim(store, self._actions, retention)
            if self.behind is not None and before is None:
                log.warning("%s", self.behind.message)
            await anyio.sleep(_EVERY)


async def trim(store: Store, actions: Sequence[str], retention: float) -> Behind | None:
    """Lets go of what is older than the retention (seconds), up to where every action has read.

    Returns the action that keeps it from letting more go, if there is one.
    """
    head = await store.head()
    read = {name: cursor.n for name in actions if (cursor := await _cursor(store, name, head.epoch))}
    keep_after, age, gone = min(read.values(), default=head.n), timedelta(seconds=retention), 0
    while count := await store.trim_journal(age, keep_after=keep_after, limit=_BATCH):
        gone += count
        await anyio.sleep(_REST)
    if gone:
        log.info("the journal lets go of %s", show_number(gone, "entry", "entries"))
    slowest = min(read, key=read.__getitem__, default=None)
    return None if slowest is None else await _behind(store, slowest, keep_after, retention)


async def _cursor(store: Store, action: str, epoch: str) -> Cursor | None:
    """How far it has read; None for one that is new, and begins at the head."""
    cursor = await store.action_cursor(action)
    return cursor if cursor is not None and cursor.epoch == epoch else None


async def _behind(store: Store, action: str, read: int, retention: float) -> Behind | None:
    try:
        following = await store.changes(read, limit=1)
    except CursorExpired:  # it goes on at the head, and says so
        return None
    limit = datetime.now(UTC) - timedelta(seconds=retention)
    if not following or following[0].at >= limit:
        return None
    since = following[0].at
    message = (
        f"{action} is yet to read changes of {since:%Y-%m-%d %H:%M} UTC; for its sake the journal keeps more "
        f"than {show_duration(retention)}. Nothing is lost. Why it does not go on: treeledger jobs"
    )
    return Behind(action, since, message)
