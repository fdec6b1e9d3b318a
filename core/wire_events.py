"""What the streams of the API tell, as JSON: the journal, and what goes on in the engine; and its log."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

import msgspec

from treeledger import model, wire
from treeledger.engine import hub

LogLevel = Literal["debug", "info", "warning", "error"]


class Changes(wire.Form, frozen=True, kw_only=True):
    """A page of the journal, in order. `next` asks for what follows now, None at the end; `head` is the
    cursor of the journal's last entry."""

    items: list[wire.Change]
    next: str | None
    head: str


class Afresh(wire.Form, frozen=True, kw_only=True):
    """It cannot be gone on from where the reader was: list what there is, then go on from `cursor`."""

    cursor: str
    message: str


class Progress(wire.Form, frozen=True, kw_only=True):
    """How far an operation is. `expected`: the files on record before; `seconds` since it began."""

    repository: str
    type: str
    expected: int
    seconds: float
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
    def of(cls, progress: hub.Progress) -> Progress:
        return cls(
            repository=progress.repository.name,
            type=progress.type.value,
            expected=progress.expected,
            seconds=progress.seconds,
            **wire.counted(progress.counts),
        )


class State(wire.Form, frozen=True, kw_only=True):
    """A repository is in another state now; `message` says why and what to do."""

    repository: str
    state: str
    message: str


class Health(wire.Form, frozen=True, kw_only=True):
    """How a repository's watch is."""

    repository: str
    health: dict[str, Any]


class Attention(wire.Form, frozen=True, kw_only=True):
    """What waits for a person is other things now, so many of them: see /api/attention."""

    waiting: int


class Connected(wire.Form, frozen=True, kw_only=True):
    """What is told from now on comes; what was before, is to be asked for."""


class LogRecord(wire.Form, frozen=True, kw_only=True):
    """One record of the log; `n` grows, from one run to the next, too."""

    n: int
    ts: datetime
    level: str
    logger: str
    message: str
    repository: str | None
    exception: str | None


class LogPage(wire.Form, frozen=True, kw_only=True):
    """Records in their order; `next` is what to ask for with `after` to go on.

    `kept` is how many of the last ones the engine has in memory, 0 if it keeps none; `file` where it writes
    all of them, None if it writes no file.
    """

    items: list[LogRecord]
    next: int
    kept: int
    file: str | None


FORMS: dict[str, type[msgspec.Struct]] = {
    "connected": Connected,
    "began": wire.Operation,
    "progress": Progress,
    "finished": wire.Operation,
    "state": State,
    "health": Health,
    "attention": Attention,
    "afresh": Afresh,
}


def counts_from(form: Progress | wire.Operation) -> model.Counts:
    """The counts that a form carries."""
    return model.Counts(**{name: getattr(form, name) for name in model.Counts.__slots__})
