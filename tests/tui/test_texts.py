"""Cells and lines: each exactly as wide as its place, safe for a terminal, as a person would say it."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from values import NOW, change, progress, repository, status

from treeledger.tui import texts
from treeledger.tui.activity import Window
from treeledger.tui.columns import Column, heading, row_line, widths
from treeledger.tui.details import as_it_was, repository_lines, status_line
from treeledger.tui.model import Activity, Away, Link, Snapshot, reduced
from treeledger.tui.tables import Repositories
from treeledger.tui.texts import Piece

UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
names = st.text(min_size=1, max_size=200)
rooms = st.integers(0, 120)


def line_text(pieces: tuple[Piece, ...]) -> str:
    return "".join(one.text for one in pieces)


@given(names, rooms)
def test_elided_text_fits(name: str, width: int) -> None:
    assert cell_len(texts.elided(name, width)) <= width


@given(names, rooms, st.booleans())
def test_fitted_text_fills_its_place(name: str, width: int, right: bool) -> None:
    assert cell_len(texts.fitted(name, width, right=right)) == width


def test_of_a_long_path_both_ends_are_seen() -> None:
    assert texts.elided("2024/07/a-very-long-name/IMG_0312.jpg", 20) == "2024/0…/IMG_0312.jpg"


@given(names, st.none() | names, st.integers(4, 120))
def test_the_path_of_a_change_is_safe_and_fits(path: str, before: str | None, width: int) -> None:
    text = texts.path(change(1, path, path_before=before), width)
    assert not UNSAFE.search(text)
    assert cell_len(text) <= width


def test_a_move_is_shown_as_one() -> None:
    moved = change(1, "2025/11/b.jpg", "moved", path_before="inbox/b.jpg")
    assert texts.path(moved, 40) == "inbox/b.jpg → 2025/11/b.jpg"
    assert texts.path(moved, 20) == "in…b.jpg → 20…/b.jpg"


@given(st.floats(-1, 2), rooms)
def test_a_bar_fills_its_place(share: float, width: int) -> None:
    assert cell_len(line_text(texts.bar(share, width))) == width


@given(st.lists(st.floats(0, 1e12), max_size=300), rooms)
def test_a_sparkline_fills_its_place(values: list[float], width: int) -> None:
    assert len(texts.spark(values, width)) == width


def test_a_sparkline_has_its_highest_block_where_most_was() -> None:
    assert texts.spark([0, 1, 2, 8, 4], 8) == "▁▁▁▁▁▂█▄"


@pytest.mark.parametrize(
    ("before", "said"),
    [
        (timedelta(), "14:02"),
        (timedelta(hours=14), "00:02"),
        (timedelta(hours=15), "yesterday"),
        (timedelta(days=3), "3 d ago"),
        (timedelta(days=40), "2026-10-11"),
    ],
)
def test_times_that_were(before: timedelta, said: str) -> None:
    assert texts.past(NOW - before, NOW) == said


def test_times_to_come() -> None:
    assert texts.coming(NOW + timedelta(hours=12), NOW) == "02:02"
    assert texts.coming(NOW + timedelta(hours=50), NOW) == "in 2 d"
    assert [texts.left(seconds) for seconds in (17, 720, 6060, 300_000)] == ["17 s", "12 m", "1 h 41", "3 d"]
    assert [texts.ago(NOW - timedelta(seconds=s), NOW) for s in (0.4, 17, 300, 9000, 2e5)] == [
        "0.4 s",
        "17 s",
        "5 m",
        "2 h",
        "2 d",
    ]


def test_what_comes_next_is_said_as_a_person_would() -> None:
    scan = [progress(files_scanned=624, expected=1000)]
    assert texts.next_scan(repository(state="scanning"), scan, NOW).text == "now, 62 %"
    assert texts.next_scan(repository(state="scanning"), [], NOW).text == "now"
    assert texts.next_scan(repository(state="held"), [], NOW).text == "needs you"
    assert texts.next_scan(repository(), [], NOW).text == "02:00"


def test_only_what_is_done_is_a_hundred_percent() -> None:
    assert [texts.percent(share) for share in (0.9999, 1.0)] == ["99 %", "100 %"]
    assert texts.share(5, 0) is None


@given(st.text(max_size=500), st.integers(1, 100), st.integers(1, 6))
def test_a_message_is_wrapped_into_its_room(text: str, width: int, most: int) -> None:
    lines = texts.wrapped(text, width, most)
    assert len(lines) <= most
    assert all(cell_len(line) <= max(width, 2) for line in lines)


# columns

COLUMNS = (
    Column("Name", 8, grows=True),
    Column("State", 10),
    Column("Files", 9, right=True, rank=1),
    Column("Last", 10, rank=2),
)


@given(st.integers(22, 200))
def test_columns_fill_the_room_and_the_least_wanted_go_first(room: int) -> None:
    found = widths(COLUMNS, room)
    placed = [width for width in found if width]
    assert sum(placed) + 2 * (len(placed) - 1) == room
    assert found[0] >= 8
    assert found[1] == 10
    assert found[2] or not found[3]


@given(st.integers(24, 200), st.lists(names, min_size=4, max_size=4))
def test_a_row_is_exactly_as_wide_as_its_heading(room: int, cells: list[str]) -> None:
    row = row_line(COLUMNS, [Piece(one) for one in cells], room, marked=True)
    assert cell_len(line_text(row)) == cell_len(line_text(heading(COLUMNS, room))) == room
    assert line_text(row).startswith("▸ ")


@pytest.mark.parametrize(
    ("files", "hashed", "rate", "said"),
    [
        (0, 0, 0, "nothing to read"),
        (100, 100, 0, "every file has its hash"),
        (100, 0, 0, "0 %"),
        (100, 75, 10e6, "75 %       10.0 MB/s     25 s"),
    ],
)
@pytest.mark.parametrize("width", [56, 76, 120])
def test_how_far_hashing_is(files: int, hashed: int, rate: float, said: str, width: int) -> None:
    one = repository(files=files, hashed=hashed, bytes=1_000_000_000)
    activity = Activity(hashed=Window((rate,), 1))
    line = repository_lines(
        Snapshot(repositories=(one,), activity={"photos": activity}), "photos", width, NOW
    )[1]
    assert said in line_text(line)
    assert cell_len(line_text(line)) in (width, 13 + len(said))


# times, and what is away


@pytest.mark.parametrize(
    ("before", "day", "moment"),
    [
        (timedelta(minutes=1), "14:01:31", "14:01:31"),
        (timedelta(days=1), "19 Nov", "2026-11-19 14:02"),
        (timedelta(days=365), "Nov 2025", "2025-11-20 14:02"),
    ],
)
def test_a_day_of_another_year_is_not_taken_for_one_of_this(before: timedelta, day: str, moment: str) -> None:
    assert (texts.clock(NOW - before, NOW), texts.dated(NOW - before, NOW)) == (day, moment)


def test_of_an_engine_that_is_away_nothing_is_said_to_be_so_now() -> None:
    one = repository(state="scanning", health={"watches": 3, "last_event": NOW.isoformat()})
    away = Snapshot(Link.AWAY, "it does not answer", 1, status=status(), repositories=(one,))
    said = "\n".join(map(line_text, repository_lines(away, "photos", 76, NOW)))
    assert "It does not answer." in said
    assert not re.search("Watches|Last event|Full scan|now", said)
    row = line_text(Repositories(away, NOW).line(0, 76, marked=True))
    assert row.rstrip().endswith("–")
    assert as_it_was(away, NOW).startswith("as it was at ")
    assert as_it_was(Snapshot(Link.HERE), NOW) == ""


def test_the_number_of_a_machine_is_no_name_of_its_host() -> None:
    def said(host: str) -> str:
        snapshot = Snapshot(Link.HERE, status=status(host=host))
        return line_text(status_line(snapshot, 80, is_own=False))

    assert said("nas").startswith(" daemon on nas  sqlite ledger.db  jobs 0")
    assert said("3d1219" + "f" * 26).startswith(" daemon  sqlite ledger.db  jobs 0")


def test_a_ledger_that_is_away_is_not_called_an_engine_that_is() -> None:
    away = reduced(
        Snapshot(Link.HERE, status=status()), Away("the ledger is away: no route", 1, is_ledger=True)
    )
    assert line_text(status_line(away, 80, is_own=False)).startswith(" ○ ledger away  the ledger is away")
    said = "\n".join(map(line_text, repository_lines(away, None, 76, NOW)))
    assert "An engine keeps what it hears until the ledger is back" in said


def test_a_store_goes_by_the_name_of_its_database() -> None:
    store = "postgresql://user@nas/ledger?host=/run/postgresql"
    snapshot = Snapshot(Link.HERE, status=status(store=store))
    assert "  postgresql ledger  " in line_text(status_line(snapshot, 80, is_own=False))


@pytest.mark.parametrize("width", [56, 76])
def test_of_a_trouble_the_end_is_seen_which_says_what_to_do(width: int) -> None:
    message = (
        "photos: /volume1/photos is another directory than the one whose 402,118 files are on record. "
        "Nothing was changed. If it is meant to be this one now, run: "
        "treeledger repo relocate photos /volume1/photos"
    )
    one = repository(state="offline", message=message)
    lines = list(map(line_text, repository_lines(Snapshot(repositories=(one,)), "photos", width, NOW)))
    assert len(lines) <= 4
    said = " ".join(line.strip() for line in lines)
    assert said.startswith("/volume1/photos is another directory")
    assert "treeledger repo relocate photos" in said
