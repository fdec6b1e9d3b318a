"""A listing of any length: every row is found, in whatever order people look, and few are kept."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from treeledger.tui.book import MOST_PAGES, Book, Gap

Answer = tuple[list[int], str | None]


def answer(sizes: list[int], gap: Gap) -> Answer:
    """What a ledger of pages of these sizes gives, numbered; a cursor is the page's number."""
    number = 0 if gap.after is None else int(gap.after)
    first = sum(sizes[:number])
    rows = sizes[number] if gap.rows is None else gap.rows
    return list(range(first, first + rows)), str(number + 1) if number + 1 < len(sizes) else None


def read(book: Book[int], sizes: list[int], first: int, last: int) -> Book[int]:
    """The book once all of that is read."""
    turns = 0
    while (gap := book.gap(first, last)) is not None:
        items, next = answer(sizes, gap)
        book = book.with_next(items, next) if gap.rows is None else book.with_page(gap.number, items)
        turns += 1
        assert turns <= len(sizes) + 5, "it comes to an end"
    return book


looks = st.lists(st.tuples(st.integers(0, 400), st.integers(0, 30)), min_size=1, max_size=12)


@given(st.lists(st.integers(0, 9), min_size=1, max_size=120), looks)
def test_every_row_is_found_in_whatever_order_people_look(
    sizes: list[int], looks: list[tuple[int, int]]
) -> None:
    book: Book[int] = Book()
    for place, more in looks:
        before = len(book)
        book = read(book, sizes, place, place + more)
        assert len(book) >= before
        assert len(book) > place + more or book.is_complete
        for row in range(max(0, place), min(place + more + 1, len(book))):
            assert book.row(row) == row
        assert len(book.pages) <= MOST_PAGES
    assert book.row(len(book)) is None
    assert book.row(-1) is None


def test_a_book_keeps_few_pages_of_a_long_way() -> None:
    sizes = [10] * 500
    book: Book[int] = Book()
    for place in range(0, 5000, 7):
        book = read(book, sizes, place - 20, place + 40)
    assert (len(book), book.is_complete, len(book.pages)) == (5000, True, MOST_PAGES)
    assert book.row(0) is None
    assert read(book, sizes, 0, 5).row(0) == 0


def test_rows_that_have_gone_meanwhile_are_blank() -> None:
    book: Book[int] = Book()
    book = book.with_next([1, 2, 3], "1").with_next([4, 5], None).with_page(0, [1, 3])
    assert [book.row(place) for place in range(6)] == [1, 3, None, 4, 5, None]
    assert book.gap(0, 9) is None


def test_nothing_is_found() -> None:
    book: Book[int] = Book()
    assert book.gap(0, 0) == Gap(0, None, None)
    book = book.with_next([], "1")
    assert book.gap(0, 0) == Gap(0, "1", None), "a page may have no rows, and others behind it"
    book = book.with_next([], None)
    assert (len(book), book.is_complete, book.gap(0, 0)) == (0, True, None)
