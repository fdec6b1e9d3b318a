"""The words of treeledger as values: stats, records, changes, operations, problems, repositories.

Nothing here touches a disk or a database. Times of the ledger are aware `datetime`s in UTC, taken
from the store's clock; times of files are integer nanoseconds since 1970, as `lstat` gives them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, NamedTuple
from uuid import UUID

INT64_MAX: Final = 2**63 - 1


class FileStat(NamedTuple):
    """What `lstat` said of one regular file.

    `size` in bytes, times in nanoseconds since 1970, `file_system` the store's number of the file
    system that holds the *directory* of the file (device numbers change on remount, and overlays
    report others for files than for their folders).
    """

    size: int
    mtime_ns: int
    ctime_ns: int
    file_system: int
    inode: int
    mode: int


class RecordState(StrEnum):
    PRESENT = "present"
    MISSING = "missing"
    DELETED = "deleted"
    IGNORED = "ignored"


class HashState(StrEnum):
    PENDING = "pending"  # not known yet; content_hash is NULL
    DONE = "done"  # content_hash belongs to the recorded stat
    VERIFY = "verify"  # as DONE, but the content is to be read again
    CORRUPTED = "corrupted"  # content_hash is the good one; read last was another, though no stat told of it
    FAILED = "failed"  # could not be read; tried again at hash_retry_at
    SKIPPED = "skipped"  # too large, timed out, or hashing is off


class FileRecord(NamedTuple):
    """What the ledger knows of one regular file. `id` 0 and `version` 0: not stored yet.

    `path` is relative to the repository's root, in stored form (see `treeledger.names`).
    """

    id: int
    repository_id: UUID
    path: str
    stat: FileStat
    state: RecordState = RecordState.PRESENT
    hash_state: HashState = HashState.PENDING
    hash_algorithm: str | None = None
    content_hash: str | None = None
    hash_tries: int = 0
    hash_retry_at: datetime | None = None
    read_at: datetime | None = None  # when the content was last read completely
    last_verified: datetime | None = None  # when a second reading last agreed
    held_id: int | None = None  # the held deletion this missing record belongs to
    # What follows is set by the store, whatever a change carries.
    version: int = 0
    scan_generation: int = 0
    last_scanned: datetime | None = None
    missing_at: datetime | None = None
    deleted_at: datetime | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None


class RecordKey(NamedTuple):
    """As much of a live record as the merge of a scan needs; pages of these are read in path order."""

    path: str
    size: int
    mtime_ns: int
    ctime_ns: int
    file_system: int
    inode: int
    mode: int
    state: str


class ChangeKind(StrEnum):
    ADDED = "added"
    MODIFIED = "modified"
    MOVED = "moved"
    MISSING = "missing"
    DELETED = "deleted"
    RESTORED = "restored"
    IGNORED = "ignored"
    HASHED = "hashed"
    CORRUPTED = "corrupted"
    ACCEPTED = "accepted"


class Change(NamedTuple):
    """One decision about one record: what it was and what it becomes.

    `before` is None for a new record. `kind` None is a quiet update, written without an entry in
    the journal: the record takes a new stat or hash state, but nothing happened to the content.
    """

    kind: ChangeKind | None
    before: FileRecord | None
    after: FileRecord


class JournalEntry(NamedTuple):
    """One numbered, committed change. Replay is by `record_id`, in the order of `n`.

    `path_before` is set where the path changed; `stat_before` and `hash_before` where there was a
    record before.
    """

    n: int
    at: datetime
    repository_id: UUID
    record_id: int
    operation_id: int | None
    kind: ChangeKind
    path: str
    path_before: str | None
    stat: FileStat
    stat_before: FileStat | None
    hash_algorithm: str | None
    hash: str | None
    hash_before: str | None


class Cursor(NamedTuple):
    """A place in the journal. Another epoch means another history: start afresh."""

    epoch: str
    n: int

    def __str__(self) -> str:
        return f"{self.epoch}:{self.n}"


class OperationType(StrEnum):
    STARTUP = "startup"
    RECONCILIATION = "reconciliation"
    REALTIME = "realtime"
    MANUAL = "manual"
    SCRUB = "scrub"


class OperationStatus(StrEnum):
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"


@dataclass(slots=True)
class Counts:
    """What one operation did, in files and, for `bytes_hashed`, bytes."""

    files_scanned: int = 0
    files_added: int = 0
    files_updated: int = 0
    files_removed: int = 0
    files_moved: int = 0
    files_unchanged: int = 0
    files_hashed: int = 0
    bytes_hashed: int = 0
    problems: int = 0


@dataclass(frozen=True, slots=True)
class SyncOperation:
    """One run and its counts. `generation` is 0 for what is no scan; `scope` the prefixes scanned."""

    id: int
    repository_id: UUID
    type: OperationType
    status: OperationStatus
    scope: str
    generation: int
    counts: Counts
    start_time: datetime
    end_time: datetime | None = None
    duration_ms: int | None = None
    error_message: str | None = None


class ProblemCode(StrEnum):
    UNREADABLE = "unreadable"  # permission denied on a file
    UNREADABLE_DIRECTORY = "unreadable_directory"
    IO_ERROR = "io_error"
    PATH_TOO_LONG = "path_too_long"
    MOUNT_GONE = "mount_gone"  # the file system a record lived on is no longer there
    CHANGED_WHILE_READ = "changed_while_read"
    HASH_TIMEOUT = "hash_timeout"
    CORRUPTED = "corrupted"  # content changed, stat did not
    REJECTED_BY_STORE = "rejected_by_store"  # a data error of exactly this row
    BAD_IGNORE_RULE = "bad_ignore_rule"
    TWO_WRITERS = "two_writers"  # of the repository, path "": an engine that lives was refused by the fence
    # Notes: worth knowing, nothing is wrong.
    SYMLINK = "symlink"
    NOT_REGULAR = "not_regular"  # FIFO, socket, device
    NAMES_COLLIDE = "names_collide"  # differ in case or normalisation only
    MOUNT_NOT_CROSSED = "mount_not_crossed"
    TOO_LARGE = "too_large"

    @property
    def is_note(self) -> bool:
        return self in _NOTES


_NOTES: Final = frozenset(
    (
        ProblemCode.SYMLINK,
        ProblemCode.NOT_REGULAR,
        ProblemCode.NAMES_COLLIDE,
        ProblemCode.MOUNT_NOT_CROSSED,
        ProblemCode.TOO_LARGE,
    )
)


class Problem(NamedTuple):
    """Trouble with one path, as a value. `message` says what happened, in the system's words."""

    path: str
    code: ProblemCode
    message: str


