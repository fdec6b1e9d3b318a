"""What waits for a person, as rows: decisions first, then repairs, the longest waiting first. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from treeledger import wire
from treeledger.names import shown
from treeledger.tui import texts
from treeledger.tui.columns import Column, heading, row_line, spare, wide_enough, width_of
from treeledger.tui.matters import subject
from treeledger.tui.model import DECISIONS
from treeledger.tui.texts import Line, Piece, Tone
from treeledger.waiting import WaitingKind

_KINDS: Final[Mapping[str, Piece]] = {
    WaitingKind.HELD: Piece("held deletion", Tone.BAD),
    WaitingKind.CORRUPTED: Piece("corrupted", Tone.BAD),
    WaitingKind.OFFLINE: Piece("offline", Tone.WARN),
    WaitingKind.DEGRADED: Piece("degraded", Tone.WARN),
    WaitingKind.DEAD_JOB: Piece("dead job", Tone.WARN),
}
_COLUMNS: Final = (
    Column("Since", 5, rank=2),
    Column("Kind", 13),
    Column("Repository", 10, rank=1),
    Column("What", 24, grows=True),
)


@dataclass(frozen=True, slots=True)
class WaitingTable:
    """Everything that waits."""

    waiting: Sequence[wire.Waiting]
    now: datetime

    def __len__(self) -> int:
        return len(self.waiting)

    def key(self, place: int) -> str:
        return self.waiting[place].key

    def heading(self, width: int) -> Line:
        return heading(self._columns(width), width)

    def _columns(self, width: int) -> Sequence[Column]:
        """Long names take what is left of the least that there is to say."""
        *before, about, what = _COLUMNS
        names = (shown(subject(one)) for one in self.waiting)
        return *before, wide_enough(about, names, about.width + spare(_COLUMNS, width)), what

    def line(self, place: int, width: int, *, marked: bool) -> Line:
        one = self.waiting[place]
        columns = self._columns(width)
        room = width_of("What", columns, width)
        cells = (
            Piece(texts.since(one.since, self.now), Tone.DIM),
            kind(one),
            Piece(shown(subject(one))),
            Piece(texts.wrapped(headline(one), room, 1)[0]),
        )
        return row_line(columns, cells, width, marked=marked)


def in_order(waiting: Sequence[wire.Waiting]) -> list[wire.Waiting]:
    """Decisions first; of each the longest waiting first."""
    return sorted(waiting, key=lambda one: (one.kind not in DECISIONS, one.since, one.key))


def kind(one: wire.Waiting) -> Piece:
    """What it is, in words."""
    return _KINDS.get(one.kind, Piece(shown(one.kind)))


def headline(one: wire.Waiting) -> str:
    """What its message says first, without the name at its begin."""
    message = one.message.removeprefix(f"{subject(one)}: ")
    first = message.partition(". ")[0]
    return first.partition("; ")[0].partition(", though")[0]


def title(waiting: Sequence[wire.Waiting]) -> str:
    """How much waits, and for what."""
    decisions = sum(one.kind in DECISIONS for one in waiting)
    repairs = len(waiting) - decisions
    parts = [f"{decisions:,} {'waits' if decisions == 1 else 'wait'} for a decision"] if decisions else []
    if repairs:
        verb = "" if parts else "waits " if repairs == 1 else "wait "
        parts.append(f"{repairs:,} {verb}for repair")
    return f"Attention: {', '.join(parts) or 'nothing waits for you'}"


def name(one: wire.Waiting) -> str:
    """What a frame around it is called: `Held deletion 17  archive`."""
    number = f" {one.key.partition(':')[2]}" if one.kind == WaitingKind.HELD else ""
    return f"{kind(one).text.capitalize()}{number}  {shown(subject(one))}"
