"""Operations as rows, what runs first and seen by its bar, and one of them in full. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from treeledger import wire
from treeledger.model import OperationStatus, OperationType
from treeledger.names import shown
from treeledger.tui import texts
from treeledger.tui.columns import Column, heading, row_line, width_of
from treeledger.tui.details import progress_line
from treeledger.tui.model import Snapshot
from treeledger.tui.texts import Line, Piece, Tone
from treeledger.units import show_duration, show_number
from treeledger.wire_events import Progress

BURST: Final = OperationType.REALTIME
_COLUMNS: Final = (
    Column("Began", 8),
    Column("Repository", 10, rank=1),
    Column("Operation", 16),
    Column("Result", 14, grows=True),
    Column("Took", 7, right=True, rank=2),
)
_MINUTE: Final = 59.5  # seconds; from there on a span is told in minutes
_BAR: Final = 40  # cells, at most
_STATUSES: Final[Mapping[str, Piece]] = {
    OperationStatus.RUNNING: Piece("◐", Tone.BUSY),
    OperationStatus.COMPLETED: Piece("●", Tone.GOOD),
    OperationStatus.FAILED: Piece("▲", Tone.BAD),
}
_COUNTS: Final = (
    ("files_added", "added"),
    ("files_updated", "updated"),
    ("files_moved", "moved"),
    ("files_removed", "removed"),
    ("files_hashed", "hashed"),
)


@dataclass(frozen=True, slots=True)
class OperationTable:
    """Operations in the order that they are given in."""

    snapshot: Snapshot
    operations: Sequence[wire.Operation]
    now: datetime

    def __len__(self) -> int:
        return len(self.operations)

    def key(self, place: int) -> int:
        return self.operations[place].id

    def heading(self, width: int) -> Line:
        return heading(_COLUMNS, width)

    def line(self, place: int, width: int, *, marked: bool) -> Line:
        one = self.operations[place]
        progress = progress_of(self.snapshot, one)
        room = width_of("Result", _COLUMNS, width)
        cells = (
            Piece(texts.clock(one.started, self.now), Tone.DIM),
            Piece(shown(one.repository)),
            status(one, one.type),
            _result(one, progress, room),
            Piece(_took(one, self.now), Tone.DIM),
        )
        return row_line(_COLUMNS, cells, width, marked=marked)


def in_order(
    live: Iterable[wire.Operation], older: Iterable[wire.Operation], *, bursts: bool
) -> list[wire.Operation]:
    """What runs, then the newest; each once, as the snapshot has it. `bursts`: those of changes as well."""
    by_id = {one.id: one for one in (*older, *live) if bursts or one.type != BURST}
    return sorted(by_id.values(), key=lambda one: (one.ended is not None, -one.id))


def progress_of(snapshot: Snapshot, one: wire.Operation) -> Progress | None:
    """How far an operation is that runs."""
    return None if one.ended is not None else snapshot.running.get((one.repository, one.type))


def status(one: wire.Operation, text: str) -> Piece:
    """A text with the glyph of its status before it."""
    glyph, tone = _STATUSES.get(one.status, Piece("·", Tone.DIM))
    return Piece(f"{glyph} {shown(text)}", tone)


def _took(one: wire.Operation, now: datetime) -> str:
    if one.duration_ms is not None:
        seconds = one.duration_ms / 1000
        if one.duration_ms < 1000:
            return f"{one.duration_ms} ms"
        return show_duration(seconds) if seconds < _MINUTE else texts.left(seconds)
    return texts.ago(one.started, now) if one.ended is None else "–"


def _result(one: wire.Operation, progress: Progress | None, width: int) -> Piece:
    if one.error:
        return Piece(texts.wrapped(one.error, width, 1)[0], Tone.BAD)
    if one.ended is None:
        return _so_far(progress, width)
    said = texts.wrapped(counts(one), width, 1)[0]
    return Piece(said, Tone.WARN if one.problems else Tone.PLAIN)


def _so_far(progress: Progress | None, width: int) -> Piece:
    if progress is None:
        return Piece("has begun", Tone.BUSY)
    done = texts.share(progress.files_scanned, progress.expected)
    if done is None or done >= 1 or progress.type in (OperationType.SCRUB, BURST) or width < 12:
        return Piece(texts.wrapped(f"so far: {counts(progress)}", width, 1)[0], Tone.BUSY)
    full, rest = texts.bar(done, min(_BAR, width - 6))
    return Piece(f"{full.text}{rest.text} {texts.percent(done):>5}", Tone.BUSY)


def counts(one: wire.Operation | Progress) -> str:
    """What is not nothing, in words; of a scrub what was read."""
    read = [f"{texts.size(one.bytes_hashed)} read"] if one.type == OperationType.SCRUB else []
    said = read or _news(one) or [_nothing(one)]
    if one.problems:
        said.append(show_number(one.problems, "problem"))
    return ", ".join(said)


def _nothing(one: wire.Operation | Progress) -> str:
    """A burst counts neither the files that it found as they were nor those that are missing since."""
    if not _is_complete(one):
        return show_number(one.files_scanned, "file")
    if one.type == BURST:
        return "nothing added or changed"
    return f"{show_number(one.files_scanned, 'file')}, nothing new"


def _is_complete(one: wire.Operation | Progress) -> bool:
    """Only of what is completed it is known that there is nothing new: what is found is committed later."""
    return isinstance(one, wire.Operation) and one.status == OperationStatus.COMPLETED


def _news(one: wire.Operation | Progress) -> list[str]:
    return [f"{texts.amount(number)} {word}" for name, word in _COUNTS if (number := getattr(one, name))]


def operation_lines(
    one: wire.Operation | None, progress: Progress | None, width: int, now: datetime, *, is_open: bool = False
) -> list[Line]:
    """An operation in full. `is_open`: its problems are listed beside."""
    if one is None:
        return [(Piece("Scans, scrubs and bursts of changes come here.", Tone.DIM),)]
    lines: list[Line] = [_headline(one, width, now)]
    if progress is not None and progress.type != OperationType.SCRUB:
        lines.append(progress_line(progress, width))
    lines.append((Piece(texts.wrapped(_all_counts(progress or one), width, 1)[0]),))
    if one.error:
        lines += [(Piece(line, Tone.BAD),) for line in texts.wrapped(one.error, width, 2)]
    elif one.problems or (progress is not None and progress.problems):
        met = show_number((progress or one).problems, "problem")
        hint = "" if is_open else "; enter shows them, and what to do"
        lines.append((Piece(f"▲ {met} met", Tone.WARN), Piece(hint, Tone.DIM)))
    return lines


def _headline(one: wire.Operation, width: int, now: datetime) -> Line:
    head = status(one, one.status)
    began, ended = texts.dated(one.started, now), one.ended
    span = began
    if ended is None:
        span = f"since {began}"
    elif (until := texts.dated(ended, now)) != began:
        span += f" to {until.removeprefix(began.partition(' ')[0]).lstrip()}"
    span += f", {_took(one, now)}"
    scope = f"below {shown(one.scope)}" if one.scope else "everything"
    room = max(1, width - len(head.text) - len(span) - 6)
    return head, Piece(f"   {span}   "), Piece(texts.elided(scope, room), Tone.DIM)


def _all_counts(one: wire.Operation | Progress) -> str:
    size = texts.size(one.bytes_hashed)
    if one.type == OperationType.SCRUB:
        modified = f", {one.files_updated:,} modified" if one.files_updated else ""
        return f"{show_number(one.files_hashed, 'file')} read again, {size}{modified}"
    news = _news(one)
    if _is_complete(one) and not news:
        if one.type == BURST:
            return "Nothing was added or changed; what went is missing, and may come back."
        news = ["nothing new"]
    looked = f"{show_number(one.files_scanned, 'file')} looked at"
    read = [f"{size} read"] if one.bytes_hashed else []
    return f"{looked}: {', '.join((*news, *read))}" if news or read else looked
