"""The engine's log on the screen: followed, by level, searched, frozen, wrapped, opened."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from rich.cells import cell_len
from stage import Live
from values import NOW

from treeledger.daemon.logs import KEPT, Ring
from treeledger.tui.log_texts import (
    LEVELS,
    MOST,
    LogTable,
    Tail,
    hits,
    message,
    of_level,
    where_line,
)
from treeledger.tui.texts import Line
from treeledger.wire_events import LogPage, LogRecord

log = logging.getLogger("treeledger.test")


def record(n: int, text: str = "scan completed", level: str = "info", **other: Any) -> LogRecord:
    values: dict[str, Any] = {
        "n": n,
        "ts": NOW - timedelta(seconds=100 - n % 100),
        "level": level,
        "logger": "treeledger.engine",
        "message": text,
        "repository": None,
        "exception": None,
    }
    return LogRecord(**values | other)


def text(line: Line) -> str:
    return "".join(piece.text for piece in line)


# --- pure ----------------------------------------------------------------------------------------


def test_however_much_comes_the_last_records_are_held() -> None:
    tail = Tail()
    for begin in range(0, 7000, 1000):
        items = [record(n) for n in range(begin, begin + 1000)]
        tail = tail.grown(LogPage(items=items, next=items[-1].n, kept=2000, file=None))
    assert len(tail.records) == MOST
    assert (tail.records[-1].n, tail.after) == (6999, 6999)
    assert tail.grown(LogPage(items=[], next=6999, kept=2000, file=None)).records is tail.records


def test_what_came_too_fast_is_told_in_its_place() -> None:
    def page(*numbers: int) -> LogPage:
        return LogPage(items=[record(n) for n in numbers], next=numbers[-1], kept=2000, file=None)

    tail = Tail().grown(page(70, 71)).grown(page(72)).grown(page(1075, 1076))
    assert [one.n for one in tail.records] == [70, 71, 72, 1074, 1075, 1076]
    assert message(tail.records[3]) == "1,002 records before this came too fast to be shown here"
    other = tail.of_another_run().grown(page(5, 6))
    assert [one.n for one in other.records[-2:]] == [5, 6]
    assert other.of_another_run().grown(page(5, 6)).records == other.records


def test_a_level_has_those_above_it_and_what_is_none_of_ours() -> None:
    every = [record(n, level=level) for n, level in enumerate((*LEVELS, "critical"))]
    assert [len(of_level(every, level)) for level in LEVELS] == [5, 4, 3, 2]


def test_a_line_says_whose_it_is_and_how_a_failure_ended_and_is_safe() -> None:
    one = record(1, "bad\x1b[31m\nname", repository="photos", exception="Trace\n  x\nValueError: no\n")
    assert message(one) == "photos: bad\\x1b[31m\\x0aname – ValueError: no"


def test_search_finds_in_any_case_and_marks_what_it_found_by_a_sign() -> None:
    records = [record(1, "Scan completed"), record(2, "hashing"), record(3, "a SCAN of photos")]
    assert hits(records, "scan") == [0, 2]
    assert hits(records, "") == []
    table = LogTable.of(records, NOW, 80, search="scan")
    lines = [table.line(place, 80, marked=False) for place in range(3)]
    assert [text(line)[1] for line in lines] == ["/", " ", "/"]
    assert [piece.text for piece in lines[2][3:]] == ["a ", "SCAN", " of photos"]


@pytest.mark.parametrize("wrap", [False, True])
@pytest.mark.parametrize("width", [20, 56, 76, 196])
def test_lines_fit_whatever_is_logged(width: int, wrap: bool) -> None:
    odd = ["", "x" * 3000, "写" * 200, "a b " * 300, "ß\x00\u202e", "İİİ i̇"]
    records = [record(n, one, level="error") for n, one in enumerate(odd)]
    table = LogTable.of(records, NOW, width, search="i", wrap=wrap)
    assert len({table.key(place) for place in range(len(table))}) == len(table)
    assert (len(table) > len(records)) is wrap
    for place in range(len(table)):
        assert cell_len(text(table.line(place, width, marked=True))) <= width
    assert [table.rows[table.row_of(place)] for place in range(6)] == [(place, 0) for place in range(6)]


def test_where_the_log_is() -> None:
    assert where_line(Tail(), 80) == ()
    assert "keeps no log" in text(where_line(Tail(kept=0), 80))
    assert "it writes no file" in text(where_line(Tail((record(1),), kept=2000), 80))
    for tail in (Tail(kept=0), Tail(kept=2000), Tail(kept=2000, file="/var/log/" + "写" * 60)):
        assert cell_len(text(where_line(tail, 30))) <= 30
    assert "/var/log/engine.log" in text(where_line(Tail(kept=2000, file="/var/log/engine.log"), 80))


# --- on a real engine ----------------------------------------------------------------------------


@pytest.fixture
def ring() -> Iterator[Ring]:
    """The log of the engine, which is in this process."""
    root, ring = logging.getLogger(), Ring()
    level = root.level
    root.addHandler(ring)
    root.setLevel(logging.INFO)
    logging.getLogger("httpx").setLevel(logging.WARNING)
    yield ring
    root.removeHandler(ring)
    root.setLevel(level)


@pytest.mark.anyio
async def test_an_engine_that_keeps_no_log_says_so(live: Live) -> None:
    await live.press("8")
    await live.until("keeps no log")


@pytest.mark.anyio
async def test_it_is_followed_by_level_and_frozen(live: Live, ring: Ring) -> None:
    log.info("a plain thing", extra={"repository": "photos"})
    log.warning("a strange thing")
    await live.press("8")
    await live.until(f"In memory only, the last {KEPT:,} records; ")
    await live.until("info +photos: a plain thing")
    await live.until("▸ .*▲ warning +a strange thing")
    log.error("a bad thing")
    await live.until("▸ .*■ error +a bad thing")
    await live.press("l")
    await live.until("Log  warning and above")
    assert "plain" not in live.shown.text
    await live.press("f")
    log.error("while frozen")
    log.info("not wanted")
    await live.until("frozen, 1 new  f goes on")
    assert "while frozen" not in live.shown.text
    await live.press("f")
    await live.until("▸ .*while frozen")


@pytest.mark.anyio
async def test_another_level_shows_what_there_is_from_the_first_record_on(live: Live, ring: Ring) -> None:
    for number in range(12):
        log.log(logging.WARNING if number % 2 else logging.INFO, "thing %d", number)
    await live.press("8")
    await live.until("▸ .*thing 11")
    await live.press("l")
    await live.until(r"Message +│\n│   .*thing 1 ")
    await live.until("▸ .*thing 11")
    await live.press("l")
    await live.until("Log  error and above")
    assert "thing" not in live.shown.text
    await live.press("l", "l")
    await live.until("▸ .*thing 11")


@pytest.mark.anyio
async def test_it_is_searched_and_read_where_one_is_while_more_comes(live: Live, ring: Ring) -> None:
    for number in range(50):
        log.info("thing %d is %s", number, "odd" if number % 10 == 3 else "even")
    await live.press("8")
    await live.until("▸ .*thing 49")
    await live.press("slash", *"ODD")
    await live.until("/ODD  5 of 5")
    await live.press("enter", "N")
    await live.until("/ODD  4 of 5")
    await live.until("▸/.*thing 33 is odd")
    log.info("thing 50 is odd")
    await live.until("4 of 6")
    await live.until("▸/.*thing 33 is odd")
    await live.press("n", "n", "n")
    await live.until("/ODD  1 of 6")
    await live.press("end")
    log.info("thing 51")
    await live.until("▸ .*thing 51")
    await live.press("escape")
    await live.until("live  f freezes")


@pytest.mark.anyio
async def test_a_record_is_wrapped_and_opened_with_all_that_is_known_of_it(live: Live, ring: Ring) -> None:
    try:
        raise ValueError("no disk")
    except ValueError:
        log.exception("it failed %s the end", "again " * 30)
    await live.press("8")
    await live.until("it failed")
    assert "the end" not in live.shown.text
    await live.press("w")
    await live.until("the end – ValueError")
    await live.press("enter")
    await live.until("logger +treeledger.test")
    await live.until('raise ValueError\\("no disk"\\)')
    await live.press("escape", "y")
    await live.until("copied: ")
    assert "ERROR   it failed again" in live.shown.app.clipboard


@pytest.mark.anyio
async def test_nothing_is_asked_while_nobody_looks(live: Live, ring: Ring) -> None:
    await live.press("8")
    await live.until("─ Log  info and above ─.* live ")
    page: Any = live.shown.app.screen
    await live.press("1")
    log.error("unseen")
    await live.until("● watching")
    await live.until(r"photos +● watching +31")
    assert page._worker.is_cancelled or page._worker.is_finished
    await live.press("8")
    await live.until("■ error +unseen")
