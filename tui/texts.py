"""How values look in the cells and lines of the dashboard: pure, as drawn, and safe for a terminal.

Meaning is in glyphs and words; a `Tone` only repeats it in colour.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from rich.cells import cell_len

from treeledger import wire
from treeledger.cells import BLOCKS as BLOCKS
from treeledger.cells import elided as elided
from treeledger.cells import fitted as fitted
from treeledger.cells import spark as spark
from treeledger.cells import wrapped as wrapped
from treeledger.model import OperationType
from treeledger.names import shown
from treeledger.protocols.panels import Line as Line
from treeledger.protocols.panels import Piece as Piece
from treeledger.protocols.panels import Tone as Tone
from treeledger.units import show_size
from treeledger.wire_events import Progress

LABEL: Final = 10
"""Cells for what a line is about, where it is told what one thing is like."""
_STATES: Final = {
    "watching": Piece("● watching", Tone.GOOD),
    "scanning": Piece("◐ scanning", Tone.BUSY),
    "held": Piece("■ held", Tone.BAD),
    "degraded": Piece("▲ degraded", Tone.WARN),
    "offline": Piece("○ offline", Tone.WARN),
    "paused": Piece("‖ paused", Tone.DIM),
    "stopped": Piece("· stopped", Tone.DIM),
}
_KINDS: Final = {
    "added": Tone.GOOD,
    "restored": Tone.GOOD,
    "modified": Tone.WARN,
    "accepted": Tone.WARN,
    "moved": Tone.BUSY,
    "missing": Tone.WARN,
    "deleted": Tone.BAD,
    "corrupted": Tone.BAD,
}
_UPCOMING: Final = {
    "held": Piece("needs you", Tone.BAD),
    "offline": Piece("when back", Tone.DIM),
    "paused": Piece("on resume", Tone.DIM),
    "stopped": Piece("–", Tone.DIM),
}


def state(name: str) -> Piece:
    """A repository's state: a glyph and the word."""
    return _STATES.get(name, Piece(f"· {shown(name)}", Tone.DIM))


def past(moment: datetime | None, now: datetime) -> str:
    """A time that was, in ten cells: the clock today, then "yesterday", "3 d ago", the date."""
    if moment is None:
        return "never"
    local = moment.astimezone(now.tzinfo)
    days = (now.date() - local.date()).days
    if days <= 0:
        return local.strftime("%H:%M")
    if days == 1:
        return "yesterday"
    return f"{days} d ago" if days < 31 else local.strftime("%Y-%m-%d")


def since(moment: datetime, now: datetime) -> str:
    """Since when something waits, in five cells: the clock today, else in days."""
    local = moment.astimezone(now.tzinfo)
    days = (now.date() - local.date()).days
    return local.strftime("%H:%M") if days <= 0 else f"{min(days, 999)} d"


def coming(moment: datetime | None, now: datetime) -> str:
    """A time to come, in ten cells: the clock within a day, then in days."""
    if moment is None:
        return "–"
    left = moment - now
    if left < timedelta(hours=24):
        return moment.astimezone(now.tzinfo).strftime("%H:%M")
    return f"in {left.days} d"


def clock(moment: datetime, now: datetime) -> str:
    """When a change was, in eight cells: to the second today, else the day, of another year the month."""
    local = moment.astimezone(now.tzinfo)
    if local.date() == now.date():
        return local.strftime("%H:%M:%S")
    return local.strftime("%d %b" if local.year == now.year else "%b %Y")


def dated(moment: datetime, now: datetime) -> str:
    """As `clock`, in sixteen cells: of another day with the year, to the minute."""
    local = moment.astimezone(now.tzinfo)
    return local.strftime("%H:%M:%S" if local.date() == now.date() else "%Y-%m-%d %H:%M")


