"""What is listed of files, however pages that were asked for come in between what a person asks for."""

from __future__ import annotations

from typing import Any, NamedTuple

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from values import record

from treeledger.api.routing import Page
from treeledger.tui.book import Gap
from treeledger.tui.browsed import FIRST, Browsed
from treeledger.tui.file_texts import Wanted

WANTED = [Wanted("photos"), Wanted("photos", "IMG"), Wanted("photos", sort="size"), Wanted(duplicates=True)]
PAGE = 40  # rows


class Asked(NamedTuple):
    """Of an engine, which has not answered yet."""

    browsed: Browsed
    gap: Gap
    place: int
    head: int


class Reading(RuleBasedStateMachine):
    """A person who asks for other files, and an engine that has some of each, and answers when it likes."""

    def __init__(self) -> None:
        super().__init__()
        self.browsed = Browsed(WANTED[0])
        self.rows = {wanted: 130 * number for number, wanted in enumerate(WANTED)}
        self.head = 1
        self.asked: Asked | None = None

    def page(self, wanted: Wanted, gap: Gap) -> Page[Any]:
        """Rows that tell which of how many they are, and of what."""
        begin, most = int(gap.after or 0), self.rows[wanted]
        end = min(begin + (gap.rows or PAGE), most)
        items = [(wanted, number) for number in range(begin, end)]
        return Page(items=items, next=str(end) if end < most else None)

    @rule(wanted=st.sampled_from(WANTED))
    def want(self, wanted: Wanted) -> None:
        self.browsed = self.browsed.begun(wanted)
        assert len(self.browsed.book) == 0

    @precondition(lambda self: self.asked is None)
    @rule(place=st.integers(0, 500))
    def ask(self, place: int) -> None:
        if (gap := self.browsed.gap(place)) is not None:
            self.asked = Asked(self.browsed, gap, place, self.head)

    @precondition(lambda self: self.asked is not None)
    @rule()
    def answer(self) -> None:
        assert self.asked is not None
        asked, self.asked = self.asked, None
        before = self.browsed
        page = self.page(asked.browsed.wanted, asked.gap)
        self.browsed = before.read(asked.browsed, asked.gap, page, asked.head)
        is_stale = asked.browsed.book is not before.book
        assert (self.browsed is before) is is_stale
        assert is_stale or self.browsed.gap(asked.place) != asked.gap, "what was asked for is there"

    @precondition(lambda self: self.asked is not None)
    @rule()
    def fail(self) -> None:
        self.asked = None
        self.browsed = self.browsed.failed("no engine answers")
        assert self.browsed.gap(0) is None, "nothing more is asked for"

    @rule(more=st.integers(0, 90))
    def change(self, more: int) -> None:
        """Of what is followed, which is read again at once."""
        self.head += 1
        asked = self.browsed
        if asked.is_followed(1000):
            self.rows[asked.wanted] = more
            again = asked.read_again(asked, self.page(asked.wanted, FIRST._replace(rows=90)), self.head)
            assert len(again.book) == more
            assert again.head == self.head
            assert again.begun(WANTED[1]).read_again(asked, Page(items=[]), 0).wanted == WANTED[1]
            self.browsed = again

    @invariant()
    def each_row_is_what_it_ought_to_be(self) -> None:
        book = self.browsed.book
        for place in range(len(book)):
            assert self.browsed.row(place) in (None, (self.browsed.wanted, place))

    @invariant()
    def it_ends_where_the_engine_says(self) -> None:
        if self.browsed.book.is_complete:
            assert len(self.browsed.book) == self.rows[self.browsed.wanted]


TestReading = Reading.TestCase
TestReading.settings = settings(max_examples=50)


def test_all_about_a_row_is_asked_for_once() -> None:
    first, second = record(1, "a"), record(2, "b")
    one = Browsed()
    assert not one.lacks(None)
    assert one.lacks(first)
    told = one.told(first, None)
    assert not told.lacks(first)
    assert told.lacks(second)
    assert told.begun(Wanted()).lacks(first)


def test_a_costly_listing_is_read_no_further_than_it_is_seen() -> None:
    rows = [(0, number) for number in range(100)]
    page: Page[Any] = Page(items=rows, next="more")
    asked = Browsed()
    by_path = asked.read(asked, FIRST, page, 1)
    assert by_path.gap(0) is not None
    asked = Browsed(Wanted(sort="size"))
    by_size = asked.read(asked, FIRST, page, 1)
    assert by_size.gap(0) is None
    assert by_size.gap(40) is not None
