"""What a matter is made of, row by row: folders of a held deletion, corrupted files, dead jobs. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

from treeledger import wire
from treeledger.matter_answers import CorruptedFile, HeldFolder
from treeledger.names import shown
from treeledger.tui import texts
from treeledger.tui.columns import Column, heading, row_line, width_of
from treeledger.tui.matters import CorruptedMatter, DeadMatter, HeldMatter, Matter
from treeledger.tui.tables import Table
from treeledger.tui.texts import Line, Piece, Tone
from treeledger.units import show_number

_WIDEST: Final = 110  # cells of a row of folders: numbers stay beside their folder
_FOLDERS: Final = (
    Column("Folder", 12, grows=True),
    Column("Files", 9, right=True),
    Column("Size", 7, right=True, rank=1),
    Column("", 12, rank=2),
    Column("Same content elsewhere", 22, right=True),
)
_FILES: Final = (
    Column("Path", 16, grows=True),
    Column("Found", 8, rank=2),
    Column("Size", 7, right=True, rank=3),
    Column("Good hash", 9, rank=1),
    Column("Good copy", 16, grows=True),
)
_JOBS: Final = (
    Column("Job", 7, right=True),
    Column("Tries", 5, right=True, rank=2),
    Column("Planned", 8, rank=3),
    Column("Why it failed", 16, grows=True),
)


class Rows(Table, Protocol):
    """A table that can tell of what is not shown of it."""

    def rest(self, place: int) -> str:
        """What there is from a place on, in words."""
        ...


@dataclass(frozen=True, slots=True)
class FolderTable:
    """The folders of a held deletion, those with the most files first."""

    matter: HeldMatter

    def __len__(self) -> int:
        return len(self.matter.contents.folders)

    def key(self, place: int) -> str:
        return self.matter.contents.folders[place].name

    def heading(self, width: int) -> Line:
        return heading(_FOLDERS, min(width, _WIDEST))

    def line(self, place: int, width: int, *, marked: bool) -> Line:
        one = self.matter.contents.folders[place]
        cells = (
            Piece(f"{shown(one.name)}/" if one.name else "(no folder)"),
            Piece(f"{one.files:,}"),
            Piece(texts.size(one.bytes), Tone.DIM),
            Piece("whole folder" if one.whole else ""),
            _elsewhere(one),
        )
        return row_line(_FOLDERS, cells, min(width, _WIDEST), marked=marked)

    def rest(self, place: int) -> str:
        contents = self.matter.contents
        folders = len(contents.folders) - place + contents.more_folders
        files = contents.files - sum(one.files for one in contents.folders[:place])
        return f"{show_number(folders, 'more folder')} with {show_number(files, 'file')}"


def _elsewhere(folder: HeldFolder) -> Piece:
    if folder.elsewhere is None:
        return Piece("…", Tone.DIM)
    if folder.elsewhere == folder.files:
        return Piece(f"all {folder.files:,}", Tone.GOOD)
    return Piece(f"{folder.elsewhere:,}", Tone.PLAIN if folder.elsewhere else Tone.WARN)


@dataclass(frozen=True, slots=True)
class CorruptedTable:
    """Corrupted files by their paths, and where a good copy of each is."""

    matter: CorruptedMatter
    now: datetime

    def __len__(self) -> int:
        return len(self.matter.files)

    def key(self, place: int) -> str:
        return self.matter.files[place].path

    def heading(self, width: int) -> Line:
        return heading(_FILES, width)

    def line(self, place: int, width: int, *, marked: bool) -> Line:
        one = self.matter.files[place]
        cells = (
            Piece(shown(one.path)),
            Piece(texts.clock(one.first_seen, self.now), Tone.DIM),
            Piece("–" if one.size is None else texts.size(one.size), Tone.DIM),
            Piece("–" if one.hash is None else one.hash[:8], Tone.DIM),
            _copy(one),
        )
        return row_line(_FILES, cells, width, marked=marked)

    def rest(self, place: int) -> str:
        return _rest(len(self.matter.files) - place, "file", self.matter.next)


def _copy(file: CorruptedFile) -> Piece:
    if file.copies is None:
        return Piece("…", Tone.DIM)
    if not file.copies:
        return Piece("none in the ledger", Tone.WARN)
    first = file.copies[0]
    return Piece(f"{shown(first.repository)}: {shown(first.path)}", Tone.GOOD)


@dataclass(frozen=True, slots=True)
class DeadTable:
    """Dead jobs, oldest first, and why each failed."""

    matter: DeadMatter
    now: datetime

    def __len__(self) -> int:
        return len(self.matter.jobs)

    def key(self, place: int) -> int:
        return self.matter.jobs[place].id

    def heading(self, width: int) -> Line:
        return heading(_JOBS, width)

    def line(self, place: int, width: int, *, marked: bool) -> Line:
        one: wire.Job = self.matter.jobs[place]
        room = width_of("Why it failed", _JOBS, width)
        cells = (
            Piece(str(one.id)),
            Piece(str(one.tries), Tone.DIM),
            Piece(texts.clock(one.created_at, self.now), Tone.DIM),
            Piece(texts.wrapped(one.last_error or "it does not say why", room, 1)[0]),
        )
        return row_line(_JOBS, cells, width, marked=marked)

    def rest(self, place: int) -> str:
        return _rest(len(self.matter.jobs) - place, "job", self.matter.next)


def _rest(more: int, noun: str, next: str | None) -> str:
    return f"{show_number(more, f'more {noun}')}{', and others' if next is not None else ''}"


def table_of(matter: Matter, now: datetime) -> Rows:
    """The rows of a matter."""
    match matter:
        case HeldMatter():
            return FolderTable(matter)
        case CorruptedMatter():
            return CorruptedTable(matter, now)
        case DeadMatter():
            return DeadTable(matter, now)
