"""The survey: one span of a tree, walked and merged with what the ledger has on record there.

It runs where the work is done, in a thread or a process, and gives back what is to be inspected: of a
million files that are as recorded, nothing but their number. New files may be read on the way.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from treeledger.diff import CHANGE_KEYS, ContentPolicy
from treeledger.merge import Merge, Nominations, position
from treeledger.model import (
    File,
    FileStat,
    HashState,
    Problem,
    RecordKey,
    RecordState,
    Seen,
    Unknown,
)
from treeledger.names import range_below, successor
from treeledger.protocols import LedgerReader, NewFile
from treeledger.reading import Outcome, Read, ReadLimits
from treeledger.walk import ALL, Span, Walk

_PAGE: Final = 2500  # records
_WORTH: Final = 4  # times as long as the way to it a survey is at least

ReadFiles = Callable[[Sequence[tuple[str, FileStat]], ReadLimits, float], list[Read]]
"""Reads some files; the last argument is how many seconds that may take at most, unless one hangs."""


class Taking(NamedTuple):
    """How files are taken up of which the ledger knows nothing.

    They are read for `seconds` at most; larger ones than `small` bytes, and what is left, are read later.
    One that takes more than `patience` seconds hangs. `most`: how many, before the survey breaks off.
    """

    content: ContentPolicy
    limits: ReadLimits
    small: int
    seconds: float
    patience: float
    most: int


class Task(NamedTuple):
    """A span of what is at a prefix, compared in batches of some files.

    `change_key` is one of `diff.CHANGE_KEYS`; with `everything`, each file is to be inspected. After `most`
    files or `seconds` the survey breaks off, and cuts what is left into at most `pieces` spans. Where the way
    to its first files was long, which each piece has to go again, it goes on for longer, up to `found` files
    that are not as recorded. Without `taking`, new files are to be inspected, too.
    """

    prefix: str = ""
    span: Span = ALL
    change_key: str = "strict"
    batch: int = 500
    everything: bool = False
    most: int = 20_000
    seconds: float = 1.0
    pieces: int = 4
    found: int = 50_000
    taking: Taking | None = None


@dataclass(slots=True)
class Surveyed:
    """What a survey found. `new` are files that it took up, read at `read_at` (seconds since 1970) or not at
    all; `is_late`: some were left for want of time. `rest`: the spans that are left."""

    files: int = 0
    nominations: Nominations = field(default_factory=Nominations)
    unknown: list[Unknown] = field(default_factory=list)
    notes: list[Problem] = field(default_factory=list)
    new: list[NewFile] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)  # of what was read
    read_at: float = 0.0
    is_late: bool = False
    rest: list[Span] = field(default_factory=list)


def survey(walk: Walk, ledger: LedgerReader, read: ReadFiles, task: Task) -> Surveyed:
    """Surveys the task's span. Raises RootOffline, and StoreError if the ledger cannot be read."""
    surveyor = _Surveyor(ledger, read, task)
    found = surveyor.found
    seen: list[Seen] = []
    for step in walk:
        surveyor.arrive()
        seen += step
        if len(seen) >= task.batch:
            surveyor.take(seen)
            seen = []
            if surveyor.has_enough():
                found.rest = walk.rest(task.pieces)
                break
    surveyor.take(seen)
    surveyor.end()
    found.notes = walk.take_notes()
    return found


