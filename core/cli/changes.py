"""`treeledger changes`: the journal, from any place in it, and on with what comes."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Final, NamedTuple
from uuid import UUID

from treeledger import wire
from treeledger.cli.options import LIMIT, Options
from treeledger.cli.places import say
from treeledger.cli.render import entry_line, has_colour, print_json
from treeledger.cli.run import names_of, with_unlocked
from treeledger.cli.targets import chosen
from treeledger.engine.patience import patiently
from treeledger.errors import CursorExpired, UsageError
from treeledger.model import Cursor, JournalEntry, Repository
from treeledger.names import shown
from treeledger.protocols import Store
from treeledger.units import parse_since
from treeledger.unlocked import UnlockedLedger

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
        if n.isascii() and n.isdecimal() and (not colon or not _is_time(text, now)):
            return cls(int(n), epoch or None)
        try:
            return cls(at=parse_since(text, now))
        except ValueError:
            raise UsageError(
                f"--since: {text!r} is neither the number or cursor of a change nor a time;"
                " write for example 1234, 10m, 2d, 2026-11-20 or 2026-11-20T08:30"
            ) from None


def _is_time(text: str, now: datetime) -> bool:
    try:
        parse_since(text, now)
    except ValueError:
        return False
    return True


def run(options: Options) -> int:
    if options.given.n is not None and options.given.n < 0:
        raise UsageError("-n: write a number from 0 on")
    try:
        return with_unlocked(options, _changes)
    except KeyboardInterrupt:
        if options.given.follow:
            return 0
        raise


async def _changes(ledger: UnlockedLedger, options: Options) -> int:
    given = options.given
    since = None if given.since is None else Since.parse(given.since, datetime.now(UTC))
    repository = await chosen(ledger, given.repo)
    head = await ledger.store.head()
    if since is not None:
        check(since, head)
    id = None if repository is None else repository.id
    reader = Reader(ledger.store, head, id, patience=None if given.follow else 0.0)
    printer = _Printer(ledger, options, head.epoch)
    if since is None:
        await printer.print(await reader.newest(LIMIT if given.n is None else given.n))
    else:
        async for entries in reader.pages(since, given.n):
            await printer.print(entries)
    if given.follow:
        async for entries in reader.follow():
            await printer.print(entries)
    if not printer.count:
        say(options, "no changes")
    return 0


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


class _Printer:
    """Prints entries as they come; a repository that was added meanwhile is looked up."""

    def __init__(self, ledger: UnlockedLedger, options: Options, epoch: str) -> None:
        self._ledger = ledger
        self._options = options
        self._epoch = epoch
        self._colour = has_colour()
        self._names: dict[UUID, Repository] = {}
        self.count = 0

    async def print(self, entries: Sequence[JournalEntry]) -> None:
        if any(entry.repository_id not in self._names for entry in entries):
            self._names = await names_of(self._ledger)
        for entry in entries:
            repository = self._names.get(entry.repository_id)
            if self._options.json:
                name = wire.name_of(entry.repository_id, self._names)
                print_json(wire.Change.of(entry, name, self._epoch).fields())
            else:
                sys.stdout.write(self._line(entry, repository) + "\n")
        sys.stdout.flush()
        self.count += len(entries)

    def _line(self, entry: JournalEntry, repository: Repository | None) -> str:
        name = "(removed)" if repository is None else shown(repository.name)
        several = len(self._names) > 1 and not self._options.given.repo
        line = entry_line(entry, repository=name if several else None, colour=self._colour)
        return f"{entry.n:>6}  {entry.at.astimezone():%Y-%m-%d} {line}"
