"""Files as rows, and why one is as it is. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from treeledger import wire
from treeledger.answers import FileExplanation
from treeledger.names import shown
from treeledger.tui import texts
from treeledger.tui.columns import Column, heading, row_line
from treeledger.tui.texts import Line, Piece, Tone

_COLUMNS: Final = (
    Column("Path", 16, grows=True),
    Column("Repository", 10, rank=3),
    Column("Size", 7, right=True, rank=1),
    Column("Modified", 10, rank=2),
    Column("Hash", 8),
)
_HASHES: Final = {
    "pending": Piece("pending", Tone.BUSY),
    "verify": Piece("verify", Tone.BUSY),
    "failed": Piece("failed", Tone.BAD),
    "skipped": Piece("skipped", Tone.DIM),
}


@dataclass(frozen=True, slots=True)
class FileTable:
    """Records in the order of their paths, as far as they were read."""

    records: Sequence[wire.Record]
    now: datetime

    def __len__(self) -> int:
        return len(self.records)

    def key(self, place: int) -> int:
        return self.records[place].id

    def heading(self, width: int) -> Line:
        return heading(_COLUMNS, width)

    def line(self, place: int, width: int, *, marked: bool) -> Line:
        one = self.records[place]
        cells = (
            Piece(shown(one.path)),
            Piece(shown(one.repository), Tone.DIM),
            Piece(texts.size(one.size)),
            Piece(texts.past(_moment(one.mtime_ns), self.now), Tone.DIM),
            _hash(one),
        )
        return row_line(_COLUMNS, cells, width, marked=marked)


def _moment(nanoseconds: int) -> datetime | None:
    """None for what no calendar has."""
    try:
        return datetime.fromtimestamp(nanoseconds // 1_000_000_000, UTC)
    except (OverflowError, OSError, ValueError):
        return None


def _hash(one: wire.Record) -> Piece:
    if one.hash is not None and one.hash_state == "done":
        return Piece(one.hash[:8], Tone.DIM)
    return _HASHES.get(one.hash_state, Piece(shown(one.hash_state), Tone.DIM))


def globs_of(text: str) -> tuple[str, ...]:
    """What is typed, as the globs of `treeledger files`: a text without signs is a part of the name."""
    if not text:
        return ()
    return (text,) if any(sign in text for sign in "*?[/") else (f"*{text}*",)


def explained(facts: FileExplanation, width: int, now: datetime) -> list[Line]:
    """Why a file is as it is, the last entries of its journal below."""
    lines: list[Line] = []
    for label, text, tone in _facts(facts, now):
        wrapped = texts.wrapped(text, max(10, width - 10), 4)
        lines.append((Piece(texts.fitted(label, 10), Tone.DIM), Piece(wrapped[0], tone)))
        lines += [(Piece(" " * 10), Piece(more, tone)) for more in wrapped[1:]]
    for change in facts.changes:
        when = Piece(f"{texts.clock(change.at, now):<10}", Tone.DIM)
        kind = Piece(f"{texts.kind(change.kind).text:<10}")
        lines.append((when, kind, Piece(texts.path(change, width - 20))))
    return lines


def _facts(facts: FileExplanation, now: datetime) -> Iterator[tuple[str, str, Tone]]:
    yield "state", f"{facts.repository} is {facts.state}", Tone.PLAIN
    if facts.offline is not None:
        yield "on disk", f"cannot be looked at: {facts.offline}", Tone.WARN
    elif facts.stat is not None:
        yield "on disk", f"a file of {texts.size(facts.stat.size)}", Tone.PLAIN
    elif facts.is_directory:
        yield "on disk", "a folder; records are kept of the files in it", Tone.PLAIN
    elif facts.exists is False:
        yield "on disk", "nothing is there", Tone.WARN
    if facts.rule is not None:
        verb = "ignored" if facts.rule.ignored else "kept"
        yield "rule", f"{verb} by {facts.rule.rule} of {facts.rule.source}", Tone.PLAIN
    yield from _recorded(facts, now)
    if facts.look_problem is not None:
        yield "problem", facts.look_problem.message, Tone.WARN
    for problem in facts.problems:
        yield "problem", problem.message, Tone.WARN
    if facts.hold is not None:
        yield "held", facts.hold.reason, Tone.BAD
    if facts.dirty is not None:
        yield "waits", f"for a scan: {facts.dirty.reason}", Tone.BUSY
    for said in facts.plugins:
        yield "plugin", said, Tone.PLAIN


def _recorded(facts: FileExplanation, now: datetime) -> Iterator[tuple[str, str, Tone]]:
    record = facts.record
    if record is None:
        yield "ledger", "no record of it", Tone.PLAIN
        return
    seen = texts.past(record.last_scanned, now)
    yield "ledger", f"record {record.id}, {record.state}, last seen {seen}", Tone.PLAIN
    if record.hash is not None:
        yield "hash", f"{record.hash_algorithm} {record.hash}", Tone.PLAIN
    else:
        yield "hash", record.hash_state, Tone.BUSY
    if facts.differing:
        what = ", ".join(facts.differing)
        yield "differs", f"{what}; the next look at it takes that up", Tone.WARN
