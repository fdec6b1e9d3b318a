"""Files as rows, and contents that several files have. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Generic, NamedTuple, TypeVar

from treeledger import wire
from treeledger.answers import Duplicates
from treeledger.model import HashState, RecordState
from treeledger.names import shown
from treeledger.tui import texts
from treeledger.tui.book import Book
from treeledger.tui.columns import Column, heading, row_line
from treeledger.tui.model import MOST_CHANGES
from treeledger.tui.texts import Line, Piece, Tone
from treeledger.units import show_number

T = TypeVar("T")
SORTS: Final = ("path", "size", "modified")
STATES: Final = tuple(RecordState)
_FILES: Final = (
    Column("Path", 16, grows=True),
    Column("Repository", 10, rank=3),
    Column("Size", 7, right=True, rank=1),
    Column("Modified", 10, rank=2),
    Column("Hash", 8, rank=4),
)
_TWINS: Final = (
    Column("Wasted", 8, right=True),
    Column("Copies", 6, right=True),
    Column("Each", 8, right=True, rank=1),
    Column("One of them", 16, grows=True),
    Column("Repository", 10, rank=2),
)
_HASHES: Final[Mapping[str, Piece]] = {
    HashState.PENDING: Piece("pending", Tone.BUSY),
    HashState.VERIFY: Piece("verify", Tone.BUSY),
    HashState.FAILED: Piece("failed", Tone.BAD),
    HashState.CORRUPTED: Piece("corrupt!", Tone.BAD),
    HashState.SKIPPED: Piece("skipped", Tone.DIM),
}
_UNREAD: Final = (Piece("…", Tone.DIM), *[Piece("")] * (len(_FILES) - 1))
_SIGNS: Final = frozenset("*?[")
_BYTE: Final = re.compile(r"\\x([89a-f][0-9a-f])")


class Wanted(NamedTuple):
    """Which files are listed: of one repository or all, with a text or glob, in a state and an order; or the
    duplicates among them."""

    repository: str | None = None
    text: str = ""
    state: RecordState = RecordState.PRESENT
    sort: str = "path"
    duplicates: bool = False

    @property
    def is_whole(self) -> bool:
        """Whether all files that are there are listed."""
        return self.state is RecordState.PRESENT and not self.text and not self.duplicates

    @property
    def is_costly(self) -> bool:
        """Whether each page takes a look at every record there is."""
        return self.duplicates or self.sort != "path"

    @property
    def title(self) -> str:
        files = "Files" if self.state is RecordState.PRESENT else f"{self.state.capitalize()} files"
        what = "Duplicates" if self.duplicates else files
        where = "all repositories" if self.repository is None else shown(self.repository)
        return f"{what}  {where}" + (f"  /{shown(self.text)}" if self.text and not self.duplicates else "")

    def query(self) -> dict[str, Any]:
        """As the API takes it."""
        if self.duplicates:
            return {"repository": self.repository}
        is_glob = bool(_SIGNS.intersection(self.text))
        text = _BYTE.sub(lambda byte: chr(0x10FF00 + int(byte[1], 16)), self.text)  # typed as it is shown
        return {
            "repository": self.repository,
            "glob": [text] if is_glob else None,
            "text": None if is_glob else text or None,
            "state": self.state.value,
            "sort": self.sort,
        }


def why_none(wanted: Wanted, *, is_reading: bool) -> str:
    """Why no row is there."""
    if is_reading:
        return "Comparing all contents …" if wanted.duplicates else "Looking …"
    if wanted.duplicates:
        return "No two files have the same content, as far as their hashes are known."
    if wanted.text:
        return f"Nothing matches {shown(wanted.text)}"
    return "No files yet." if wanted.state is RecordState.PRESENT else f"No file is {wanted.state}."


def count(wanted: Wanted, book: Book[Any], whole: int | None) -> str:
    """How many rows there are, as far as that is known, and their order."""
    order = "by waste" if wanted.duplicates else f"by {wanted.sort}"
    if book.is_complete:
        return f"{len(book):,} {order}"
    known = f"the first {len(book):,}"
    return f"{known} of {whole:,} {order}" if whole else f"{known} {order}"


def since_then(changes: int | None) -> str:
    """What is said of changes since files were read, as `Snapshot.since` counts them."""
    if changes is None:
        return "may have changed, f5 reads again"
    if changes >= MOST_CHANGES:
        return f"{MOST_CHANGES} changes or more since, f5 reads again"
    return f"{show_number(changes, 'change')} since, f5 reads again" if changes else ""


@dataclass(frozen=True, slots=True)
class BookTable(Generic[T]):
    """A listing, as far as it was read. A row goes by its place: rows only come at the end."""

    book: Book[T]
    columns: Sequence[Column]
    cells: Callable[[T], Sequence[Piece]]
    nothing: str = ""  # is said where there is no row

    def __len__(self) -> int:
        return len(self.book)

    def key(self, place: int) -> Hashable:
        return place

    def heading(self, width: int) -> Line:
        if not len(self.book):
            return (Piece("  " + texts.wrapped(self.nothing, max(1, width - 2), 1)[0], Tone.DIM),)
        return heading(self.columns, width)

    def line(self, place: int, width: int, *, marked: bool) -> Line:
        one = self.book.row(place)
        cells = _UNREAD if one is None else self.cells(one)
        return row_line(self.columns, cells, width, marked=marked)


def file_table(
    book: Book[wire.Record], wanted: Wanted, now: datetime, nothing: str = ""
) -> BookTable[wire.Record]:
    """Records. Those of one repository need no column for it."""
    left_out = None if wanted.repository is None else "Repository"
    sorted_by = wanted.sort.capitalize()
    columns = [
        one._replace(title=f"{one.title} ▾") if one.title == sorted_by else one
        for one in _FILES
        if one.title != left_out
    ]

    def cells(one: wire.Record) -> Sequence[Piece]:
        whose = () if left_out else (Piece(shown(one.repository), Tone.DIM),)
        size, modified = texts.size(one.size), texts.past(moment(one.mtime_ns), now)
        return Piece(shown(one.path)), *whose, Piece(size), Piece(modified, Tone.DIM), _hash(one)

    return BookTable(book, columns, cells, nothing)


def twin_table(book: Book[Duplicates], nothing: str = "") -> BookTable[Duplicates]:
    """Contents that several files have, those that waste most first."""
    return BookTable(book, _TWINS, _twins, nothing)


def _twins(one: Duplicates) -> Sequence[Piece]:
    return (
        Piece(texts.size(one.wasted), Tone.WARN),
        Piece(texts.amount(one.copies)),
        Piece(texts.size(one.size)),
        Piece(shown(one.path)),
        Piece(shown(one.repository), Tone.DIM),
    )


def moment(nanoseconds: int) -> datetime | None:
    """None for what no calendar has."""
    try:
        return datetime.fromtimestamp(nanoseconds // 1_000_000_000, UTC)
    except (OverflowError, OSError, ValueError):
        return None


def _hash(one: wire.Record) -> Piece:
    if one.hash is not None and one.hash_state == HashState.DONE:
        return Piece(one.hash[:8], Tone.DIM)
    return _HASHES.get(one.hash_state, Piece(shown(one.hash_state), Tone.DIM))
