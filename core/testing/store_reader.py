"""What the readers of workers promise, for stores that have them."""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Sequence
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treeledger.model import RecordState
from treeledger.names import range_below, successor
from treeledger.protocols import FilePlace, LedgerReader, Store
from treeledger.testing.examples import examples
from treeledger.testing.store_shelf import Shelf, change, stat
from treeledger.worker import build_part

LONG = "d" * 599
PATHS = ["a", "a b", "a-b", "a/b", "a/b/c", "a0", "é", "\U0010ff80", "z'%_"]
LONG_PATHS = [LONG + tail for tail in ("", "a", "ab", "aa", "b", "a/b", "\U0010ffff" * 9, "a" * 400)]
places = st.tuples(st.sampled_from("abcdefgh"), st.integers(1, 2), st.integers(1, 6))


def reader_of(shelf: Shelf) -> LedgerReader:
    """As a worker builds it, from what came through a pipe."""
    ref = shelf.store.reader()
    if ref is None:
        pytest.skip("this store has no readers")
    reader: LedgerReader = build_part(pickle.loads(pickle.dumps(ref)), str(shelf.id))
    assert isinstance(reader, LedgerReader)
    return reader


def pages(reader: LedgerReader, low: str = "", high: str | None = None, page: int = 3) -> list[str]:
    """The paths of a range, read page by page."""
    found: list[str] = []
    while rows := reader.keys(low, high, page):
        assert len(rows) <= page
        found += [row[0] for row in rows]
        low = successor(found[-1])
    return found


@pytest.mark.anyio
class ReaderContract:
    @pytest.fixture
    def reader(self, shelf: Shelf) -> Iterator[LedgerReader]:
        with closing(reader_of(shelf)) as reader:
            yield reader

    async def test_reader_gives_the_same_keys(self, shelf: Shelf, store: Store, reader: LedgerReader) -> None:
        await (await Shelf.new(store)).put("b")
        await shelf.add(*PATHS, *LONG_PATHS)
        await shelf.write(change(await shelf.at("a"), state=RecordState.MISSING))
        await shelf.write(change(await shelf.at("a0"), state=RecordState.DELETED))
        bounds = ["", "a", "a/", "a/b", LONG, *LONG_PATHS, "z"]
        for low in bounds:
            for high in (*bounds, None):
                expected = await store.keys(shelf.id, low, high, 99)
                assert reader.keys(low, high, 99) == [tuple(key) for key in expected]
                assert pages(reader, low, high) == [key.path for key in expected]
        assert reader.keys("a", None, 1) == [("a", *(await shelf.at("a")).stat, "missing")]
        assert pages(reader, *range_below("a")) == ["a/b", "a/b/c"]

    async def test_reader_sees_what_was_just_committed(self, shelf: Shelf, reader: LedgerReader) -> None:
        for path in PATHS:
            await shelf.put(path)
            assert path in pages(reader)

    @given(
        live=st.lists(places, max_size=4, unique_by=lambda place: place[0]),
        deleted=st.lists(places, max_size=4),
        new=st.lists(places, max_size=6, unique_by=lambda place: place[0]),
    )
    @examples(40)
    async def test_known_is_what_any_record_may_tell_of(
        self, store: Store, live: list[FilePlace], deleted: list[FilePlace], new: list[FilePlace]
    ) -> None:
        shelf = await Shelf.new(store)
        await note(shelf, [*deleted, *live], deleted)
        taken = {place[0] for place in live}
        files = sorted(place for place in new if place[0] not in taken)
        gone, inodes = {place[0] for place in deleted}, {place[1:] for place in (*live, *deleted)}
        with closing(reader_of(shelf)) as reader:
            assert reader.known(files) == {f[0] for f in files if f[0] in gone or f[1:] in inodes}

    async def test_known_among_many_deleted(self, shelf: Shelf, reader: LedgerReader) -> None:
        records = await shelf.add(*(f"d/{number:04}" for number in range(1500)), *LONG_PATHS)
        await shelf.write(*(change(record, state=RecordState.DELETED) for record in records))
        assert reader.known([("a", 1, 2**60), ("d/0007", 1, 2**61), ("z", 1, 2**62)]) == {"d/0007"}
        assert reader.known([(LONG + "ac", 1, 2**60)]) == set()
        assert reader.known([]) == set()

    async def test_reader_goes_on_after_it_was_closed(self, shelf: Shelf, reader: LedgerReader) -> None:
        await shelf.put("a")
        assert pages(reader) == ["a"]
        reader.close()
        reader.close()
        assert pages(reader) == ["a"]


async def note(shelf: Shelf, places: Sequence[FilePlace], deleted: Sequence[FilePlace]) -> None:
    """A record for each place, one after another; those to be deleted are deleted at once."""
    for number, (path, file_system, inode) in enumerate(places):
        record = await shelf.put(path, stat=stat(file_system=file_system, inode=inode))
        if number < len(deleted):
            await shelf.write(change(record, state=RecordState.DELETED))
