"""The engine's log: its last records, as lines that can be searched, and one in full. Pure."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Final, NamedTuple

from treeledger.cells import cut
from treeledger.names import shown
from treeledger.tui import texts
from treeledger.tui.texts import Line, Piece, Tone
from treeledger.units import show_number
from treeledger.wire_events import LogPage, LogRecord

MOST: Final = 5000  # records that are held
LEVELS: Final = ("debug", "info", "warning", "error")
_TONES: Final = {"debug": Tone.DIM, "info": Tone.DIM, "warning": Tone.WARN, "error": Tone.BAD}
_SIGNS: Final = {"warning": "▲ warning", "error": "■ error", "critical": "■ error"}
_MARKS: Final = 2  # cells: what is chosen, what was found
_TIME: Final = 10
_LEVEL: Final = 11
_MOST_LINES: Final = 50  # of one record that is wrapped


class Tail(NamedTuple):
    """The last records in order, `after` the place to go on from, and where the engine keeps its log."""

    records: tuple[LogRecord, ...] = ()
    after: int = 0
    kept: int | None = None  # None: not asked yet
    file: str | None = None

    def grown(self, page: LogPage) -> Tail:
        """With what came, and in its place how many came too fast to be read; the oldest are let go."""
        records = self.records
        known = () if self.after else {one.n for one in records}
        if items := [one for one in page.items if one.n not in known]:
            missed = items[0].n - self.after - 1 if self.after else 0
            gap = (_gap(items[0], missed),) if missed > 0 else ()
            records = (*records, *gap, *items)[-MOST:]
        return Tail(records, page.next, page.kept, page.file)

    def of_another_run(self) -> Tail:
        """To go on with what another engine logged: its records are numbered anew."""
        return self._replace(after=0)


def _gap(before: LogRecord, missed: int) -> LogRecord:
    """What stands for records that the engine had let go before they were asked for."""
    return LogRecord(
        n=before.n - 1,
        ts=before.ts,
        level="warning",
        logger=__name__,
        message=f"{show_number(missed, 'record')} before this came too fast to be shown here",
        repository=None,
        exception=None,
    )


def of_level(records: Sequence[LogRecord], least: str) -> list[LogRecord]:
    """Those of a level at least; a level that is none of ours is the highest."""
    rank = LEVELS.index(least)
    return [one for one in records if one.level not in LEVELS or LEVELS.index(one.level) >= rank]


@lru_cache(maxsize=2 * MOST)
def message(one: LogRecord) -> str:
    """What it says, in one line: the repository, the message, and how a traceback ends."""
    about = f"{shown(one.repository)}: " if one.repository is not None else ""
    end = one.exception.rstrip().rpartition("\n")[2] if one.exception else ""
    return f"{about}{shown(one.message)}{' – ' + shown(end) if end else ''}"


def hits(records: Sequence[LogRecord], text: str) -> list[int]:
    """The places of the records that have the text, in any case of letters."""
    needle = text.casefold()
    return [place for place, one in enumerate(records) if needle in message(one).casefold()] if needle else []


@lru_cache(maxsize=2 * MOST)
def parts(one: LogRecord, width: int) -> tuple[str, ...]:
    """A message in lines of so many cells."""
    return tuple(texts.wrapped(message(one), max(10, width), _MOST_LINES))


@dataclass(frozen=True, slots=True)
class LogTable:
    """A line for each record, or several if they are wrapped; `rows` are places of records and of lines."""

    records: Sequence[LogRecord]
    rows: Sequence[tuple[int, int]]
    search: str
    is_wrapped: bool
    now: datetime

    @classmethod
    def of(
        cls, records: Sequence[LogRecord], now: datetime, width: int, *, search: str = "", wrap: bool = False
    ) -> LogTable:
        """`width` is what the lines will have."""
        if not wrap:
            return cls(records, [(place, 0) for place in range(len(records))], search, False, now)
        room = _room(width)
        rows = [(place, part) for place, one in enumerate(records) for part in range(len(parts(one, room)))]
        return cls(records, rows, search, True, now)

    def row_of(self, record: int) -> int:
        """The row that begins a record."""
        return bisect_left(self.rows, (record, 0))

    def __len__(self) -> int:
        return len(self.rows)

    def key(self, place: int) -> tuple[int, int]:
        record, part = self.rows[place]
        return self.records[record].n, part

    def heading(self, width: int) -> Line:
        begin = " " * _MARKS + texts.fitted("Time", _TIME) + texts.fitted("Level", _LEVEL)
        return cut((Piece(f"{begin}Message", Tone.DIM),), width)

    def line(self, place: int, width: int, *, marked: bool) -> Line:
        number, part = self.rows[place]
        one, room = self.records[number], _room(width)
        if self.is_wrapped:
            found = parts(one, room)
            text = found[part] if part < len(found) else ""
        else:
            text = message(one)
        is_hit = bool(self.search) and self.search.casefold() in message(one).casefold()
        tone = _TONES.get(one.level, Tone.BAD)
        signs = f"{'▸' if marked else ' '}{'/' if is_hit and not part else ' '}"
        when = texts.clock(one.ts, self.now) if not part else ""
        level = _SIGNS.get(one.level, f"  {shown(one.level)}") if not part else ""
        begin = (
            Piece(signs, Tone.STRONG),
            Piece(texts.fitted(when, _TIME), Tone.DIM),
            Piece(texts.fitted(level, _LEVEL), tone),
        )
        plain = Tone.PLAIN if tone is Tone.DIM else tone
        return cut((*begin, *highlighted(text, self.search, plain)), width)


def _room(width: int) -> int:
    return max(1, width - _MARKS - _TIME - _LEVEL)


def highlighted(text: str, search: str, tone: Tone) -> Line:
    """The text with what was searched for in it in another tone."""
    needle, folded = search.casefold(), text.casefold()
    if not needle or len(folded) != len(text):  # some letters are several in another case
        return (Piece(text, tone),)
    pieces: list[Piece] = []
    begin = 0
    while (found := folded.find(needle, begin)) >= 0:
        end = found + len(needle)
        pieces += [Piece(text[begin:found], tone), Piece(text[found:end], Tone.STRONG)]
        begin = end
    return *(piece for piece in pieces if piece.text), Piece(text[begin:], tone)


def where_line(tail: Tail, width: int) -> Line:
    """Where the log is."""
    if tail.kept is None:
        return ()
    if not tail.kept:
        return cut((Piece(" This engine keeps no log that could be shown here.", Tone.WARN),), width)
    if tail.file is not None:
        return cut((Piece(" All of it is in ", Tone.DIM), Piece(shown(tail.file))), width)
    end = "it writes no file." if tail.records else "nothing was logged yet."
    return cut((Piece(f" In memory only, the last {tail.kept:,} records; {end}", Tone.DIM),), width)


def facts_of(one: LogRecord) -> list[tuple[str, str]]:
    """Everything that is known of a record."""
    facts = [("time", one.ts.astimezone().isoformat()), ("level", one.level), ("logger", one.logger)]
    if one.repository is not None:
        facts.append(("repository", one.repository))
    facts.append(("message", one.message))
    if one.exception is not None:
        facts.append(("exception", one.exception))
    return facts
