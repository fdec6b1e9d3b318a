"""JSON objects that are put together from several values: how all is, why a file is as it is, what was done.

As those of `treeledger.wire`, which are one value each, they are the same on the command line and over HTTP.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from treeledger import wire
from treeledger.wire import Form

if TYPE_CHECKING:
    from treeledger import model
    from treeledger.config.show import Row
    from treeledger.engine.scrubbing import Judged, Scrubbed
    from treeledger.explaining import Explanation, Sight
    from treeledger.jobs import Handled
    from treeledger.protocols import Twins, Verdict


class Status(Form, frozen=True, kw_only=True):
    """The engine that answers, and its ledger at a glance.

    `store` is a URL without its password; `repositories` counts them by state, `queue` jobs by action and
    state; `waiting` is how much waits for a person.
    """

    version: str
    command: str
    started_at: datetime
    host: str
    store: str
    repositories: dict[str, int]
    queue: dict[str, dict[str, int]]
    waiting: int


class RepositoryDetails(wire.Repository, frozen=True, kw_only=True):
    """A repository with its own settings. `declared`: they are in plugins.toml, and change only there."""

    declared: bool
    paused: bool
    settings: dict[str, Any]

    @classmethod
    def with_settings(cls, told: wire.Repository, repository: model.Repository) -> RepositoryDetails:
        return cls(
            **{name: getattr(told, name) for name in told.__struct_fields__},
            declared=repository.declared,
            paused=repository.paused,
            settings=repository.settings,
        )


class Stat(Form, frozen=True, kw_only=True):
    """As `treeledger.model.FileStat`."""

    size: int
    mtime_ns: int
    ctime_ns: int
    file_system: int
    inode: int
    mode: int


class RecordDetails(wire.Record, frozen=True, kw_only=True):
    """All that the ledger knows of one file."""

    stat: Stat
    hash_tries: int
    hash_retry_at: datetime | None
    read_at: datetime | None
    last_verified: datetime | None
    missing_at: datetime | None
    deleted_at: datetime | None

    @classmethod
    def of(cls, record: model.FileRecord, repository: str) -> RecordDetails:
        short = wire.Record.of(record, repository)
        return cls(
            **{name: getattr(short, name) for name in short.__struct_fields__},
            stat=Stat(**record.stat._asdict()),
            hash_tries=record.hash_tries,
            hash_retry_at=record.hash_retry_at,
            read_at=record.read_at,
            last_verified=record.last_verified,
            missing_at=record.missing_at,
            deleted_at=record.deleted_at,
        )


class Duplicates(Form, frozen=True, kw_only=True):
    """A content that several files have. `wasted`: the bytes that one of them would save; `repository` and
    `path` are those of the file that the ledger has known longest."""

    hash: str
    size: int
    copies: int
    wasted: int
    repository: str
    path: str

    @classmethod
    def of(cls, twins: Twins, repository: str) -> Duplicates:
        return cls(
            hash=twins.hash,
            size=twins.size,
            copies=twins.copies,
            wasted=twins.wasted,
            repository=repository,
            path=twins.first.path,
        )


class HeldFile(Form, frozen=True, kw_only=True):
    """A file whose deletion is held."""

    id: int
    path: str
    size: int

    @classmethod
    def of(cls, record: model.FileRecord) -> HeldFile:
        return cls(id=record.id, path=record.path, size=record.stat.size)


class Rule(Form, frozen=True, kw_only=True):
    """A rule, what it does, and where it is written."""

    ignored: bool
    rule: str
    source: str


class RepositoryRule(Form, frozen=True, kw_only=True):
    """A rule in effect at the root of a repository."""

    repository: str
    rule: str
    source: str
    ignored: bool

    @classmethod
    def of(cls, verdict: Verdict, repository: str) -> RepositoryRule:
        return cls(repository=repository, rule=verdict.rule, source=verdict.source, ignored=verdict.ignored)


class PathRule(Form, frozen=True, kw_only=True):
    """Whether a path is ignored, and the rule that decides; no rule speaks of it where that is null."""

    repository: str
    path: str
    ignored: bool
    rule: str | None
    source: str | None

    @classmethod
    def of(cls, verdict: Verdict | None, repository: str, path: str) -> PathRule:
        return cls(
            repository=repository,
            path=path,
            ignored=verdict is not None and verdict.ignored,
            rule=None if verdict is None else verdict.rule,
            source=None if verdict is None else verdict.source,
        )


class Setting(Form, frozen=True, kw_only=True):
    """A value of the configuration as TOML writes it, secrets masked, and where it comes from."""

    table: str
    key: str
    value: str
    origin: str

    @classmethod
    def of(cls, row: Row) -> Setting:
        return cls(**row._asdict())


class JobsHandled(Form, frozen=True, kw_only=True):
    """How many jobs were meant, and with how many it was done: the rest are running, or gone."""

    asked: int
    done: int

    @classmethod
    def of(cls, handled: Handled) -> JobsHandled:
        return cls(asked=handled.asked, done=handled.done)


class ScrubResult(Form, frozen=True, kw_only=True):
    """What a scrub found, in files and bytes. `ended`: the limit that ended it; `duration` in seconds."""

    repository: str
    scrubbed: int
    bytes: int
    corrupted: int
    modified: int
    unreadable: int
    ended: str | None
    operation: int
    duration: float

    @classmethod
    def of(cls, done: Scrubbed, repository: str) -> ScrubResult:
        return cls(
            repository=repository,
            scrubbed=done.files,
            bytes=done.bytes,
            corrupted=done.corrupted,
            modified=done.modified,
            unreadable=done.unreadable,
            ended=done.ended,
            operation=done.operation.id,
            duration=(done.operation.duration_ms or 0) / 1000,
        )


class Triggered(Form, frozen=True, kw_only=True):
    """What was asked to be done where and, if that was waited for, what came of it.

    `failed` says why by repository.
    """

    repositories: list[str]
    operations: list[wire.Operation] = msgspec.field(default_factory=list)
    scrubs: list[ScrubResult] = msgspec.field(default_factory=list)
    failed: dict[str, str] = msgspec.field(default_factory=dict)


class Paused(Form, frozen=True, kw_only=True):
    """The repositories that were paused, or resumed, just now."""

    repositories: list[str]


class AcceptedFile(Form, frozen=True, kw_only=True):
    """A file that was corrupted, and what became of a person's word on it."""

    repository: str
    path: str
    accepted: bool
    hash_before: str | None
    hash: str | None
    hash_state: str

    @classmethod
    def of(cls, judged: Judged, repository: str) -> AcceptedFile:
        return cls(
            repository=repository,
            path=judged.after.path,
            accepted=judged.is_accepted,
            hash_before=judged.before.content_hash,
            hash=judged.after.content_hash,
            hash_state=judged.after.hash_state.value,
        )


