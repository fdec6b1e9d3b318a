"""The page of files on a real engine, and how it looks with a clock that stands still."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from stage import SIZES, Live, Stage, check_picture, stage
from test_pictures import assert_readable
from test_texts import UNSAFE, line_text
from values import NOW, change, explanation, record, repository, status

from treeledger.answers import Duplicates, FileExplanation
from treeledger.api.routing import Page
from treeledger.model import RecordState
from treeledger.tui.book import Book
from treeledger.tui.file_details import Detail, copyable, detail_lines
from treeledger.tui.file_texts import Wanted, count, file_table, since_then, twin_table, why_none
from treeledger.tui.model import MOST_CHANGES, Looked
from treeledger.tui.theme import THEMES
from treeledger.wire_events import Changes

pytestmark = pytest.mark.anyio
odd = st.text(min_size=1, max_size=60)


async def opened(live: Live) -> None:
    await live.press("3")
    await live.until(r"31 by path")
    await live.until(r"▸ 2024/00.jpg")


# --- on a real engine ------------------------------------------------------------------------------


async def test_files_are_found_as_one_types(live: Live) -> None:
    await opened(live)
    await live.press("slash", *"NOTES")
    await live.until(r"▸ notes.txt(.|\n)*NOTES")
    await live.until(r"^ esc Back$")  # all other keys are letters now
    assert ".jpg" not in live.shown.text
    await live.press("enter", "slash", *["backspace"] * 5, *"2024/2?.jpg")
    await live.until(r"10 by path(.|\n)*▸ 2024/20.jpg")
    await live.press("down")
    await live.until(r"▸ 2024/21.jpg")
    await live.press("backspace", *"x")
    await live.until(r"Nothing matches 2024/2\?.jpx")
    await live.press("escape")
    await live.until("31 by path")


async def test_files_are_sorted_by_size_and_by_time(live: Live) -> None:
    live.tree.write("large.bin", "x" * 100_000)
    await opened_with(live, "large.bin")
    await live.press("o")
    await live.until(r"32 by size(.|\n)*▸ large.bin +100 kB")
    await live.press("o")
    await live.until("32 by modified")
    await live.press("escape")
    await live.until("32 by path")


async def opened_with(live: Live, path: str) -> None:
    await live.until(f"added +{path}")
    await live.press("3")
    await live.until(r"by path(.|\n)*▸ ")


async def test_duplicates_are_told_by_what_they_waste(live: Live) -> None:
    await opened(live)
    await live.press("d")
    await live.until("No two files have the same content")
    await live.press("d")
    await live.until("31 by path")
    for name in ("a", "b", "c"):
        live.tree.write(f"copies/{name}", "the same " * 100)
        await live.tree.until_equal()
    await live.press("d")
    await live.until(r"1 by waste(.|\n)*▸ +1.8 kB +3 +900 B +copies/a")
    await live.press("enter")
    await live.until(r"2 other files have the same content:\s+│(.|\n)*copies/b(.|\n)*copies/c")
    await live.press("escape", "escape")
    await live.until(r"34 by path")


async def test_a_file_is_told_all_about(live: Live) -> None:
    await opened(live)
    await live.press("end", "enter")
    await live.until(r"╭─ notes.txt")
    await live.until(r"on disk +as recorded")
    await live.until(r"no other file has this content")
    await live.until(r"added +\d+ B")
    await live.press("escape")
    await live.until("31 by path")


async def test_what_is_missing_is_listed_and_a_short_list_follows_changes(live: Live) -> None:
    await opened(live)
    live.tree.write("2023/before.txt", "new")
    await live.until(r"32 by path")
    await live.until(r"^│ +2023/before.txt")
    (live.tree.root / "2024/00.jpg").unlink()
    await live.tree.until_state("2024/00.jpg", RecordState.DELETED)
    await live.press("m")
    await live.until(r"Missing files  photos(.|\n)*No file is missing")
    await live.press("m")
    await live.until(r"Deleted files  photos(.|\n)*▸ 2024/00.jpg")
    await live.press("m")
    await live.until("Ignored files")
    await live.press("m")
    await live.until("31 by path")


async def test_a_long_list_says_that_it_is_not_the_newest_and_stays(live: Live) -> None:
    for number in range(120):
        live.tree.write(f"2025/{number:03}.jpg", "one more")
    await live.tree.until_equal()
    await live.press("3")
    await live.until(r"151 by path ─")
    await live.press(*["down"] * 3)
    await live.until("▸ 2024/03.jpg")
    live.tree.write("2023/before.txt", "new")
    await live.until(r"Files  photos ─.* 151 by path  1 change since, f5 reads again")
    assert "▸ 2024/03.jpg" in live.shown.text
    assert "before" not in live.shown.text
    await live.press("f5")
    await live.until(r"152 by path ─(.|\n)*▸ 2023/before.txt")


async def test_y_copies_the_whole_path(live: Live) -> None:
    await opened(live)
    await live.press("y")
    await live.until("copied")
    assert live.shown.app.clipboard == f"{live.tree.root}/2024/00.jpg"


async def test_r_goes_from_one_repository_to_all(live: Live) -> None:
    await opened(live)
    await live.press("r")
    await live.until("Files  all repositories")
    await live.press("r")
    await live.until("Files  photos")


async def test_what_cannot_be_read_is_said_and_read_once_the_engine_is_back(live: Live) -> None:
    await opened(live)
    source = live.shown.app.source
    client, source._client = source.client, None
    await live.press("o")
    await live.until("no engine answers")
    source._client = client
    await live.press("f5")
    await live.until("31 by size")


# --- how it looks ----------------------------------------------------------------------------------

PATHS = [f"2024/07/IMG_{number:04}.CR3" for number in range(300, 360)]
RECORDS = [
    record(number, path, size=9_800_000 + number**4, mtime=NOW - timedelta(hours=number))
    for number, path in enumerate(PATHS, 1)
]
RECORDS[2] = record(3, PATHS[2], hash=None, hash_state="pending")
RECORDS[3] = record(4, "2024/07/[bold]a\x1b[31m\u202eb\U0010ffff.jpg", hash_state="corrupted")
TWINS = [
    Duplicates(
        hash=f"{number:064}",
        size=size,
        copies=copies,
        wasted=size * (copies - 1),
        repository="photos",
        path=path,
    )
    for number, (size, copies, path) in enumerate(
        [
            (8_400_000_000, 3, "films/Summer 2019.mov"),
            (4_700_000, 12, "2011/IMG_0007.jpg"),
            (900, 2, "notes.txt"),
        ]
    )
]


class Still:
    """A client that always says the same."""

    async def get(self, route: str, kind: type[Any], **query: Any) -> Page[Any]:
        if route == "/api/duplicates":
            return Page(items=TWINS)
        if route.startswith("/api/duplicates/"):
            return Page(items=[RECORDS[0], record(99, "elsewhere/copy.CR3", repository="archive")])
        return Page(items=RECORDS, next=None if query["sort"] == "size" else "more")

    async def journal(self, *, limit: int) -> Changes:
        return Changes(items=[], next=None, head="e:0")

    async def explain(self, name: str, path: str) -> FileExplanation:
        return explanation(
            RECORDS[0], changes=[change(1), change(2, kind="moved", path="b", path_before="a")]
        )


class Slow(Still):
    """One that keeps its answers back, as long as the lock is held."""

    def __init__(self) -> None:
        self.asked: list[str | None] = []
        self.lock = anyio.Lock()

    async def get(self, route: str, kind: type[Any], **query: Any) -> Page[Any]:
        self.asked.append(query["text"])
        async with self.lock:
            return Page(items=[record(1, f"found for {query['text']}")])


class Paged(Still):
    """One of two pages, that keeps the second one back."""

    def __init__(self) -> None:
        self.is_asked, self.may_answer = anyio.Event(), anyio.Event()

    async def get(self, route: str, kind: type[Any], **query: Any) -> Page[Any]:
        if query["after"] is None:
            return Page(items=[record(1, "first")], next="first")
        self.is_asked.set()
        await self.may_answer.wait()
        return Page(items=[record(2, "second")])


@asynccontextmanager
async def files_of(client: Still, size: tuple[int, int] = (80, 24)) -> AsyncIterator[Stage]:
    """The page of files of an engine that has one repository."""
    async with stage(size=size, client=client) as shown:
        await shown.tell(Looked(status(), [repository()], [], 0))
        await shown.press("3")
        yield shown


@pytest.mark.parametrize("size", SIZES, ids=lambda size: "x".join(map(str, size)))
@pytest.mark.parametrize("theme", [one.name for one in THEMES])
async def test_files_look_as_they_were_drawn(theme: str, size: tuple[int, int]) -> None:
    async with files_of(Still(), size) as shown:
        shown.app.theme = theme
        await shown.until(r"the first 420 (.|\n)*▸ 2024/07/IMG_0300.CR3")
        if size[0] >= 130:
            await shown.until("on disk +as recorded")
        await look(shown, "files", size, "enter Details")
        await shown.press("d")
        await shown.until("▸ .*16.8 GB")
        await look(shown, "duplicates", size, "enter Details")
        await shown.press("enter")
        await shown.until("elsewhere/copy.CR3")
        await shown.until("y Copy path")
        check_picture(f"file-{size[0]}x{size[1]}", shown.text)


async def test_what_is_typed_on_supersedes_what_was_asked_for() -> None:
    client = Slow()
    async with files_of(client) as shown:
        await shown.until("▸ found for None")
        async with client.lock:
            await shown.press("slash", *"note")
            await shown.until("Looking …")
        await shown.until("▸ found for note")
        assert client.asked == [None, "n", "note"]
        assert "1 by path" in shown.text


async def test_the_page_of_a_listing_of_before_is_none_of_the_same_listing_begun_anew() -> None:
    client = Paged()
    async with files_of(client) as shown:
        await client.is_asked.wait()
        await shown.press(*"mmmm")
        client.may_answer.set()
        await shown.until("▸ first .*\n.* second .*")
        await shown.until("2 by path")


async def look(shown: Stage, name: str, size: tuple[int, int], keys: str) -> None:
    await shown.until(keys)
    check_picture(f"{name}-{size[0]}x{size[1]}", shown.text)
    assert all(cell_len(line) <= size[0] for line in shown.text.splitlines())
    assert_readable(shown)


@given(odd, odd, st.integers(40, 160))
def test_rows_fill_their_width_and_are_safe(path: str, name: str, width: int) -> None:
    book: Book[Any] = Book()
    files = file_table(book.with_next([record(1, path, repository=name)], None), Wanted(), NOW)
    one = Duplicates(hash="11", size=2**62, copies=10**9, wasted=2**91, repository=name, path=path)
    twins = twin_table(book.with_next([one], None))
    for table in (files, twins):
        for line in (
            table.line(0, width, marked=True),
            table.line(1, width, marked=False),
            table.heading(width),
        ):
            assert cell_len(line_text(line)) == width
            assert not UNSAFE.search(line_text(line))


@given(odd, odd, st.integers(30, 160))
def test_details_fit_and_are_safe(path: str, message: str, width: int) -> None:
    one = record(1, path)
    facts = explanation(
        one, offline=message, plugins=[message], changes=[change(1, path, path_before=message)]
    )
    for line in detail_lines(Detail(facts, [one, record(2, message)]), width, NOW):
        assert cell_len(line_text(line)) <= width
        assert not UNSAFE.search(line_text(line))


def said(detail: Detail) -> str:
    return "\n".join(line_text(line) for line in detail_lines(detail, 100, NOW))


def test_a_file_that_is_not_as_recorded() -> None:
    one = record(1, "a", hash=None, hash_state="pending", state="missing")
    text = said(Detail(explanation(one, stat=None, exists=False), []))
    assert re.search(r"state +missing", text)
    assert re.search(r"hash +not read yet", text)
    assert re.search(r"on disk +nothing is there", text)
    assert "copies" not in text
    changed = explanation(record(1, "a"), differing=["size", "mtime_ns"], is_change=True)
    assert "changed since it was recorded (size, mtime_ns)" in said(Detail(changed))
    touched = explanation(record(1, "a"), differing=["ctime_ns"])
    assert "as recorded but for ctime_ns" in said(Detail(touched))
    assert "no record of it" in said(Detail(explanation(None)))


def test_what_is_asked_for() -> None:
    assert Wanted("photos", "IMG_").query()["text"] == "IMG_"
    assert Wanted("photos", "2024/*.jpg").query()["glob"] == ["2024/*.jpg"]
    assert Wanted(text="x\\xe4").query()["text"] == "x\U0010ffe4", "a byte is typed as it is shown"
    assert Wanted("photos", duplicates=True).query() == {"repository": "photos"}


def test_how_many_there_are() -> None:
    book: Book[Any] = Book()
    assert count(Wanted(), book.with_next([1, 2], "more"), 1_000_000) == "the first 2 of 1,000,000 by path"
    assert count(Wanted(text="x"), book.with_next([1, 2], "more"), None) == "the first 2 by path"
    assert count(Wanted(sort="size"), book.with_next([1, 2], None), 2) == "2 by size"
    assert since_then(0) == ""
    assert since_then(3) == "3 changes since, f5 reads again"
    assert since_then(MOST_CHANGES) == "500 changes or more since, f5 reads again"
    assert since_then(None) == "may have changed, f5 reads again"
    assert why_none(Wanted(), is_reading=False) == "No files yet."


def test_what_is_copied_is_safe_to_paste() -> None:
    assert copyable("/volume1/photo", "2024/Größe 1.jpg") == "/volume1/photo/2024/Größe 1.jpg"
    assert copyable("/", "a\nrm -rf x") == "/a\\x0arm -rf x"
