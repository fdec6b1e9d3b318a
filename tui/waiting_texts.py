"""What waits for a person, as rows, and each in full: what it is, what is safe, what can be done. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from treeledger import wire
from treeledger.answers import HeldFile
from treeledger.names import shown
from treeledger.tui import texts
from treeledger.tui.columns import Column, heading, row_line
from treeledger.tui.model import Snapshot
from treeledger.tui.texts import Line, Piece, Tone
from treeledger.units import show_number

_KINDS: Final = {
    "held": Piece("held deletion", Tone.BAD),
    "corrupted": Piece("corrupted", Tone.BAD),
    "offline": Piece("offline", Tone.WARN),
    "degraded": Piece("degraded", Tone.WARN),
    "dead_job": Piece("dead job", Tone.WARN),
}
_COLUMNS: Final = (
    Column("Since", 5),
    Column("Kind", 13),
    Column("Repository", 10, rank=1),
    Column("What", 16, grows=True),
)
_MOST_SAMPLES: Final = 3
_KEYS: Final = {
    "held": (
        ("A", "Approve: records become deleted; kept for their time, restored if files return"),
        ("R", "Reject: records stay missing; asks again only if more files go"),
        ("s", "Scan again now: if the files are back, this closes by itself"),
    ),
    "dead_job": (
        ("t", "Try again now"),
        ("C", "Clear: these jobs are dropped, and never done"),
    ),
    "offline": (("s", "Scan now: looks whether it is back"),),
    "degraded": (("s", "Scan now"),),
    "corrupted": (("s", "Scan now: what was restored is seen, and waits no longer"),),
}


@dataclass(frozen=True, slots=True)
class WaitingTable:
    """Everything that waits, the longest first."""

    snapshot: Snapshot
    now: datetime

    def __len__(self) -> int:
        return len(self.snapshot.waiting)

    def key(self, place: int) -> str:
        return self.snapshot.waiting[place].key

    def heading(self, width: int) -> Line:
        return heading(_COLUMNS, width)

    def line(self, place: int, width: int, *, marked: bool) -> Line:
        one = self.snapshot.waiting[place]
        cells = (
            Piece(texts.since(one.since, self.now), Tone.DIM),
            kind(one),
            Piece(shown(subject(one))),
            Piece(headline(one)),
        )
        return row_line(_COLUMNS, cells, width, marked=marked)


def kind(one: wire.Waiting) -> Piece:
    return _KINDS.get(one.kind, Piece(shown(one.kind)))


def subject(one: wire.Waiting) -> str:
    """The repository that it is about, else the action."""
    return one.repository or one.message.partition(":")[0]


def headline(one: wire.Waiting) -> str:
    """The first sentence of its message, without the name at its begin."""
    message = one.message.removeprefix(f"{subject(one)}: ")
    return shown(message.partition(". ")[0])


def title(snapshot: Snapshot) -> str:
    """How much waits, and for what."""
    decisions = snapshot.decisions
    repairs = len(snapshot.waiting) - decisions
    if not snapshot.waiting:
        return "Attention: nothing waits for you"
    return f"Attention: {decisions} for a decision, {repairs} for repair"


@dataclass(frozen=True, slots=True)
class Folder:
    """Files that are gone from one folder at the top of a repository."""

    name: str
    files: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Held:
    """A held deletion and what it is about, as far as that was read: folders with the most files first."""

    hold: wire.HeldDeletion
    folders: tuple[Folder, ...] = ()
    samples: tuple[str, ...] = ()

    @property
    def bytes(self) -> int:
        return sum(one.bytes for one in self.folders)


def held(hold: wire.HeldDeletion, files: Iterable[HeldFile]) -> Held:
    """Its files put together by the folders at the top."""
    counts: dict[str, list[int]] = {}
    samples: list[str] = []
    for file in files:
        top, slash, _ = file.path.partition("/")
        count = counts.setdefault(top + slash if slash else "./", [0, 0])
        count[0] += 1
        count[1] += file.size
        if len(samples) < _MOST_SAMPLES:
            samples.append(file.path)
    folders = sorted((Folder(name, *count) for name, count in counts.items()), key=lambda one: -one.files)
    return Held(hold, tuple(folders), tuple(samples))


def detail_lines(one: wire.Waiting | None, details: Held | None, room: tuple[int, int]) -> list[Line]:
    """One thing in full, in a room of so many cells and lines: at its end what can be done."""
    width, height = room
    if one is None:
        return [
            (Piece("Held deletions, repositories in trouble, corrupted files and dead jobs come here."),),
            (Piece("Whatever waits, nothing is deleted meanwhile.", Tone.DIM),),
        ]
    keys = [
        (Piece(f"{key}  ", Tone.STRONG), Piece(texts.elided(text, width - 3)))
        for key, text in _KEYS.get(one.kind, ())
    ]
    rest = max(1, height - len(keys) - 1)
    if details is None:
        said: list[Line] = [(Piece(line),) for line in texts.wrapped(one.message, width, rest)]
    else:
        said = _held_lines(details, width, rest)
    return [*said[:rest], (), *keys]


def _held_lines(details: Held, width: int, most: int) -> list[Line]:
    hold = details.hold
    share = texts.share(hold.gone, hold.live) or 0.0
    size = f", {texts.size(details.bytes)}" if details.folders else ""
    gone = f"{hold.gone:,} of {show_number(hold.live, 'file')} ({texts.percent(share)}{size}) are gone."
    lines: list[Line] = [
        (Piece(gone, Tone.BAD),),
        (Piece("Nothing has been deleted; nothing will be before you decide."),),
    ]
    sample = "e.g. " + ", ".join(shown(path) for path in details.samples)
    tail: list[Line] = [(Piece(texts.wrapped(sample, width, 1)[0], Tone.DIM),)] if details.samples else []
    room = max(0, most - len(lines) - len(tail) - 1)
    return [*lines, (), *_folder_lines(details.folders, width, room), *tail]


def _folder_lines(folders: tuple[Folder, ...], width: int, room: int) -> list[Line]:
    """As many folders as there is room for, the last line for the rest together."""
    some = folders if len(folders) <= room else folders[: max(0, room - 1)]
    rest = folders[len(some) :]
    rows = [(shown(one.name), one.files, one.bytes) for one in some]
    if rest and room:
        rows.append((f"{len(rest):,} more", sum(one.files for one in rest), sum(one.bytes for one in rest)))
    wide = min(max((len(name) for name, _, _ in rows), default=0), max(8, width - 28))
    return [
        (
            Piece("  " + texts.fitted(name, wide)),
            Piece(f"  {files:>9,} files", Tone.PLAIN),
            Piece(f"  {texts.size(size):>7}", Tone.DIM),
        )
        for name, files, size in rows
    ]
