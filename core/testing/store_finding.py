"""What a store promises about finding records: by parts of their paths, by size, by time, by content."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from treeledger.model import FileRecord, RecordState
from treeledger.protocols import FileOrder, FileQuery, Store
from treeledger.testing.store_shelf import Shelf, change, hashed, paths_of, stat

MISSING, DELETED = RecordState.MISSING, RecordState.DELETED
FUTURE = datetime(2120, 1, 1, tzinfo=UTC)
NAMES = ["IMG_1.jpg", "a%b", "a_b", "a\\b", "aXb", "img/x.JPG", "Ä.txt", "\U0010ffe4.txt", "ä.txt"]


@pytest.mark.anyio
class FindingContract:
    @pytest.mark.parametrize(
        ("parts", "found"),
        [
            (("img",), ["IMG_1.jpg", "img/x.JPG"]),
            (("IMG_",), ["IMG_1.jpg"]),
            (("i", "x", ".jp"), ["img/x.JPG"]),
            ((".jpg", "img"), []),
            (("a_b",), ["a_b"]),
            (("A%",), ["a%b"]),
            (("\\",), ["a\\b"]),
            (("aa",), []),
            (("ä",), ["ä.txt"]),
            (("Ä",), ["Ä.txt"]),
            (("\U0010ffe4.",), ["\U0010ffe4.txt"]),
            ((".T", "T"), ["Ä.txt", "ä.txt", "\U0010ffe4.txt"]),
            (("nothing",), []),
        ],
    )
    async def test_files_that_have_parts(
        self, shelf: Shelf, parts: tuple[str, ...], found: list[str]
    ) -> None:
        records = await shelf.add(*NAMES)
        assert paths_of(await shelf.files(parts=parts)) == found
        assert paths_of(await shelf.files(parts=parts, at=FUTURE)) == found
        by_size = await sorted_files(shelf, order=FileOrder.SIZE, parts=parts)
        assert sorted(paths_of(by_size)) == sorted(found)
        await shelf.write(*(change(record, state=DELETED) for record in records))
        assert paths_of(await shelf.files(parts=parts, states=(DELETED,))) == found
        assert await shelf.files(parts=parts, states=(MISSING,)) == []

    async def test_the_largest_and_the_newest_first(self, shelf: Shelf, store: Store) -> None:
        other = await Shelf.new(store)
        sizes = {"a": 5, "b": 9, "c": 5, "d": 0, "e": 2**62}
        for name, size in sizes.items():
            await shelf.put(name, stat=stat(size=size, mtime_ns=100 - size % 7))
        await other.put("f", stat=stat(size=7, mtime_ns=-3))
        for limit in (1, 2, 9):
            largest = await sorted_files(shelf, order=FileOrder.SIZE, limit=limit)
            assert paths_of(largest) == ["e", "b", "a", "c", "d"]
            newest = await sorted_files(shelf, order=FileOrder.MODIFIED, limit=limit)
            assert [record.stat.mtime_ns for record in newest] == [100, 98, 96, 95, 95]
            everywhere = await sorted_files(shelf, order=FileOrder.SIZE, limit=limit, repository_id=None)
            assert paths_of(everywhere) == ["e", "b", "f", "a", "c", "d"]
            oldest = await sorted_files(shelf, order=FileOrder.MODIFIED, limit=limit, repository_id=None)
            assert oldest[-1].path == "f"
        await store.remove_repository(other.id, purge=False)
        assert "f" not in paths_of(await sorted_files(shelf, order=FileOrder.SIZE, repository_id=None))

    async def test_every_order_keeps_to_what_is_asked_for(self, shelf: Shelf) -> None:
        a, b, c, d = await shelf.add("x/a", "x/b", "y/c", "y/d")
        await shelf.write(hashed(a, "11"), hashed(c, "11"), change(b, state=MISSING))
        await shelf.write(change(d, state=DELETED))
        for order in (FileOrder.SIZE, FileOrder.MODIFIED):
            assert paths_of(await sorted_files(shelf, order=order, prefix="x/")) == ["x/a"]
            assert paths_of(await sorted_files(shelf, order=order, states=(MISSING,))) == ["x/b"]
            assert paths_of(await sorted_files(shelf, order=order, states=(DELETED,))) == ["y/d"]
            twins = await sorted_files(shelf, order=order, duplicates=True)
            assert sorted(paths_of(twins)) == ["x/a", "y/c"]

    async def test_contents_by_what_they_waste(self, shelf: Shelf, store: Store) -> None:
        other = await Shelf.new(store)
        await filled(
            shelf, {"a": ("11", 10), "b": ("11", 10), "c": ("22", 15), "d": ("33", 4), "e": ("44", 0)}
        )
        await filled(shelf, {"f": ("44", 0), "g": ("55", 2**62), "h": ("66", 10), "i": ("66", 10)})
        await filled(other, {"j": ("22", 15), "k": ("77", 1), "l": ("77", 1), "m": ("55", 2**62)})
        for limit in (1, 2, 9):
            assert await wasted(store, limit=limit) == [
                ("55", 2, 2**62, "g"),
                ("22", 2, 15, "c"),
                ("11", 2, 10, "a"),
                ("66", 2, 10, "h"),
                ("77", 2, 1, "k"),
            ]
        assert [one[0] for one in await wasted(store, other)] == ["55", "22", "77"]
        assert paths_of(await store.copies("22", limit=9)) == ["c", "j"]
        [first] = await store.copies("22", limit=1)
        assert paths_of(await store.copies("22", after=first.id, limit=9)) == ["j"]
        assert await store.copies("99", limit=9) == []

    async def test_what_is_gone_is_no_duplicate(self, shelf: Shelf, store: Store) -> None:
        other = await Shelf.new(store)
        await filled(shelf, {"a": ("11", 10), "b": ("11", 10), "c": ("22", 15)})
        await filled(other, {"d": ("22", 15), "e": ("11", 10)})
        await shelf.write(change(await shelf.at("a"), state=MISSING))
        assert await wasted(store) == [("22", 2, 15, "c"), ("11", 2, 10, "b")]
        await store.remove_repository(other.id, purge=False)
        assert await wasted(store) == []
        assert paths_of(await store.copies("11", limit=9)) == ["b"]


async def sorted_files(shelf: Shelf, **given: object) -> list[FileRecord]:
    """All records of a query by size or time, read page by page."""
    query = replace(FileQuery(repository_id=shelf.id, limit=3), **given)  # type: ignore[arg-type]
    found: list[FileRecord] = []
    while page := await shelf.store.files(query):
        assert len(page) <= query.limit
        found += page
        last = page[-1]
        value = last.stat.size if query.order is FileOrder.SIZE else last.stat.mtime_ns
        query = replace(query, beyond=(value, last.id))
    return found


async def filled(shelf: Shelf, files: dict[str, tuple[str, int]]) -> None:
    """Files, each with its content and size."""
    for path, (content, size) in files.items():
        record = await shelf.put(path, stat=stat(size=size))
        await shelf.write(hashed(record, content))


async def wasted(
    store: Store, shelf: Shelf | None = None, limit: int = 9
) -> Sequence[tuple[str, int, int, str]]:
    """All contents of several files, read page by page: hash, copies, bytes that they waste, the first."""
    found = []
    after: tuple[int, str] | None = None
    while page := await store.twins(None if shelf is None else shelf.id, after=after, limit=limit):
        found += [(one.hash, one.copies, one.wasted, one.first.path) for one in page]
        after = page[-1].weight, page[-1].hash
    return found