@dataclass(frozen=True, slots=True)
class KnownProblem:
    """A problem as the store keeps it."""

    repository_id: UUID
    problem: Problem
    first_seen: datetime
    last_seen: datetime


class File(NamedTuple):
    """A regular file that a walk saw."""

    path: str
    stat: FileStat


class Unknown(NamedTuple):
    """A file, or with `subtree` a directory and all below, of which nothing can be said now."""

    path: str
    problem: Problem
    subtree: bool


class Ignored(NamedTuple):
    """A file, or with `subtree` a directory and all below, that a rule excludes."""

    path: str
    rule: str
    subtree: bool


Seen = File | Unknown | Ignored


class Observation(NamedTuple):
    """A hint from an event source: look at this path.

    `subtree`: look at the directory and everything below it. `at_once`: nothing more is expected
    soon (closed after writing, moved, removed), so the settle time may be skipped. `written`: the
    content may have changed, whatever the stat says, or is gone for good: nothing moved from here.
    `source`: the directory was renamed, and this is the path that it had.
    """

    path: str
    subtree: bool = False
    at_once: bool = False
    written: bool = True
    source: str | None = None


class DirtyPath(NamedTuple):
    """A subtree that must be scanned. A scan clears only the `mark` it saw."""

    prefix: str
    mark: int
    reason: str


class HoldStatus(StrEnum):
    OPEN = "open"
    APPROVED = "approved"
    REJECTED = "rejected"
    CLOSED = "closed"  # the files came back


@dataclass(frozen=True, slots=True)
class HeldDeletion:
    """Deletions that wait for a person. `gone` of `live` files were found gone."""

    id: int
    repository_id: UUID
    status: HoldStatus
    gone: int
    live: int
    reason: str
    opened_at: datetime
    decided_at: datetime | None = None
    decided_by: str | None = None


@dataclass(frozen=True, slots=True)
class FileSystemIdentity:
    """How a file system is recognised again. `identity` is "" where none is stable (NFS, FUSE, XFS)."""

    host: str
    mount_path: str
    type: str
    identity: str
    device: int


@dataclass(frozen=True, slots=True)
class Repository:
    """One directory tree under care. `root` is an absolute path in stored form.

    `settings` is the overrides of this repository as plain data (see `treeledger.config`);
    `health` what its engine last said of it. `declared`: plugins.toml names it.
    """

    id: UUID
    name: str
    host: str
    root: str
    settings: dict[str, Any] = field(default_factory=dict)
    declared: bool = False
    paused: bool = False
    clean: bool = True  # False while an engine has it, so True at start means it stopped in order
    generation: int = 0
    fence: int = 0
    owner: str | None = None
    lease_until: datetime | None = None
    root_file_system: int | None = None
    root_inode: int | None = None
    files: int = 0  # present
    bytes: int = 0  # of the present files
    hashed: int = 0  # of the present files, those whose content hash is known
    missing: int = 0
    ignored: int = 0
    health: dict[str, Any] = field(default_factory=dict)
    created_at: datetime | None = None
    removed_at: datetime | None = None


class Lease(NamedTuple):
    """The right to write one repository; every batch checks that the fence is still this one."""

    repository_id: UUID
    owner: str
    fence: int


class ScanScope(NamedTuple):
    """What a completed scan covered: a prefix less what was unknown (paths, each with all below)."""

    prefix: str
    generation: int
    unknown: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds the engine lock of a ledger. `owner` as `lock_engine` gave it, "" if that is not known;
    `address` is where it listens, `unix:PATH`, "" if it does not."""

    host: str
    pid: int
    command: str
    since: datetime
    owner: str = ""
    address: str = ""


class JobState(StrEnum):
    WAITING = "waiting"
    RUNNING = "running"
    DEAD = "dead"


@dataclass(frozen=True, slots=True)
class NewJob:
    """One durable piece of an action's work. Of waiting jobs with one `key` only the newest payload stays.

    `delay` in seconds from now; a higher `priority` is claimed first.
    """

    key: str
    payload: dict[str, Any]
    priority: int = 0
    delay: float = 0.0


@dataclass(frozen=True, slots=True)
class Job:
    id: int
    action: str
    key: str
    payload: dict[str, Any]
    state: JobState
    priority: int
    tries: int
    not_before: datetime
    lease_until: datetime | None
    last_error: str | None
    created_at: datetime
