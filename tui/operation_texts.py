"""Operations as rows, what runs first seen by its bar, and one of them in full. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from treeledger import wire
from treeledger.names import shown
from treeledger.tui import texts
from treeledger.tui.columns import Column, heading, row_line, widths
from treeledger.tui.model import Snapshot
from treeledger.tui.texts import Line, Piece, Tone
from treeledger.units import show_duration
from treeledger.wire_events import Progress

_COLUMNS: Final = (
    Column("Began", 8),
    Column("Repository", 10, rank=1),
    Column("What", 14),
    Column("What came of it", 14, grows=True),
    Column("Took", 8, right=True, rank=2),
)
_RESULT: Final = 3  # of the columns
_STATUSES: Final = {
    "running": Piece("◐ running", Tone.BUSY),
    "completed": Piece("● completed", Tone.GOOD),
    "failed": Piece("▲ failed", Tone.BAD),
    "cancelled": Piece("· cancelled", Tone.DIM),
}
_COUNTS: Final = (
    ("files_added", "added"),
    ("files_updated", "updated"),
    ("files_moved", "moved"),
    ("files_removed", "removed"),
    ("files_hashed", "hashed"),
    ("problems", "problems"),
)


@dataclass(frozen=True, slots=True)
class OperationTable:
    """The newest first."""

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
        result = _result(one, progress, widths(_COLUMNS, width - 2)[_RESULT])
        cells = (
            Piece(texts.clock(one.started, self.now), Tone.DIM),
            Piece(shown(one.repository)),
            Piece(shown(one.type)),
            result,
            Piece(_took(one, self.now), Tone.DIM),
        )
        return row_line(_COLUMNS, cells, width, marked=marked)


def progress_of(snapshot: Snapshot, one: wire.Operation) -> Progress | None:
    """How far an operation is that runs."""
    return None if one.ended is not None else snapshot.running.get((one.repository, one.type))


def _took(one: wire.Operation, now: datetime) -> str:
    if one.duration_ms is not None:
        return show_duration(one.duration_ms / 1000)
    return texts.ago(one.started, now) if one.ended is None else "–"


def _result(one: wire.Operation, progress: Progress | None, width: int) -> Piece:
    if one.error:
        return Piece(shown(one.error), Tone.BAD)
    if one.ended is not None or progress is None:
        return Piece(counts(one) if one.ended is not None else "has begun", Tone.PLAIN)
    done = texts.share(progress.files_scanned, progress.expected)
    if done is None or width < 12:
        return Piece(f"{texts.amount(progress.files_scanned)} files so far", Tone.BUSY)
    full, rest = texts.bar(done, width - 6)
    return Piece(f"{full.text}{rest.text} {texts.percent(done):>5}", Tone.BUSY)


def counts(one: wire.Operation | Progress) -> str:
    """What is not nothing, in words."""
    said = [f"{texts.amount(number)} {word}" for name, word in _COUNTS if (number := getattr(one, name))]
    return ", ".join(said) or f"{texts.amount(one.files_scanned)} files, nothing new"


def operation_lines(
    one: wire.Operation | None,
    progress: Progress | None,
    problems: Sequence[wire.Problem],
    room: tuple[int, int],
) -> list[Line]:
    """An operation in full, and the problems that came with it, in a room of cells and lines."""
    width, height = room
    if one is None:
        return [(Piece("Scans, scrubs and bursts of changes come here.", Tone.DIM),)]
    now = progress or one
    scope = f"below {shown(one.scope)}" if one.scope else "everything"
    lines: list[Line] = [
        (_STATUSES.get(one.status, Piece(shown(one.status))), Piece(texts.elided(f"   {scope}", width - 12))),
        _numbers(now, width),
    ]
    if one.error:
        lines += [(Piece(line, Tone.BAD),) for line in texts.wrapped(one.error, width, 2)]
    for problem in problems[: max(0, height - len(lines))]:
        text = f"{shown(problem.path)}  {shown(problem.message)}"
        lines.append((Piece("▲ ", Tone.WARN), Piece(texts.elided(text, width - 2))))
    return lines


def _numbers(now: wire.Operation | Progress, width: int) -> Line:
    said = f"{texts.amount(now.files_scanned)} files looked at, {counts(now)}"
    size = f", {texts.size(now.bytes_hashed)} read" if now.bytes_hashed else ""
    return (Piece(texts.elided(said + size, width)),)