class _Surveyor:
    def __init__(self, ledger: LedgerReader, read: ReadFiles, task: Task) -> None:
        self.found = Surveyed(read_at=time.time())
        self._ledger = ledger
        self._read = read
        self._task = task
        self._keys = _Keys(ledger, task)
        self._merge = Merge(same=CHANGE_KEYS[task.change_key], everything=task.everything)
        self._began = time.monotonic()
        self._arrived = 0.0
        self._length = 0.0

    def arrive(self) -> None:
        """Says that the first files were met. After a long way there the survey is longer, too."""
        if not self._length:
            self._arrived = time.monotonic()
            self._length = max(1.0, _WORTH * (self._arrived - self._began) / self._task.seconds)

    def has_enough(self) -> bool:
        found, task, taking = self.found, self._task, self._task.taking
        if found.files - found.nominations.unchanged >= task.found:
            return True
        seconds = time.monotonic() - self._arrived
        if self._length > 1.0:
            return seconds >= task.seconds * self._length
        return (
            found.files >= task.most
            or (taking is not None and len(found.new) >= taking.most)
            or seconds >= task.seconds
        )

    def take(self, seen: list[Seen]) -> None:
        """Compares what was seen with the records up to there. Mostly they are equal, which costs least."""
        if not seen:
            return
        files = [item for item in seen if type(item) is File]
        self.found.files += len(files)
        if len(files) < len(seen):
            self.found.unknown += [item for item in seen if isinstance(item, Unknown)]
        # What a cover hides comes after it: of two at the end, the records of the first would be left.
        is_plain = any(type(item) is File for item in seen[-2:]) and not self._task.everything
        if is_plain and self._keys.begin_with(files):
            self.found.nominations.unchanged += len(files)
            self._merge.passed(seen)
            return
        keys = self._keys.upto(position(seen[-1]))
        self._merged(self._merge.step(seen, keys))

    def end(self) -> None:
        """Takes the records that are left in the span."""
        rest = self.found.rest
        self._merged(self._merge.step([], self._keys.before(rest[0].low if rest else None)))

    def _merged(self, step: Nominations) -> None:
        nominations = self.found.nominations
        new, step.new = step.new, []
        nominations.add(step)
        if new and self._task.taking is not None and not self._task.everything:
            known = self._ledger.known([(path, stat.file_system, stat.inode) for path, stat in new])
            nominations.new += [file for file in new if file.path in known]
            self._take_up([file for file in new if file.path not in known], self._task.taking)
        else:
            nominations.new += new

    def _take_up(self, files: list[File], taking: Taking) -> None:
        """Reads what is to be read; whatever happens to a file but that, it is inspected."""
        states = [taking.content.first_state(file.stat.size) for file in files]
        wanted = [
            file
            for file, state in zip(files, states, strict=True)
            if state is HashState.PENDING and file.stat.size <= taking.small
        ]
        seconds = taking.seconds * self._length
        limits = taking.limits._replace(deadline=self._arrived + seconds)
        reads = self._read(wanted, limits, seconds + taking.patience) if wanted else []
        by_path = {read.path: read for read in reads}
        found = self.found
        for (path, stat), state in zip(files, states, strict=True):
            read = by_path.get(path)
            if read is None:
                found.new.append(NewFile(path, *stat, state.value, None))
            elif read.outcome is Outcome.DONE:
                found.new.append(NewFile(path, *stat, HashState.DONE.value, read.digest))
                found.sizes.append(stat.size)
            elif read.outcome is Outcome.LATER:
                found.new.append(NewFile(path, *stat, state.value, None))
                found.is_late = True
            else:
                found.nominations.changed.append(path)


class _Keys:
    """The records of a span, taken in their order, a page at a time."""

    def __init__(self, ledger: LedgerReader, task: Task) -> None:
        self._ledger = ledger
        low, high = range_below(task.prefix)
        span = task.span
        low, high = max(low, span.low), high if span.high is None else span.high
        self._ranges: list[tuple[str, str | None]] = [(low, high)]
        if task.prefix and not span.low:  # what is at the prefix itself comes before all that is below it
            self._ranges.insert(0, (task.prefix, successor(task.prefix)))
        self._rows: Sequence[tuple[Any, ...]] = ()
        self._next = 0

    def begin_with(self, files: Sequence[File]) -> bool:
        """Whether the next records are of just these files, present and with just these stats; takes them."""
        count = len(files)
        expected = [(path,) + stat + _PRESENT for path, stat in files]  # noqa: RUF005 - a third faster
        while len(self._rows) - self._next < count and self._load():
            pass
        rows = self._rows[self._next : self._next + count]
        if rows != expected:
            return False
        self._next += count
        return True

    def upto(self, place: str) -> list[RecordKey]:
        """The next records, up to this place and with it."""
        return self._taken(lambda path: path <= place)

    def before(self, place: str | None) -> list[RecordKey]:
        """The next records before this place; all that are left for None."""
        return self._taken(lambda path: place is None or path < place)

    def _taken(self, is_wanted: Callable[[str], bool]) -> list[RecordKey]:
        taken: list[RecordKey] = []
        while self._next < len(self._rows) or self._load():
            row = self._rows[self._next]
            if not is_wanted(row[0]):
                break
            taken.append(RecordKey._make(row))
            self._next += 1
        return taken

    def _load(self) -> bool:
        """Reads another page; False if there is none."""
        while self._ranges:
            low, high = self._ranges[0]
            page = self._ledger.keys(low, high, _PAGE)
            if len(page) < _PAGE:
                del self._ranges[0]
            else:
                self._ranges[0] = (successor(page[-1][0]), high)
            if page:
                self._rows = [*self._rows[self._next :], *page]
                self._next = 0
                return True
        return False


_PRESENT: Final = (RecordState.PRESENT.value,)
