"""Stores: where the ledger lives."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol, runtime_checkable
from uuid import UUID

from treeledger.model import (
    Change,
    Counts,
    Cursor,
    DirtyPath,
    File,
    FileRecord,
    FileSystemIdentity,
    HeldDeletion,
    Holder,
    HoldStatus,
    Job,
    JobState,
    JournalEntry,
    KnownProblem,
    Lease,
    NewJob,
    OperationType,
    Problem,
    ProblemCode,
    RecordKey,
    Repository,
    ScanScope,
    SyncOperation,
)
from treeledger.protocols.parts import PartRef
from treeledger.protocols.store_values import (
    Added,
    Applied,
    FileQuery,
    Gone,
    HeldFolder,
    JobCount,
    LastOperations,
    Migration,
    NewFile,
    ProblemPlace,
    RecordPlace,
    ScrubPlace,
    Tally,
    Twins,
)
from treeledger.scheduling import Schedule
from treeledger.waiting import Troubles, Waiting


@runtime_checkable
class Store(Protocol):
    """Where the ledger lives. Every method may raise StoreUnavailable; methods that take a `Lease`
    raise LeaseLost once another owner has the repository. Times come from the store's clock.
    """

    url: str  # without its password

    # life and schema
    async def open(self) -> None:
        """Connects and checks the schema. Raises StoreVersionError if it is not this program's."""

    async def aclose(self) -> None:
        """Every other method raises StoreUnavailable from then on; may be called again."""

    async def migrations(self) -> list[Migration]:
        """Every migration this program knows or the ledger has, in order. Works before `open`."""

    async def migrate(self) -> list[Migration]:
        """Applies what is missing, each in one transaction; SQLite keeps a backup first."""

    async def backup(self, target: str) -> None:
        """Writes a consistent copy to a file that does not exist yet."""

    def own_paths(self) -> list[str]:
        """Absolute paths (stored form) of the store's own files; each also as the start of a name."""

    # engines
    async def lock_engine(self, host: str, command: str) -> str:
        """Takes the ledger's engine lock of this host and returns the owner's name.

        Raises EngineLocked with the holder. One left by a dead process is taken over, and what that
        had is free at once: its leases, and its jobs; its operations are closed as failed.
        """

    async def unlock_engine(self, owner: str) -> None:
        """Gives the lock back if this owner still has it."""

    async def announce_engine(self, owner: str, address: str) -> None:
        """Says where the engine that holds the lock listens (`Holder.address`); "" for nowhere any more."""

    async def engine_holder(self, host: str) -> Holder | None:
        """Who holds the lock now, None if nobody alive does."""

    # repositories
    async def add_repository(self, repository: Repository) -> Repository:
        """Raises UsageError if the name, or (host, root), is taken by another live repository."""

    async def repositories(self) -> list[Repository]:
        """All that are not removed, by name."""

    async def update_repository(
        self,
        repository_id: UUID,
        *,
        name: str | None = None,
        root: str | None = None,
        settings: Mapping[str, Any] | None = None,
        declared: bool | None = None,
        paused: bool | None = None,
        health: Mapping[str, Any] | None = None,
        root_identity: tuple[int, int] | None = None,
        lease: Lease | None = None,
    ) -> None:
        """Sets what is given. `root_identity` is (file system, inode). With `lease`, only under it."""

    async def remove_repository(self, repository_id: UUID, *, purge: bool) -> None:
        """Ends the care for it; its records stay unless `purge`."""

    async def claim(self, repository_id: UUID, owner: str, seconds: float) -> Lease:
        """Takes the lease, raises the fence, marks it unclean, closes operations left running as failed.

        Raises EngineLocked while another owner's lease runs, and to an engine that has lost its lock
        to another one.
        """

    async def renew(self, leases: Sequence[Lease], owner: str, seconds: float) -> list[Lease]:
        """Extends the leases, and the engine lock of the owner; returns those that are lost.

        A lock that was lost, because its time ran out or its file was removed, is taken again. Raises
        EngineLocked if another engine was faster; what it claims is lost.
        """

    async def release(self, lease: Lease, *, clean: bool) -> None:
        """Gives the repository back; `clean`: everything that was settled is written (`Repository.clean`)."""

    async def file_system(self, identity: FileSystemIdentity) -> int:
        """The number of a file system, given anew where it was never seen.

        Recognised by host, type and identity; without a stable identity by host, type and mount path.
        """

    async def file_system_identity(self, number: int) -> FileSystemIdentity | None:
        """What was recognised under that number; None if it was never given."""

    # operations
    async def begin_operation(
        self, lease: Lease, type: OperationType, scope: str, *, scan: bool
    ) -> SyncOperation:
        """Starts an operation; a scan is given the repository's next generation."""

    async def finish_operation(
        self, operation_id: int, counts: Counts, *, error: str | None = None, scopes: Sequence[ScanScope] = ()
    ) -> SyncOperation:
        """Closes it, as failed if there is an error; records what a completed scan covered."""

    async def operations(
        self,
        repository_id: UUID | None,
        *,
        limit: int,
        problems_only: bool = False,
        before: int | None = None,
        bursts: bool = True,
    ) -> list[SyncOperation]:
        """Newest first; with `before`, only those with smaller ids. `bursts`: those of changes as well."""

    async def last_operations(self, repository_id: UUID | None = None) -> Mapping[UUID, LastOperations]:
        """Of one repository, or of each; those that had none are left out."""

    # records
    async def keys(self, repository_id: UUID, low: str, high: str | None, limit: int) -> list[RecordKey]:
        """The first live records with low <= path and, if `high` is given, path < high, in byte order of
        the path. A short transaction of its own; the next page begins at `names.successor` of the last."""

    def reader(self) -> PartRef | None:
        """How a worker builds a `LedgerReader` of a repository; None if this store has none.

        No `repr` of it shows a password.
        """

    async def records_at(self, repository_id: UUID, paths: Sequence[str]) -> dict[str, FileRecord]:
        """The live record at each path, else the one deleted there last; paths without any are left out."""

    async def records_by_inode(
        self, repository_id: UUID, inodes: Sequence[tuple[int, int]]
    ) -> list[FileRecord]:
        """Records of any state with one of these (file system, inode)."""

    async def records_to_hash(
        self,
        repository_id: UUID,
        *,
        verify: bool,
        priority: Sequence[str],
        skip: Sequence[int] = (),
        largest: int | None = None,
        limit: int,
    ) -> list[FileRecord]:
        """Present records that are pending or failed and due, those in priority folders first, newest
        first, of at most `largest` bytes if it is given; with `verify`, those to be verified,
        oldest-verified first. Without the ids in `skip`."""

    async def records_to_scrub(
        self, repository_id: UUID, *, after: ScrubPlace | None, before: datetime, limit: int
    ) -> list[FileRecord]:
        """Present records whose content is known and was not verified since `before`: first those never
        verified, oldest read first, then the oldest verified (a corrupted one by its last reading)."""

    async def apply(
        self,
        lease: Lease,
        changes: Sequence[Change],
        *,
        operation_id: int | None = None,
        generation: int = 0,
    ) -> Applied:
        """Writes records and journal entries in one transaction, in key order.

        A change is applied only where the record is still at `before.version`, or, for a new one,
        where no live record has its path; the rest come back as conflicts. Moves may swap and cycle.
        Raises StoreDataError if the batch holds a row that cannot be stored.
        """

    async def add(
        self,
        lease: Lease,
        files: Sequence[NewFile],
        *,
        algorithm: str | None,
        read_at: datetime | None,
        operation_id: int | None,
        generation: int,
    ) -> Added:
        """Adds records of new files, 5,000 at most, as `apply` would write them, and far cheaper.

        A file is refused, and nothing of it is written, if there is a record at its path, live or deleted,
        or one of any state with its file system and inode; other files of the same call do not count.
        The paths differ, and come in order for speed. `algorithm` and `read_at` are of those that are
        done. Raises StoreDataError if there is a row that cannot be stored: nothing is written then.
        """

    async def move(
        self,
        lease: Lease,
        source: str,
        target: str,
        files: Sequence[File],
        *,
        operation_id: int | None = None,
        generation: int = 0,
    ) -> range:
        """Takes the records of some files below `target` along from the same places below `source`.

        All in one transaction, each with a `moved` entry in the journal, in byte order of the path. Only
        a record moves that is present with exactly the stat of its file (so it is the same file, and what
        is known of its content still holds), has no failed or corrupted content, and finds no live record
        at its new path. Returns the numbers of the entries.
        """

    async def copies_of(self, hashes: Collection[str], *, most: int) -> Mapping[str, Sequence[RecordPlace]]:
        """Where files are that are there and sound, with these contents, `most` of each, in any repository
        under care. Reads the hashes of the whole ledger, in short transactions."""

    async def files(self, query: FileQuery) -> list[FileRecord]:
        """A page of records, `last_scanned` and `scan_generation` as completed scans make them."""

    async def twins(
        self, repository_id: UUID | None, *, after: tuple[int, str] | None = None, limit: int
    ) -> list[Twins]:
        """Contents, not empty, that several present files of the repositories under care have: those that
        waste most first, then by hash. With `repository_id`, those of which it has a file; `after`: the
        weight and the hash of the last."""

    async def copies(self, content_hash: str, *, after: int = 0, limit: int) -> list[FileRecord]:
        """The present records of all repositories under care that have this content, by id."""

    async def renumber_file_system(self, lease: Lease, old: int, new: int) -> None:
        """Says that the records of one file system are on another now, as after a move to another disk."""

    async def record(self, record_id: int) -> FileRecord | None:
        """As `files` tells it, whatever its state; None if there is none, or none any more."""

    async def purge(self, lease: Lease, older_than: timedelta, limit: int) -> int:
        """Removes records deleted longer ago, a batch at a time; returns how many."""

    # deletions
    async def gone(self, repository_id: UUID, window: timedelta) -> Gone:
        """What the deletion gate judges: losses that wait, and all of so long a time up to now."""

    async def gone_records(
        self, repository_id: UUID, *, held_id: int | None, since: datetime | None, limit: int, after: int = 0
    ) -> list[FileRecord]:
        """Missing records of one hold (None: not held), by id; with `since`, instead the deleted ones
        whose loss is not older."""

    async def open_hold(self, lease: Lease, *, gone: int, live: int, reason: str) -> HeldDeletion:
        """A new one; which records belong to it, `apply` says (`FileRecord.held_id`)."""

    async def holds(
        self, repository_id: UUID | None, *, statuses: Sequence[HoldStatus]
    ) -> list[HeldDeletion]:
        """By id; of all repositories for None."""

    async def held_folders(self, hold: HeldDeletion) -> list[HeldFolder]:
        """What a hold is about now, by the folders at the top: those with the most files first."""

    async def held_copies(self, hold: HeldDeletion) -> Mapping[str, int]:
        """By folder (`HeldFolder.name`), how many held files have their content in a file that is there, in
        any repository under care. Reads the hashes of the whole ledger, in short transactions."""

    async def set_hold(
        self,
        hold_id: int,
        status: HoldStatus,
        *,
        by: str | None = None,
        gone: int | None = None,
        lease: Lease | None = None,
    ) -> HeldDeletion:
        """Records a decision or a new count; with `lease`, as an engine does, only under it.

        Raises UsageError if there is no such hold or it is closed.
        """

    # journal
    async def head(self) -> Cursor:
        """The place of the newest entry; number 0 while there is none."""

    async def changes(
        self,
        after: int,
        *,
        limit: int,
        repository_id: UUID | None = None,
        record_id: int | None = None,
        since: datetime | None = None,
        newest: bool = False,
    ) -> list[JournalEntry]:
        """Entries with n > after (and not before `since`), in order; with `newest` the last `limit` of them.

        Raises CursorExpired if entries after `after` are already gone, or `after` is beyond the head.
        """

    async def wait(self, after: int, seconds: float) -> None:
        """Returns when the head may be beyond `after`, or when the time is over."""

    async def trim_journal(self, older_than: timedelta, *, keep_after: int, limit: int) -> int:
        """Lets the oldest entries go, a batch at a time, but none with n > keep_after; returns how many."""

    # what a daemon keeps
    async def schedules(self, repository_id: UUID | None) -> list[Schedule]:
        """What is noted of scheduled work; of all repositories for None."""

    async def note_schedule(self, schedule: Schedule) -> None:
        """Puts it in the place of what was noted of this repository and kind."""

    async def waiting(self, *, over: bool = False) -> list[Waiting]:
        """What waits for a person, as it was noted; longest first. With `over` also what waits no longer
        (`Waiting.over_at`)."""

    async def note_waiting(self, noted: Sequence[Waiting], over: Sequence[str]) -> None:
        """Adds or replaces by key, and forgets those whose keys are `over`, in one transaction."""

    async def troubles(self) -> Troubles:
        """What the ledger itself knows to wait: corrupted files by repository, dead jobs by action."""

    async def tally(self) -> Tally:
        """Counts what waits and what is wrong."""

    # dirty subtrees
    async def mark_dirty(self, repository_id: UUID, prefixes: Sequence[tuple[str, str]]) -> None:
        """Marks (prefix, reason) pairs, each with a new mark."""

    async def dirty(self, repository_id: UUID) -> list[DirtyPath]:
        """The subtrees that are marked, longest dirty first."""

    async def clear_dirty(self, repository_id: UUID, seen: Sequence[DirtyPath]) -> None:
        """Clears what still carries the mark that was seen."""

    # problems
    async def report_problems(
        self, repository_id: UUID, problems: Sequence[Problem], *, healthy: Sequence[str] = ()
    ) -> None:
        """Notes problems, and forgets those of the healthy paths."""

    async def forget_problems(
        self, repository_id: UUID, prefix: str, before: datetime, unknown: Sequence[str]
    ) -> None:
        """Forgets what a completed scan of the prefix did not see again, outside what was unknown."""

    async def problems(
        self,
        repository_id: UUID | None,
        *,
        notes: bool,
        limit: int,
        after: ProblemPlace | None = None,
        code: ProblemCode | None = None,
    ) -> list[KnownProblem]:
        """Those seen last first. With `after`, instead what follows that place in an order that stays.
        `code`: only of this kind."""

    # actions
    async def action_cursor(self, action: str) -> Cursor | None:
        """How far an action has planned jobs for the journal; None if it never has."""

    async def plan_jobs(
        self, action: str, cursor: Cursor, jobs: Sequence[NewJob], *, after: Cursor | None
    ) -> bool:
        """Adds jobs and moves the cursor, in one transaction; a waiting job with the same key is replaced.

        False, and nothing is written, unless the cursor still is `after` (None: there was none): another
        engine planned these changes, or this one did and the answer was lost.
        """

    async def claim_jobs(
        self, action: str, owner: str, *, limit: int, seconds: float, ordered: bool = False
    ) -> list[Job]:
        """Takes due jobs, highest priority first; each belongs to the owner until its lease ends.

        `ordered`: only the oldest job (by id) that is not dead, and nothing while that one is not due
        or somebody has it.
        """

    async def renew_jobs(self, jobs: Sequence[Job], seconds: float) -> list[Job]:
        """Extends the leases of running jobs; returns those that nobody else has claimed meanwhile."""

    async def finish_jobs(self, jobs: Sequence[Job]) -> None:
        """Takes out jobs that are done, but for those that somebody else has claimed since."""

    async def fail_job(self, job: Job, error: str, *, retry_in: float | None) -> None:
        """Gives a job back after `retry_in` seconds; None: it is dead."""

    async def jobs(
        self,
        *,
        action: str | None = None,
        state: JobState | None = None,
        limit: int,
        after: int = 0,
        brief: bool = False,
    ) -> list[Job]:
        """By id; with `after`, only those with greater ids. `brief`: without payloads, which may be long."""

    async def count_jobs(self) -> list[JobCount]:
        """How many jobs each action has in each state; what has none is left out."""

    async def retry_jobs(self, ids: Sequence[int]) -> int:
        """Has those of these jobs that are dead tried again now; of several with one key the newest, and the
        others end. Returns how many they were."""

    async def clear_jobs(self, ids: Sequence[int]) -> int:
        """Drops these jobs, whatever their state; returns how many there were."""

    async def prioritize_jobs(self, ids: Sequence[int], priority: int) -> int:
        """Gives those of these jobs that wait another priority; returns how many."""
