"""What is listed on the screens, row by row: pure tables of a snapshot, drawn in any width."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Final, Protocol

from treeledger import wire
from treeledger.names import shown
from treeledger.tui import texts
from treeledger.tui.columns import Column, heading, row_line, wide_enough
from treeledger.tui.model import Link, Snapshot
from treeledger.tui.texts import Line, Piece, Tone

_REPOSITORIES: Final = (
    Column("Name", 8, grows=True),
    Column("State", 10),
    Column("Files", 9, right=True, rank=1),
    Column("Size", 7, right=True, rank=3),
    Column("Hashed", 6, right=True, rank=2),
    Column("Last scan", 10, rank=4),
    Column("Next scan", 10),
)
_NAME: Final = 22  # cells for the longest name, at most
_FEED: Final = (
    Column("Time", 8),
    Column("Change", 9),
    Column("Path", 12, grows=True),
    Column("Size", 7, right=True, rank=1),
    Column("Hash", 8, rank=2),
)
_MOVED: Final = _FEED[:3]


class Table(Protocol):
    """Rows that are drawn when they are seen. A row goes by its key, wherever it is."""

    def __len__(self) -> int: ...

    def key(self, place: int) -> Hashable: ...

    def heading(self, width: int) -> Line: ...

    def line(self, place: int, width: int, *, marked: bool) -> Line: ...


@dataclass(frozen=True, slots=True)
class Repositories:
    """Every repository and how it is."""

    snapshot: Snapshot
    now: datetime

    def __len__(self) -> int:
        return len(self.snapshot.repositories)

    def key(self, place: int) -> str:
        return self.snapshot.repositories[place].name

    def heading(self, width: int) -> Line:
        return heading(self._columns, width)

    def line(self, place: int, width: int, *, marked: bool) -> Line:
        one = self.snapshot.repositories[place]
        cells = (
            Piece(shown(one.name)),
            self._as_known(texts.state(one.state)),
            Piece(texts.amount(one.files)),
            Piece(texts.size(one.bytes)),
            texts.hashed(one),
            Piece(texts.past(one.last_scan, self.now)),
            self._next_scan(one),
        )
        return row_line(self._columns, cells, width, marked=marked)

    @property
    def _columns(self) -> Sequence[Column]:
        names = (shown(one.name) for one in self.snapshot.repositories)
        return wide_enough(_REPOSITORIES[0], names, _NAME), *_REPOSITORIES[1:]

    def _as_known(self, state: Piece) -> Piece:
        """A state is nobody's word while the engine is away: it has no colour then."""
        return state._replace(tone=Tone.DIM) if self.snapshot.link is Link.AWAY else state

    def _next_scan(self, one: wire.Repository) -> Piece:
        if self.snapshot.link is Link.AWAY:
            return Piece("–", Tone.DIM)
        return texts.next_scan(one, self.snapshot.progress(one.name), self.now)


@dataclass(frozen=True, slots=True)
class Feed:
    """Changes, the newest first."""

    changes: Sequence[wire.Change]
    now: datetime

    def __len__(self) -> int:
        return len(self.changes)

    def key(self, place: int) -> int:
        return self.changes[place].n

    def heading(self, width: int) -> Line:
        return heading(_FEED, width)

    def line(self, place: int, width: int, *, marked: bool) -> Line:
        one = self.changes[place]
        when = Piece(texts.clock(one.at, self.now), Tone.DIM)
        if one.path_before is not None and one.path_before != one.path:
            path = texts.path(one, width - 23)
            return row_line(_MOVED, (when, texts.kind(one.kind), Piece(path)), width, marked=marked)
        cells = (
            when,
            texts.kind(one.kind),
            Piece(shown(one.path)),
            Piece(texts.size(one.size), Tone.DIM),
            texts.short_hash(one),
        )
        return row_line(_FEED, cells, width, marked=marked)


def wanted(changes: Sequence[wire.Change], repository: str | None, text: str) -> list[wire.Change]:
    """The changes of a repository whose kind or path has the text in it, or whose path fits it as a glob."""
    needle = text.casefold()
    return [
        one for one in changes if (repository is None or one.repository == repository) and _fits(one, needle)
    ]


def _fits(change: wire.Change, needle: str) -> bool:
    if not needle or needle in change.kind:
        return True
    paths = [path.casefold() for path in (change.path, change.path_before) if path is not None]
    if any(sign in needle for sign in "*?["):
        return any(fnmatchcase(path, needle) or fnmatchcase(path, f"*/{needle}") for path in paths)
    return any(needle in path for path in paths)
