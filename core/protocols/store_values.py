"""What stores are given and answer: the values of `treeledger.protocols.stores`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final, NamedTuple
from uuid import UUID

from treeledger.model import (
    Change,
    Cursor,
    FileRecord,
    HashState,
    JobState,
    JournalEntry,
    KnownProblem,
    ProblemCode,
    RecordState,
    SyncOperation,
)

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MOST_COUNTED: Final = 100_000
"""What there is more of, a `Tally` counts as so many."""
MOST_WEIGHED: Final = 1 << 44
"""Bytes beyond which a file weighs no more among duplicates."""
HALF_COPY: Final = 0  # the version that stands for no step: this is half a copy


class Applied(NamedTuple):
    """What became of a batch: the journal entries written, the records as they are now (in the order
    of the changes that were applied), and the changes whose record was no longer at its version."""

    entries: list[JournalEntry]
    records: list[FileRecord]
    conflicts: list[Change]


class NewFile(NamedTuple):
    """A file of which the ledger is believed to know nothing: its stat, and what was read of it.

    `path` in stored form; times in nanoseconds. `hash_state` is done, pending or skipped; only with done
    there is a `content_hash`.
    """

    path: str
    size: int
    mtime_ns: int
    ctime_ns: int
    file_system: int
    inode: int
    mode: int
    hash_state: str
    content_hash: str | None


class Added(NamedTuple):
    """What became of new files: the numbers of their journal entries (`last` < `first` if there are none),
    the bytes they have, and the paths of those that were refused."""

    first: int
    last: int
    bytes: int
    refused: list[str]


class Gone(NamedTuple):
    """What the deletion gate needs to know of a repository."""

    waiting: int  # missing, not held
    in_window: int  # missing or deleted since the window began, not held by a decided hold
    oldest: datetime | None  # of the waiting: first and last loss
    newest: datetime | None
    now: datetime  # of the store's clock


class HeldFolder(NamedTuple):
    """What is held in one folder at the top of a repository; `name` "" is for files that are in none.

    `bytes` of what is held; `is_whole`: no file of the folder is there any more; `first` and `last`: when
    its files were found gone.
    """

    name: str
    files: int
    bytes: int
    is_whole: bool
    first: datetime
    last: datetime


class RecordPlace(NamedTuple):
    """Where a file is that the ledger knows."""

    repository_id: UUID
    path: str


class Tally(NamedTuple):
    """How much is left to do, and how much is wrong. What there is none of is left out."""

    unread: dict[tuple[UUID, HashState], int]  # present, to be read or verified; up to MOST_COUNTED
    dirty: dict[UUID, int]  # subtrees that must be scanned
    problems: dict[tuple[UUID, ProblemCode], int]  # and notes
    cursors: dict[str, Cursor]  # by action: how far it has read the journal


class LastOperations(NamedTuple):
    """Of one repository: the last operation, and when the last scan of all of it was completed."""

    last: SyncOperation
    scanned_at: datetime | None


class ScrubPlace(NamedTuple):
    """A record's place in the order of `records_to_scrub`. The times may be EPOCH, for never."""

    verified: datetime
    read: datetime
    id: int

    @classmethod
    def of(cls, record: FileRecord) -> ScrubPlace:
        read = record.read_at or EPOCH
        is_corrupted = record.hash_state is HashState.CORRUPTED
        return cls(read if is_corrupted else record.last_verified or EPOCH, read, record.id)


class ProblemPlace(NamedTuple):
    """A problem's place among all: by repository, path and code, so that no new sighting moves it."""

    repository_id: UUID
    path: str
    code: str

    @classmethod
    def of(cls, known: KnownProblem) -> ProblemPlace:
        return cls(known.repository_id, known.problem.path, known.problem.code.value)


FIRST_PROBLEM: Final = ProblemPlace(UUID(int=0), "", "")
"""The place before every problem."""


class JobCount(NamedTuple):
    """How many jobs of an action are in one state."""

    action: str
    state: JobState
    jobs: int


class FileOrder(StrEnum):
    """In which order records are listed: by repository and path; the largest first; the newest first."""

    PATH = "path"
    SIZE = "size"
    MODIFIED = "modified"


@dataclass(frozen=True, slots=True)
class FileQuery:
    """Which records to list, in the order of (repository, path). None does not restrict.

    `prefix` is a literal start of the path, `parts` are texts that it has, in this order and not overlapping,
    the letters of ASCII in either case; `at` asks for the records as they were then. By path a page goes on
    after `after`. In another `order`, which is none of the past, it goes on after `beyond`: the size or
    mtime_ns of a record, and its id, which tells those apart that are equal.
    """

    repository_id: UUID | None = None
    prefix: str = ""
    states: tuple[RecordState, ...] = (RecordState.PRESENT,)
    duplicates: bool = False
    at: datetime | None = None
    parts: tuple[str, ...] = ()
    order: FileOrder = FileOrder.PATH
    after: tuple[UUID, str] | None = None
    beyond: tuple[int, int] | None = None
    limit: int = 1000


class Twins(NamedTuple):
    """A content that several present files have. `first` is the oldest record of them."""

    hash: str
    size: int  # bytes of each
    copies: int
    first: FileRecord

    @property
    def wasted(self) -> int:
        """Bytes that one file of them would save."""
        return self.size * (self.copies - 1)

    @property
    def weight(self) -> int:
        """What they are ordered by: as `wasted`, but 64 bits hold it however large sparse files are."""
        return min(self.size, MOST_WEIGHED) * (self.copies - 1)


@dataclass(frozen=True, slots=True)
class StoreOptions:
    url: str
    password: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)


class Migration(NamedTuple):
    """One schema step. `applied_at` None: not applied; `known` False: of a newer program, or no step but the
    mark of half a copy, whose name is the epoch of the original."""

    version: int
    name: str
    applied_at: datetime | None
    known: bool

    @property
    def is_half_copy(self) -> bool:
        return self.version == HALF_COPY


def iterate_batches(items: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    """Slices of at most `size` items."""
    for start in range(0, len(items), size):
        yield items[start : start + size]
