"""A listing of any length, as far as it was read: pages, of which those looked at lately are kept. Pure.

Rows are counted from 0 in the order in which they were read. Of every page it is known where it begins, so a
page that was let go is read again when it is looked at; a book has at most `MOST_PAGES` in memory.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Final, Generic, NamedTuple, TypeVar

T = TypeVar("T")
MOST_PAGES: Final = 40


class Gap(NamedTuple):
    """A page to be read: its number, what it begins `after`, how many rows it has; None: not known yet."""

    number: int
    after: str | None
    rows: int | None


@dataclass(frozen=True, slots=True)
class Book(Generic[T]):
    """`ends` counts the rows up to the end of each page, `begins` says after what each begins. `next` is
    where to go on; None at the end, if `is_begun`."""

    ends: tuple[int, ...] = ()
    begins: tuple[str | None, ...] = ()
    next: str | None = None
    is_begun: bool = False
    pages: Mapping[int, Sequence[T]] = field(default_factory=lambda: MappingProxyType({}))

    def __len__(self) -> int:
        """Rows that are known of."""
        return self.ends[-1] if self.ends else 0

    @property
    def is_complete(self) -> bool:
        return self.is_begun and self.next is None

    def row(self, place: int) -> T | None:
        """What is in that row; None where its page was let go, or has fewer rows than it had."""
        number = bisect_right(self.ends, place)
        page = self.pages.get(number, ())
        place -= self._first(number)
        return page[place] if 0 <= place < len(page) else None

    def with_next(self, items: Sequence[T], next: str | None) -> Book[T]:
        """With one more page at its end; one without rows only says where to go on."""
        after, number = self.next, len(self.ends)
        book = replace(self, next=next, is_begun=True)
        if not items:
            return book
        book = replace(book, ends=(*self.ends, len(self) + len(items)), begins=(*self.begins, after))
        return book.with_page(number, items)

    def with_page(self, number: int, items: Sequence[T]) -> Book[T]:
        """With a page of it in memory, and not too many others: those farthest from it go."""
        pages = {**self.pages, number: tuple(items)}
        kept = sorted(pages, key=lambda one: abs(one - number))[:MOST_PAGES]
        return replace(self, pages=MappingProxyType({one: pages[one] for one in sorted(kept)}))

    def gap(self, first: int, last: int) -> Gap | None:
        """The page to be read so that the rows from `first` to `last`, both included, can be seen."""
        if not self.is_begun or (last >= len(self) and not self.is_complete):
            return Gap(len(self.ends), self.next, None)
        if not self.ends:
            return None
        known = len(self) - 1
        low, high = (bisect_right(self.ends, max(0, min(place, known))) for place in (first, last))
        for number in range(low, high + 1):
            if number not in self.pages:
                return Gap(number, self.begins[number], self.ends[number] - self._first(number))
        return None

    def _first(self, number: int) -> int:
        return self.ends[number - 1] if number else 0
