"""What other ignore patterns would change in a repository, found in portions of a fraction of a second.

Two looks, each in the order of paths. The ledger's present records are judged by the proposed rules: what
those ignore would be hidden. The disk is walked by the proposed rules, and each file that comes is judged by
the rules of now: what those ignore would be revealed. Below an ignored folder one verdict is for all. A look
that cannot find anything is left out. Nothing is written.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from functools import partial
from itertools import groupby
from typing import Final, Literal, NamedTuple

import anyio.to_thread

from treeledger.config.settings import RepositorySettings
from treeledger.ignoring import Rules
from treeledger.ledger import Ledger
from treeledger.looking import looker
from treeledger.model import File, RecordKey, RecordState, Repository
from treeledger.names import parent, successor
from treeledger.protocols import PartRef, Tree, Verdict
from treeledger.walk import Span, Walk
from treeledger.worker import WorkSpec, build_part, ignore_file

_EXAMPLES: Final = 3  # paths of each rule in a portion
_SHORTEST: Final = 0.25  # seconds that a portion takes
_RECORDS: Final = 2000  # that are judged together
_ENTRIES: Final = 2000  # of a directory that are sorted at once: meanwhile the engine gets no turn

Look = Literal["ledger", "disk"]


class Place(NamedTuple):
    """Where a preview goes on: what of, and from which path on."""

    look: Look
    low: str = ""


@dataclass(slots=True)
class Effect:
    """What one rule hides: so many files of so many bytes, the first of them by name."""

    rule: str
    source: str
    files: int = 0
    bytes: int = 0
    examples: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Preview:
    """A portion. `hides` by the rules that would ignore, `reveals` by those that ignore now; `records` and
    `files` are how many of the ledger and of the disk were judged; `rest` is where it goes on."""

    hides: dict[Verdict, Effect] = field(default_factory=dict)
    reveals: dict[Verdict, Effect] = field(default_factory=dict)
    records: int = 0
    files: int = 0
    rest: Place | None = None


class Scope(NamedTuple):
    """Which looks may find anything."""

    may_hide: bool
    may_reveal: bool

    def first(self) -> Place | None:
        return Place("ledger") if self.may_hide else self.after_ledger()

    def after_ledger(self) -> Place | None:
        return Place("disk") if self.may_reveal else None


def scope(before: Sequence[str], after: Sequence[str]) -> Scope:
    """What the change from some patterns to others can do at all.

    Of a list the last that matches decides: so one more that ignores only hides, one more that keeps only
    reveals, and the other way round where one goes.
    """
    may_hide = may_reveal = False
    for kind, low, high, first, last in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if kind != "equal":
            gone, come = before[low:high], after[first:last]
            may_hide |= any(map(_keeps, gone)) or not all(map(_keeps, come))
            may_reveal |= not all(map(_keeps, gone)) or any(map(_keeps, come))
    return Scope(may_hide, may_reveal)


def _keeps(pattern: str) -> bool:
    return pattern.startswith("!")


class Judges:
    """The rules of now and those that are proposed, over one tree. To be closed. Raises RootOffline."""

    def __init__(self, spec: WorkSpec, filters: Sequence[PartRef]) -> None:
        """`spec` has the filters that are proposed, `filters` are those of now."""
        self._tree: Tree = build_part(spec.walker, spec.root, dict(spec.devices))
        self._now = self._rules(spec, filters)
        self._proposed = self._rules(spec, spec.filters)

    def _rules(self, spec: WorkSpec, filters: Sequence[PartRef]) -> Rules:
        parts = [build_part(ref) for ref in filters]
        return Rules(parts, partial(ignore_file, self._tree), spec.own, spec.own_inodes)

    def close(self) -> None:
        self._tree.close()

    def records(self, records: Sequence[RecordKey], into: Preview) -> None:
        """Adds what would be hidden of some records, which are in the order of their paths."""
        present = ((record.path, record.size) for record in records if record.state == RecordState.PRESENT)
        _judge(self._proposed, present, into.hides)
        into.records += len(records)

    def disk(self, low: str, into: Preview) -> None:
        """Adds what would be revealed of the disk, from a path on, as far as its time goes.

        A walk that is taken up lists the directories above that path again; where that takes long, it goes
        on for as long.
        """
        walk = Walk(self._tree, self._proposed, "", Span(low), most_in_memory=_ENTRIES)
        began = time.monotonic()
        end: float | None = None
        for step in walk:
            walk.take_notes()
            seen = [one for one in step if isinstance(one, File)]
            _judge(self._now, ((one.path, one.stat.size) for one in seen), into.reveals)
            into.files += len(seen)
            now = time.monotonic()
            end = end or now + max(_SHORTEST, now - began)
            if now > end:
                break
        rest = walk.rest(1)
        into.rest = Place("disk", rest[0].low) if rest else None


def _judge(rules: Rules, files: Iterable[tuple[str, int]], into: dict[Verdict, Effect]) -> None:
    """Adds the files (path and bytes, in the order of their paths) that these rules ignore."""
    for directory, group in groupby(files, key=lambda file: parent(file[0])):
        some = list(group)
        names = [path.rpartition("/")[2] for path, _ in some]
        if ignored := rules.ignored(directory, names):
            for name, (path, size) in zip(names, some, strict=True):
                if (verdict := ignored.get(name)) is not None:
                    _add(into, verdict, path, size)


def _add(into: dict[Verdict, Effect], verdict: Verdict, path: str, size: int) -> None:
    effect = into.get(verdict)
    if effect is None:
        effect = into[verdict] = Effect(verdict.rule, verdict.source)
    effect.files += 1
    effect.bytes += size
    if len(effect.examples) < _EXAMPLES:
        effect.examples.append(path)


async def preview(
    ledger: Ledger, repository: Repository, proposed: RepositorySettings, place: Place, scope: Scope
) -> Preview:
    """A portion of what other settings would change in a repository, from a place on.

    Raises RootOffline, ConfigurationError, PluginError, StoreError.
    """
    eyes = await looker(ledger, repository, proposed)
    filters = ledger.plugins.ignore_filters(ledger.settings_of(repository))
    judges = await anyio.to_thread.run_sync(Judges, eyes.spec, filters)
    found = Preview()
    try:
        if place.look == "disk":
            await anyio.to_thread.run_sync(judges.disk, place.low, found)
        else:
            low = await _records(ledger, repository, judges, place.low, found)
            found.rest = scope.after_ledger() if low is None else Place("ledger", low)
    finally:
        await anyio.to_thread.run_sync(judges.close)
    return found


async def _records(
    ledger: Ledger, repository: Repository, judges: Judges, low: str, into: Preview
) -> str | None:
    """Judges records from a path on for a while; where it goes on, None at the end."""
    end = time.monotonic() + _SHORTEST
    while True:
        records = await ledger.store.keys(repository.id, low, None, _RECORDS)
        await anyio.to_thread.run_sync(judges.records, records, into)
        if len(records) < _RECORDS:
            return None
        low = successor(records[-1].path)
        if time.monotonic() > end:
            return low
