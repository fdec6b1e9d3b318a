"""Work that one program asks of another's engine, as JSON: what the command line hands over."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Final

import msgspec

from treeledger import model, wire
from treeledger.api.routing import Form
from treeledger.engine.budget import DEFAULT_BUDGET, Budget
from treeledger.wire_asked import Limits

if TYPE_CHECKING:
    from treeledger.engine.scrub import ScrubRequest
    from treeledger.engine.scrubbing import Judged, Scrubbed
    from treeledger.engine.seeding import Seeded

MOST_HASHES: Final = 10_000  # in one request


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


class ScrubAsked(Limits, frozen=True, kw_only=True):
    """A scrub of some parts of a repository."""

    prefixes: list[str] = msgspec.field(default_factory=lambda: [""])

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


def scrub_request(limits: Limits, prefixes: Sequence[str]) -> ScrubRequest:
    """A scrub within limits, the usual one if there are none, as the engine takes it."""
    from treeledger.engine.scrub import ScrubRequest

    given = Budget(limits.percent, limits.files, limits.bytes, limits.seconds)
    budget = DEFAULT_BUDGET if given == Budget() else given
    return ScrubRequest(tuple(prefixes), budget, limits.rate, limits.older_than)


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