def ago(moment: datetime, now: datetime) -> str:
    """How long it is since: `0.4 s`, `17 s`, `5 m`, `3 h`, `2 d`."""
    seconds = max(0.0, (now - moment).total_seconds())
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    for unit, size, most in (("s", 1, 60), ("m", 60, 3600), ("h", 3600, 86400)):
        if seconds < most:
            return f"{int(seconds // size)} {unit}"
    return f"{int(seconds // 86400)} d"


def left(seconds: float) -> str:
    """How long something will take, in seven cells: `17 s`, `12 m`, `1 h 41`, `3 d`."""
    if seconds < 59.5:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} m"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02}" if hours < 24 else f"{hours // 24} d"


def next_scan(repository: wire.Repository, progress: Sequence[Progress], now: datetime) -> Piece:
    """When a repository is scanned next, or how far the scan is that runs."""
    scan = next((one for one in progress if one.type != OperationType.REALTIME), None)
    if scan is not None:
        done = share(scan.files_scanned, scan.expected)
        return Piece("now" if done is None else f"now, {percent(done)}", Tone.BUSY)
    if repository.state == "scanning":
        return Piece("now", Tone.BUSY)
    return _UPCOMING.get(repository.state) or Piece(coming(repository.next_reconciliation, now))


def share(done: float, expected: float) -> float | None:
    """How much of what was expected is done, 1 at most; None if nothing was."""
    return min(1.0, done / expected) if expected > 0 else None


def percent(share: float) -> str:
    """Only what is done is 100 %."""
    return f"{int(share * 100)} %"


def hashed(repository: wire.Repository) -> Piece:
    """How many of its files have their hash."""
    done = share(repository.hashed, repository.files)
    return Piece("–", Tone.DIM) if done is None else Piece(percent(done))


def bar(share: float, width: int) -> Line:
    """A bar in half cells: what is done, what is left."""
    halves = round(max(0.0, min(1.0, share)) * width * 2)
    full, half = divmod(halves, 2)
    done = "━" * full + "╸" * half
    return Piece(done, Tone.BUSY), Piece("─" * (width - full - half), Tone.DIM)


def rate(value: float) -> str:
    """A number a second, in few digits."""
    return f"{value:.1f}" if 0 < value < 9.95 else f"{value:,.0f}"


def kind(name: str) -> Piece:
    """What a change is, in one word."""
    return Piece(shown(name), _KINDS.get(name, Tone.DIM))


def short_hash(change: wire.Change) -> Piece:
    """The first eight digits; a file that was moved or left has no new one."""
    if change.hash is not None:
        return Piece(change.hash[:8], Tone.DIM)
    return Piece("" if change.kind in ("ignored", "missing", "deleted") else "pending", Tone.DIM)


def path(change: wire.Change, width: int) -> str:
    """The path of a change, a move as `old → new`, in at most so many cells."""
    now = shown(change.path)
    if change.path_before is None or change.path_before == change.path:
        return elided(now, width)
    before = shown(change.path_before)
    room = width - 3
    if cell_len(before) + cell_len(now) > room:
        before = elided(before, max(room // 2, room - cell_len(now)))
        now = elided(now, room - cell_len(before))
    return f"{before} → {now}" if room > 2 else elided(now, width)


def labelled(label: str, text: str, width: int, most: int, tone: Tone = Tone.PLAIN) -> list[Line]:
    """What a text is about and beside it the text, in so many lines at most; ten cells wide at least."""
    first, *more = wrapped(text, max(10, width - LABEL), most)
    return [
        (Piece(fitted(label, LABEL), Tone.DIM), Piece(first, tone)),
        *((Piece(" " * LABEL), Piece(line, tone)) for line in more),
    ]


def size(value: float) -> str:
    return show_size(value)


def amount(value: int, *, most: int = 9_999_999) -> str:
    """A number with its thousands; a great one in millions, as it would not fit."""
    return f"{value:,}" if value <= most else f"{value / 1_000_000:,.0f} M"