class LookProblem(Form, frozen=True, kw_only=True):
    """What was in the way of looking at a path."""

    code: str
    message: str


class Hold(Form, frozen=True, kw_only=True):
    """The held deletion that a record belongs to."""

    id: int
    status: str
    reason: str


class Dirty(Form, frozen=True, kw_only=True):
    """A subtree that waits for a scan."""

    prefix: str
    mark: int
    reason: str


class FileExplanation(Form, frozen=True, kw_only=True):
    """Why a file is, or is not, in the ledger: the disk, the rules, the record, and what is said of it."""

    repository: str
    root: str
    path: str
    state: str
    watched: bool
    offline: str | None
    exists: bool | None
    is_directory: bool
    rule: Rule | None
    stat: Stat | None
    look_problem: LookProblem | None
    record: RecordDetails | None
    differing: list[str]
    is_change: bool
    hold: Hold | None
    dirty: Dirty | None
    problems: list[wire.Problem]
    changes: list[wire.Change]
    plugins: list[str]

    @classmethod
    def of(cls, facts: Explanation) -> FileExplanation:
        name, record, hold, dirty = facts.repository.name, facts.record, facts.hold, facts.dirty
        return cls(
            repository=name,
            root=facts.repository.root,
            path=facts.path,
            state=facts.status.state,
            watched=facts.holder is not None and facts.status.is_watching,
            **_seen(facts.sight),
            record=None if record is None else RecordDetails.of(record, name),
            hold=None if hold is None else Hold(id=hold.id, status=hold.status.value, reason=hold.reason),
            dirty=None if dirty is None else Dirty(**dirty._asdict()),
            problems=[wire.Problem.of(known, name) for known in facts.problems],
            changes=[wire.Change.of(entry, name, facts.epoch) for entry in facts.entries],
            plugins=list(facts.said),
        )


def _seen(sight: Sight) -> dict[str, Any]:
    """What is on the disk."""
    look = sight.look
    verdict = None if look is None else look.verdict
    stat = None if look is None else look.stat
    problem = None if look is None else look.problem
    return {
        "offline": sight.offline,
        "exists": None if look is None else sight.is_directory or stat is not None or not look.gone,
        "is_directory": sight.is_directory,
        "rule": None if verdict is None else Rule(**verdict._asdict()),
        "stat": None if stat is None else Stat(**stat._asdict()),
        "look_problem": None
        if problem is None
        else LookProblem(code=problem.code.value, message=problem.message),
        "differing": list(sight.differing),
        "is_change": sight.is_change,
    }
