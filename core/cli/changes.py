"""`treeledger changes`: the journal, from any place in it, and on with what comes."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

from treeledger import wire
from treeledger.cli.options import LIMIT, Options
from treeledger.cli.places import say
from treeledger.cli.render import entry_line, has_colour, print_json
from treeledger.cli.run import names_of, with_unlocked
from treeledger.cli.targets import chosen
from treeledger.errors import UsageError
from treeledger.journal import Reader, Since, check
from treeledger.model import JournalEntry, Repository
from treeledger.names import shown
from treeledger.unlocked import UnlockedLedger


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
    since = None if given.since is None else _since(given.since)
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


def _since(text: str) -> Since:
    try:
        return Since.parse(text, datetime.now(UTC))
    except UsageError as error:
        raise UsageError(f"--since: {error}") from None


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
