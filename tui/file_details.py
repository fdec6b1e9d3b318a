"""All about one file, and why it is as it is: lines of the width there is. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final, NamedTuple

from treeledger import wire
from treeledger.answers import FileExplanation, RecordDetails
from treeledger.model import HashState, RecordState
from treeledger.names import shown
from treeledger.tui import texts
from treeledger.tui.file_texts import moment
from treeledger.tui.texts import Line, Piece, Tone

_MOST_LINES: Final = 4  # that one fact takes
MOST_COPIES: Final = 50
_UNREAD: Final[Mapping[str, str]] = {
    HashState.PENDING: "not read yet",
    HashState.SKIPPED: "is not read, as the settings say",
}


class Fact(NamedTuple):
    """What is said, and about what."""

    label: str
    text: str
    tone: Tone = Tone.PLAIN


class Detail(NamedTuple):
    """A file as the ledger and the disk have it. `copies` are all files with its content, None while they are
    looked for or nobody wants to know."""

    facts: FileExplanation
    copies: Sequence[wire.Record] | None = None


def detail_lines(detail: Detail, width: int, now: datetime) -> list[Line]:
    """The record, the disk, what stands in the way, the same content elsewhere, and the journal's last."""
    facts = detail.facts
    lines: list[Line] = []
    for fact in _facts(detail, now):
        lines += texts.labelled(fact.label, fact.text, width, _MOST_LINES, fact.tone)
    if facts.changes:
        lines += [(), (Piece("Journal", Tone.STRONG),)]
    times = [texts.dated(change.at, now) for change in facts.changes]
    wide = max(map(len, times), default=0) + 2
    lines += [
        _entry(f"{time:<{wide}}", change, width) for time, change in zip(times, facts.changes, strict=True)
    ][::-1]
    return lines


def _entry(time: str, change: wire.Change, width: int) -> Line:
    """When what became of it: what it has then, and of a move both paths."""
    when = Piece(time, Tone.DIM)
    kind = texts.kind(change.kind)._replace(text=f"{texts.kind(change.kind).text:<{texts.LABEL}}")
    if change.path_before is not None:
        return when, kind, Piece(texts.path(change, width - len(time) - texts.LABEL))
    hash = texts.short_hash(change)
    return when, kind, Piece(f"{texts.size(change.size):>8}  "), hash


def _facts(detail: Detail, now: datetime) -> Iterator[Fact]:
    facts = detail.facts
    yield Fact("in", f"{facts.repository}  {facts.root}")
    if facts.record is None:
        yield Fact("ledger", "no record of it", Tone.WARN)
    else:
        yield from _recorded(facts.record, now)
        yield from _content(facts.record, now)
    yield _on_disk(facts)
    yield from _in_the_way(facts)
    if detail.copies is not None:
        yield from _copies(facts, detail.copies)


def _recorded(record: RecordDetails, now: datetime) -> Iterator[Fact]:
    if record.state != RecordState.PRESENT:
        yield Fact("state", record.state, Tone.WARN)
    yield Fact("size", f"{texts.size(record.size)}  ({record.size:,} bytes)")
    modified = moment(record.mtime_ns)
    said = "at a time that no calendar has" if modified is None else _when(modified, now)
    yield Fact("modified", said)
    known = "" if record.created_at is None else f"known since {_when(record.created_at, now)}, "
    yield Fact("seen", f"{known}last {_when(record.last_scanned, now)}")


def _content(record: RecordDetails, now: datetime) -> Iterator[Fact]:
    if record.hash is None:
        said = {
            HashState.PENDING.value: "not read yet",
            HashState.SKIPPED.value: "is not read, as the settings say",
        }
        yield Fact("hash", said.get(record.hash_state, record.hash_state), Tone.BUSY)
        return
    read = "verified" if record.last_verified else "read"
    parts = [record.hash_algorithm or "", "" if record.hash_state == HashState.DONE else record.hash_state]
    checked = record.last_verified or record.read_at
    parts.append("" if checked is None else f"{read} {_when(checked, now)}")
    tone = Tone.BAD if record.hash_state == HashState.CORRUPTED else Tone.PLAIN
    yield Fact("hash", ", ".join(filter(None, parts)), tone)
    yield Fact("", record.hash, Tone.DIM)


def _on_disk(facts: FileExplanation) -> Fact:
    if facts.offline is not None:
        return Fact("on disk", f"cannot be looked at: {facts.offline}", Tone.WARN)
    if facts.differing and facts.is_change:
        what = ", ".join(facts.differing)
        return Fact(
            "on disk", f"changed since it was recorded ({what}); the next look takes that up", Tone.WARN
        )
    if facts.stat is not None:
        but = f" but for {', '.join(facts.differing)}" if facts.differing else ""
        said = f"as recorded{but}" if facts.record is not None else f"a file of {texts.size(facts.stat.size)}"
        return Fact("on disk", said, Tone.GOOD if facts.record is not None else Tone.PLAIN)
    if facts.is_directory:
        return Fact("on disk", "a folder; records are kept of the files in it")
    return Fact("on disk", "nothing is there", Tone.WARN)


def _in_the_way(facts: FileExplanation) -> Iterator[Fact]:
    """Rules, problems, holds: why it is as it is."""
    if facts.rule is not None:
        verb = "ignored" if facts.rule.ignored else "kept"
        yield Fact("rule", f"{verb} by {facts.rule.rule} of {facts.rule.source}")
    if facts.look_problem is not None:
        yield Fact("problem", facts.look_problem.message, Tone.WARN)
    for problem in facts.problems:
        yield Fact("note" if problem.is_note else "problem", problem.message, Tone.WARN)
    if facts.hold is not None:
        yield Fact("held", facts.hold.reason, Tone.BAD)
    if facts.dirty is not None:
        yield Fact("waits", f"for a scan: {facts.dirty.reason}", Tone.BUSY)
    for said in facts.plugins:
        yield Fact("plugin", said)


def _copies(facts: FileExplanation, copies: Sequence[wire.Record]) -> Iterator[Fact]:
    """The same content elsewhere, a file in a line."""
    own = None if facts.record is None else facts.record.id
    others = [one for one in copies if one.id != own]
    if facts.record is None or facts.record.hash is None:
        return
    if not others:
        yield Fact("copies", "no other file has this content")
        return
    number = f"{len(others)}" if len(copies) <= MOST_COPIES else f"more than {MOST_COPIES}"
    what = "file has" if len(others) == 1 else "files have"
    yield Fact("copies", f"{number} other {what} the same content:")
    for one in others[:MOST_COPIES]:
        yield Fact("", f"{one.repository}  {one.path}")


def _when(moment: datetime | None, now: datetime) -> str:
    """To the minute; never for None."""
    return "never" if moment is None else moment.astimezone(now.tzinfo).strftime("%Y-%m-%d %H:%M")


def copyable(root: str, path: str) -> str:
    """A path for the clipboard, safe wherever it is pasted: what no one can type is as it is shown."""
    return shown(f"{root.rstrip('/')}/{path}")
