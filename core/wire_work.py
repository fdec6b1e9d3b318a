"""Work that one program asks of another's engine, as JSON: what the command line hands over."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec

from treeledger import model, wire
from treeledger.api.routing import Form
from treeledger.engine.budget import DEFAULT_BUDGET, Budget
from treeledger.engine.scrub import ScrubRequest
from treeledger.engine.scrubbing import Judged, Scrubbed
from treeledger.engine.seeding import Seeded

MOST_HASHES: Final = 10_000  # in one request
Positive = Annotated[float, msgspec.Meta(gt=0)]
Count = Annotated[int, msgspec.Meta(ge=1)]


class Engine(wire.Form, frozen=True, kw_only=True):
    """Whose engine it is that answers: `owner` is the name under which it has the ledger."""

    owner: str
    command: str


class Empty(Form, frozen=True, kw_only=True):
    """Nothing has to be said."""


class Counted(wire.Form, frozen=True, kw_only=True):
    """How far some work is."""

    files_scanned: int
    files_added: int
    files_updated: int
    files_removed: int
    files_moved: int
    files_unchanged: int
    files_hashed: int
    bytes_hashed: int
    problems: int

    @classmethod
    def of(cls, counts: model.Counts) -> Counted:
        return cls(**wire.counted(counts))


class ScanAsked(Form, frozen=True, kw_only=True):
    """A scan of some parts of a repository; with `wait`, until all is hashed."""

    prefixes: list[str] = msgspec.field(default_factory=lambda: [""])
    rehash: bool = False
    wait: bool = True


class ScrubAsked(Form, frozen=True, kw_only=True):
    """A scrub: of what, how much of it (the first limit ends it; an hour if there is none), how fast.

    `rate` in bytes a second; `older_than` in seconds.
    """

    prefixes: list[str] = msgspec.field(default_factory=lambda: [""])
    percent: Annotated[float, msgspec.Meta(gt=0, le=100)] | None = None
    files: Count | None = None
    bytes: Count | None = None
    seconds: Positive | None = None
    rate: Positive | None = None
    older_than: Annotated[float, msgspec.Meta(ge=0)] = 0.0

    @classmethod
    def of(cls, request: ScrubRequest) -> ScrubAsked:
        budget = request.budget
        return cls(
            prefixes=list(request.prefixes),
            percent=budget.percent,
            files=budget.files,
            bytes=budget.bytes,
            seconds=budget.seconds,
            rate=request.rate,
            older_than=request.older_than,
        )

    def request(self) -> ScrubRequest:
        given = Budget(self.percent, self.files, self.bytes, self.seconds)
        budget = DEFAULT_BUDGET if given == Budget() else given
        return ScrubRequest(tuple(self.prefixes), budget, self.rate, self.older_than)


class ScrubDone(wire.Form, frozen=True, kw_only=True):
    """What a scrub found; see `treeledger.engine.scrubbing.Scrubbed`."""

    operation: wire.Operation
    files: int
    bytes: int
    corrupted: int
    modified: int
    unreadable: int
    ended: str | None

    @classmethod
    def of(cls, done: Scrubbed, repository: str) -> ScrubDone:
        return cls(
            operation=wire.Operation.of(done.operation, repository),
            files=done.files,
            bytes=done.bytes,
            corrupted=done.corrupted,
            modified=done.modified,
            unreadable=done.unreadable,
            ended=done.ended,
        )


class PathsAsked(Form, frozen=True, kw_only=True):
    """Paths in a repository, in stored form."""

    paths: Annotated[list[str], msgspec.Meta(min_length=1)]


class JudgedFile(wire.Form, frozen=True, kw_only=True):
    """A corrupted record, before and after a person's word on it."""

    before: wire.Record
    after: wire.Record

    @classmethod
    def of(cls, judged: Judged, repository: str) -> JudgedFile:
        before, after = (wire.Record.of(record, repository) for record in judged)
        return cls(before=before, after=after)


class JudgedFiles(wire.Form, frozen=True, kw_only=True):
    """In the order in which they were named."""

    items: list[JudgedFile]


class HashesAsked(Form, frozen=True, kw_only=True):
    """Digests by path (stored form), to be taken for files that were not read yet."""

    algorithm: str
    hashes: Annotated[dict[str, str], msgspec.Meta(max_length=MOST_HASHES)]


class Differing(wire.Form, frozen=True, kw_only=True):
    """A path whose recorded hash is not the listed one."""

    path: str
    listed: str
    recorded: str


class HashesTaken(wire.Form, frozen=True, kw_only=True):
    """What became of a list of hashes; see `treeledger.engine.seeding.Seeded`."""

    seeded: int
    known: int
    unknown: int
    differing: list[Differing]

    @classmethod
    def of(cls, seeded: Seeded) -> HashesTaken:
        differing = [Differing(**one._asdict()) for one in seeded.differing]
        return cls(seeded=seeded.seeded, known=seeded.known, unknown=seeded.unknown, differing=differing)


class Removed(wire.Form, frozen=True, kw_only=True):
    """How many records ended."""

    removed: int


class Relocated(wire.Form, frozen=True, kw_only=True):
    """Where a repository's files are now."""

    name: str
    root: str
