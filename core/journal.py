"""Reading the journal from any place in it, and on with what comes."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Final, NamedTuple
from uuid import UUID

from treeledger.engine.patience import patiently
from treeledger.errors import CursorExpired, UsageError
from treeledger.model import Cursor, JournalEntry
from treeledger.protocols import Store
from treeledger.units import parse_since

_NUMBER: Final = re.compile("[0-9]{1,18}")
_PAGE: Final = 1000
_WAIT: Final = 60.0  # seconds; a store that wakes nobody is asked again after this


class Since(NamedTuple):
    """From where on: after a number, of one epoch or of any, or from a time on."""

    n: int = 0
    epoch: str | None = None
    at: datetime | None = None

    @classmethod
    def parse(cls, text: str, now: datetime) -> Since:
        """`1234`, `EPOCH:1234`, `10m`, `2026-11-20`. Raises UsageError."""
        epoch, colon, n = text.rpartition(":")
        if _NUMBER.fullmatch(n) and (not colon or not _is_time(text, now)):
            return cls(int(n), epoch or None)
        try:
            return cls(at=parse_since(text, now))
        except ValueError:
            raise UsageError(
                f"{text!r} is neither the number or cursor of a change nor a time;"
                " write for example 1234, 10m, 2d, 2026-11-20 or 2026-11-20T08:30"
            ) from None


def _is_time(text: str, now: datetime) -> bool:
    try:
        parse_since(text, now)
    except ValueError:
        return False
    return True


def check(since: Since, head: Cursor) -> None:
    """Raises CursorExpired for a cursor of another history, or beyond the head of this one."""
    if since.epoch is not None and since.epoch != head.epoch:
        raise _afresh(
            f"{since.epoch}:{since.n} is of another history of this ledger, which was restored or copied",
            head,
        )
    if since.n > head.n:
        raise _afresh(f"the journal ends at {head.n}, before {since.n}", head)


def _afresh(why: str, head: Cursor) -> CursorExpired:
    return CursorExpired(
        f"start afresh: {why}. List the records (treeledger files), then go on from here: --since {head}"
    )


@dataclass(slots=True)
class Reader:
    """Reads the journal, of one repository or all, up to `head` and on from there.

    `patience` in seconds, None without end: how long a store that is away is waited for.
    """

    store: Store
    head: Cursor
    repository_id: UUID | None
    patience: float | None

    async def newest(self, count: int) -> list[JournalEntry]:
        """The last entries up to now."""
        if not count:
            return []
        entries = await self.store.changes(0, limit=count, repository_id=self.repository_id, newest=True)
        return [entry for entry in entries if entry.n <= self.head.n]

    async def pages(self, since: Since, count: int | None) -> AsyncIterator[Sequence[JournalEntry]]:
        """The entries up to the head, `count` at most. Raises CursorExpired if some are gone already."""
        after, left = since.n, count
        while left is None or left > 0:
            limit = _PAGE if left is None else min(left, _PAGE)
            entries = await self._page(after, limit, since.at)
            entries = [entry for entry in entries if entry.n <= self.head.n]
            if entries:
                yield entries
            if len(entries) < limit:
                return
            after = entries[-1].n
            left = None if left is None else left - len(entries)

    async def follow(self) -> AsyncIterator[Sequence[JournalEntry]]:
        """What comes after the head, without end; waits while the store is away."""
        while True:
            after = await self.advance()
            async for entries in self.pages(Since(after.n), None):
                yield entries

    async def advance(self) -> Cursor:
        """Waits until there is more, and takes that for the head; returns the head there was."""
        await patiently(partial(self.store.wait, self.head.n, _WAIT), self.patience)
        head = await patiently(self.store.head, self.patience)
        check(Since(self.head.n, self.head.epoch), head)
        after, self.head = self.head, head
        return after

    async def _page(self, after: int, limit: int, since: datetime | None) -> list[JournalEntry]:
        read = partial(self.store.changes, after, limit=limit, repository_id=self.repository_id, since=since)
        try:
            return await patiently(read, self.patience)
        except CursorExpired as error:
            raise _afresh(str(error), self.head) from error
