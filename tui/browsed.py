"""What a person browses of the files: which, as far as they were read, and all about the chosen one. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Final

from treeledger.api.routing import Page
from treeledger.tui.book import Book, Gap
from treeledger.tui.browsing import Row
from treeledger.tui.file_details import Detail
from treeledger.tui.file_texts import Wanted

_AHEAD: Final = 400  # rows beyond the chosen one that are read before anybody looks at them
_BEHIND: Final = 60  # rows before it that are; and beyond it, where each page is costly
_FOLLOWED: Final = 20_000  # files of a ledger at most, so that the few that are listed follow its changes
_FEW: Final = 100
PLAIN: Final = Wanted()
FIRST: Final = Gap(0, None, None)
"""The page that a listing begins with."""


@dataclass(frozen=True, slots=True)
class Browsed:
    """`book` has what is `wanted`, as it was when the journal ended at `head`; `trouble` is why the rest is
    not read, "" if it can be. `detail` is of the row that was chosen then, None if nothing can be told."""

    wanted: Wanted = PLAIN
    book: Book[Any] = field(default_factory=Book)  # each time another one, by which a listing is known
    head: int = 0
    trouble: str = ""
    detail: tuple[Row, Detail | None] | None = None

    def row(self, place: int) -> Row | None:
        """What is listed there, as far as it is in memory."""
        return self.book.row(place)

    def begun(self, wanted: Wanted) -> Browsed:
        """Begun anew, with nothing read yet."""
        return Browsed(wanted, head=self.head)

    def failed(self, trouble: str) -> Browsed:
        """With what is in the way of reading on."""
        return replace(self, trouble=trouble)

    def freed(self) -> Browsed:
        """With nothing in the way any more, as far as is known."""
        return replace(self, trouble="")

    def gap(self, place: int) -> Gap | None:
        """The page to be read so that whoever moves on from a row sees rows at once."""
        ahead = _BEHIND if self.wanted.is_costly else _AHEAD
        return None if self.trouble else self.book.gap(place - _BEHIND, place + ahead)

    def read(self, asked: Browsed, gap: Gap, page: Page[Any], head: int) -> Browsed:
        """With a page that was asked for as things were then; one of a listing of before is none of this one.

        `head`: where the journal ended before the first page was asked for.
        """
        if asked.book is not self.book:
            return self
        if gap.rows is not None:
            return replace(self, book=self.book.with_page(gap.number, page.items))
        book = self.book.with_next(page.items, page.next)
        return replace(self, book=book, head=self.head if gap.number else head)

    def read_again(self, asked: Browsed, page: Page[Any], head: int) -> Browsed:
        """With the first page as it is now in the place of all, if the same is wanted still."""
        if asked.wanted != self.wanted:
            return self
        book: Book[Any] = Book()
        return replace(self.begun(self.wanted), book=book.with_next(page.items, page.next), head=head)

    def is_followed(self, files: int) -> bool:
        """Whether this is a short listing of a ledger of so many files, which shows changes by itself."""
        is_short = self.book.is_complete and len(self.book) <= _FEW and not self.wanted.duplicates
        return is_short and files <= _FOLLOWED

    def lacks(self, row: Row | None) -> bool:
        """Whether it is yet to be asked for all about a row."""
        return row is not None and (self.detail is None or self.detail[0] != row)

    def told(self, row: Row, detail: Detail | None) -> Browsed:
        """With all about a row; None: that could not be read, as the listing says as well."""
        return replace(self, detail=(row, detail))
