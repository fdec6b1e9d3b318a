"""The journal followed once for all readers, of whom none waits for another.

Whoever has read all that is in memory reads on, for all: the others wait for him. A reader that is too
slow for what is kept in memory, or begins before it, reads the store page by page.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from operator import attrgetter
from typing import Final, NamedTuple
from uuid import UUID

import anyio

from treeledger import wire
from treeledger.api.events import Event
from treeledger.engine.patience import patient, unsaid
from treeledger.errors import CursorExpired
from treeledger.journal import Since, check
from treeledger.model import Cursor, JournalEntry
from treeledger.protocols import Store

MOST: Final = 10_000  # entries in memory
_PAGE: Final = 1000
_WAIT: Final = 60.0  # seconds; a store that wakes nobody is asked again after this
_NAMES_FOR: Final = 5.0  # seconds that names of repositories are believed

_NOWHERE: Final = Cursor("", 0)
_number = attrgetter("n")


class Told(NamedTuple):
    """One entry, ready for the line."""

    n: int
    repository_id: UUID
    line: bytes


class Tail:
    """What the journal got lately, encoded once, and what comes. Without readers it keeps nothing."""

    def __init__(self, store: Store, *, most: int = MOST) -> None:
        self._store = patient(store, None, unsaid())
        self._most = most
        self._turn = anyio.Lock()  # who has it reads on
        self._told: list[Told] = []
        self._begin = _NOWHERE  # before the first entry in memory
        self._end = _NOWHERE  # after the last
        self.readers = 0
        self._names: dict[UUID, str] = {}
        self._names_until = 0.0

    @property
    def kept(self) -> int:
        """Entries in memory."""
        return len(self._told)

    async def head(self) -> Cursor:
        return await self._store.head()

    async def begin(self, since: Since) -> Cursor:
        """The cursor of a reader that begins there. Raises CursorExpired."""
        head = await self.head()
        check(since, head)
        if since.at is None:
            return Cursor(head.epoch, since.n)
        first = await self._store.changes(0, limit=1, since=since.at)
        return Cursor(head.epoch, first[0].n - 1 if first else head.n)

    def join(self) -> None:
        self.readers += 1

    def leave(self) -> None:
        """Of a reader that joined. With the last one goes what is in memory."""
        self.readers -= 1
        if not self.readers:
            self._forget_all()

    async def after(self, cursor: Cursor) -> Sequence[Told]:
        """Some entries after the cursor; waits until there are any. Raises CursorExpired."""
        while True:
            if cursor.epoch == self._end.epoch and self._begin.n <= cursor.n < self._end.n:
                first = bisect_right(self._told, cursor.n, key=_number)
                return self._told[first : first + _PAGE]
            if cursor == self._end:
                await self._read_on(cursor)
                continue
            if told := await self._page(cursor):
                return told
            if cursor.epoch != self._end.epoch or cursor.n > self._end.n:  # nobody is further
                self._forget_all(cursor)

    async def _page(self, cursor: Cursor) -> Sequence[Told]:
        """From the store, for one reader. Raises CursorExpired."""
        check(Since(cursor.n, cursor.epoch), await self.head())
        return await self._encoded(cursor.epoch, await self._store.changes(cursor.n, limit=_PAGE))

    async def _read_on(self, cursor: Cursor) -> None:
        """Reads what comes after the end, for all. Raises CursorExpired."""
        async with self._turn:
            if cursor != self._end:
                return
            await self._store.wait(cursor.n, _WAIT)
            try:
                told = await self._page(cursor)
            except CursorExpired:
                self._forget_all()
                raise
            if told and cursor == self._end:
                self._told.extend(told)
                self._end = Cursor(cursor.epoch, told[-1].n)
                self._forget()

    def _forget_all(self, cursor: Cursor = _NOWHERE) -> None:
        """What is in memory goes on from there."""
        self._told, self._begin, self._end = [], cursor, cursor

    def _forget(self) -> None:
        surplus = len(self._told) - self._most
        if surplus > 0:
            self._begin = Cursor(self._begin.epoch, self._told[surplus - 1].n)
            del self._told[:surplus]

    async def _encoded(self, epoch: str, entries: Sequence[JournalEntry]) -> list[Told]:
        await self._learn_names({entry.repository_id for entry in entries})
        return [
            Told(entry.n, entry.repository_id, _line(entry, self._name(entry.repository_id), epoch))
            for entry in entries
        ]

    async def _learn_names(self, ids: set[UUID]) -> None:
        now = anyio.current_time()
        if now > self._names_until or not ids <= self._names.keys():
            self._names = {one.id: one.name for one in await self._store.repositories()}
            self._names_until = now + _NAMES_FOR

    def _name(self, id: UUID) -> str:
        """How a repository is called; one that was removed goes by its id."""
        return self._names.get(id, str(id))


def _line(entry: JournalEntry, repository: str, epoch: str) -> bytes:
    change = wire.Change.of(entry, repository, epoch)
    return Event("change", change, change.cursor).encoded()
