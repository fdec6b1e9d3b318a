"""One thing that waits, in full: what it is, what is safe, what it is made of, what can be done. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from treeledger import wire
from treeledger.names import shown
from treeledger.tui import texts
from treeledger.tui.matter_tables import table_of
from treeledger.tui.matters import CorruptedMatter, DeadMatter, HeldMatter, Matter, subject
from treeledger.tui.texts import Line, Piece, Tone
from treeledger.tui.waiting_texts import headline
from treeledger.units import show_number
from treeledger.waiting import WaitingKind

_MOST_LINES: Final = 12  # of a message
_WIDEST: Final = 120  # cells that lines of text take, however wide the screen is
_FEWEST_ROWS: Final = 2  # a heading and a row; where there is less room, none is shown
_ABOUT_CORRUPTED: Final = (
    "The good hashes are kept. Restore the good contents from a copy, or accept what they hold now."
)
_ABOUT_DEAD: Final = "Nothing is lost. Mend what was in the way, then try them again."
_NOTHING: Final = (
    "Held deletions, repositories in trouble, corrupted files and dead jobs come here.",
    "Whatever waits, nothing is deleted meanwhile.",
)


def preview(
    one: wire.Waiting | None, matter: Matter | None, room: tuple[int, int], now: datetime
) -> list[Line]:
    """One thing in a room of so many cells and lines: what it is, as much of it as fits, what to do."""
    width, height = room
    if one is None:
        return [(Piece(line, Tone.DIM),) for text in _NOTHING for line in texts.wrapped(text, width, 2)]
    said, keys = summary(one, matter, width, now), key_lines(one, matter, width)
    middle = _middle(matter, width, height - len(said) - len(keys), now)
    gap: list[Line] = [()] if len(said) + len(middle) + len(keys) < height else []
    return [*said, *middle, *gap, *keys][:height]


def _middle(matter: Matter | None, width: int, room: int, now: datetime) -> list[Line]:
    """Rows and a sample, set off by empty lines; where room is short, first those go, then the sample."""
    sample = _sample(matter, width)
    choices: list[list[Line]] = []
    for above, some, below in ((1, sample, 1), (1, sample, 0), (0, sample, 0), (0, [], 0)):
        rows = _rows(matter, width, room - above - len(some) - below, now)
        choices.append([*([()] * above), *rows, *some] if rows else [])
    return next((one for one in choices if one), [])


def summary(one: wire.Waiting, matter: Matter | None, width: int, now: datetime) -> list[Line]:
    """What it is, and what is safe."""
    width = min(width, _WIDEST)
    match matter:
        case HeldMatter():
            bad, more = _held(matter, now)
        case CorruptedMatter():
            bad, more = f"{_first(one)}, though nothing was written.", _ABOUT_CORRUPTED
        case DeadMatter():
            bad, more = f"{_first(one)}.", _ABOUT_DEAD
        case _:
            bad, more = "", one.message.removeprefix(f"{subject(one)}: ")
    lines = texts.wrapped(bad, width, 2) if bad else []
    return [
        *((Piece(line, Tone.BAD),) for line in lines),
        *((Piece(line),) for line in texts.wrapped(more, width, _MOST_LINES)),
    ]


def _held(matter: HeldMatter, now: datetime) -> tuple[str, str]:
    hold, contents = matter.hold, matter.contents
    share = texts.share(contents.files, hold.live) or 0.0
    size = f", {texts.size(contents.bytes)}" if contents.bytes else ""
    gone = f"{contents.files:,} of {show_number(hold.live, 'file')} ({texts.percent(share)}{size}) are gone."
    limit = hold.reason.partition("; more than ")[2].removesuffix(" needs your word")
    said = [
        _seen(contents.first_seen, contents.last_seen, now) + (f", limit {limit}." if limit else "."),
        *_since_then(hold.gone, contents.files),
        "Nothing has been deleted.",
    ]
    return gone, " ".join(said)


def _seen(first: datetime | None, last: datetime | None, now: datetime) -> str:
    if first is None or last is None:
        return "Seen a moment ago"
    begin, end = texts.clock(first, now), texts.clock(last, now)
    return f"Seen {begin} to {end}" if begin != end else f"Seen {begin}"


def _since_then(gone: int, held: int) -> list[str]:
    """How it changed since it was held."""
    if held == gone:
        return []
    if held < gone:
        return [f"{gone - held:,} came back since."]
    return [f"{held - gone:,} more went since."]


def _first(one: wire.Waiting) -> str:
    text = headline(one)
    return text[:1].upper() + text[1:]


def key_lines(one: wire.Waiting, matter: Matter | None, width: int) -> list[Line]:
    """What can be done about it: the key, then what it does."""
    return [
        (Piece(f"{key}  ", Tone.STRONG), Piece(texts.wrapped(text, max(1, width - 3), 1)[0]))
        for key, text in _keys(one, matter)
    ]


def _keys(one: wire.Waiting, matter: Matter | None) -> list[tuple[str, str]]:
    match one.kind:
        case WaitingKind.HELD:
            kept = matter.kept if isinstance(matter, HeldMatter) else ""
            kept = f"kept {kept}, " if kept else ""
            return [
                ("A", f"Approve: records become deleted; {kept}restored if files return"),
                ("R", "Reject: records stay missing; asks again only if more files go"),
                ("s", "Scan again now: if the files are back, this closes by itself"),
            ]
        case WaitingKind.CORRUPTED:
            return [
                ("A", "Accept all: what they hold now is right from now on"),
                ("s", "Scan again now: what was restored is seen, and waits no longer"),
            ]
        case WaitingKind.DEAD_JOB:
            return [
                ("t", "Try all of them again now"),
                ("C", "Clear all of them: what they were to do is never done"),
            ]
        case WaitingKind.OFFLINE:
            return [("s", "Look now whether it is back")] if one.repository else []
        case _:
            return [("s", "Scan now")] if one.repository else []


def _rows(matter: Matter | None, width: int, room: int, now: datetime) -> list[Line]:
    """As many rows as there is room for, the last line for the rest together."""
    table = None if matter is None else table_of(matter, now)
    if table is None or not len(table) or room < _FEWEST_ROWS:
        return []
    fits = len(table) + 1 <= room
    shown_rows = len(table) if fits else room - 2
    if shown_rows < 1:
        return []
    lines = [table.heading(width), *(table.line(n, width, marked=False) for n in range(shown_rows))]
    if not fits:
        rest = texts.wrapped(f"{table.rest(shown_rows)}; enter shows all", max(1, width - 2), 1)[0]
        lines.append((Piece(f"  {rest}", Tone.DIM),))
    return lines


def _sample(matter: Matter | None, width: int) -> list[Line]:
    if not isinstance(matter, HeldMatter) or not matter.contents.sample:
        return []
    text = "e.g. " + ", ".join(shown(path) for path in matter.contents.sample)
    return [(Piece("  " + texts.wrapped(text, max(1, width - 2), 1)[0], Tone.DIM),)]
