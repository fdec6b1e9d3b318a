"""The screens of what runs and ran: how they look, and what a real engine does, seen there."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from rich.cells import cell_len
from stage import SIZES, Live, Stage, check_picture, stage
from test_deciding import corrupt
from test_pictures import REPOSITORIES, assert_readable
from told import Telling
from values import NOW, operation, progress, status

from treeledger import wire
from treeledger.client import Happened
from treeledger.tui.model import History, Looked, Told
from treeledger.tui.operation_texts import counts, in_order
from treeledger.tui.screens import operations
from treeledger.tui.theme import THEMES

pytestmark = pytest.mark.anyio
SECOND = int(NOW.timestamp())


def ended(id: int, type: str, hours: float, name: str = "photos", **other: Any) -> wire.Operation:
    began = NOW - timedelta(hours=hours)
    values: dict[str, Any] = {
        "status": "completed",
        "started": began,
        "ended": began + timedelta(seconds=61),
        "duration_ms": 61_000,
    }
    return operation(id, name, type, **values | other)


HISTORY = [
    ended(9, "realtime", 0.1, files_scanned=3, files_added=3, duration_ms=412),
    operation(8, started=NOW - timedelta(seconds=27)),
    operation(7, "archive", "scrub", started=NOW - timedelta(minutes=12)),
    ended(6, "scrub", 3, bytes_hashed=31_000_000_000, files_hashed=1_204, files_updated=1, problems=22),
    ended(5, "reconciliation", 12.5, "scans", files_scanned=38_904),
    ended(4, "manual", 13, scope="2024/07", files_scanned=412, files_added=12, files_moved=3, files_hashed=9),
    ended(3, "reconciliation", 30, "usb-2019", status="failed", error="/mnt/usb-2019 is not there. Nothing"),
    ended(2, "startup", 50, files_scanned=402_118, files_added=402_118, bytes_hashed=3_100_000_000_000),
]
RUNNING = [
    progress(
        expected=402_118, seconds=27.3, files_scanned=249_313, files_hashed=900, bytes_hashed=150_000_000
    ),
    progress("archive", "scrub", expected=118_230, seconds=720, files_hashed=4_120, bytes_hashed=98 * 10**9),
]
NEWS = [
    Looked(status(), REPOSITORIES, [], 22),
    History(HISTORY),
    Told([Happened("progress", one) for one in RUNNING], SECOND),
]


@pytest.mark.parametrize(
    ("theme", "size"), [(theme.name, size) for theme in THEMES for size in SIZES], ids=str
)
async def test_operations_look_as_they_were_drawn(theme: str, size: tuple[int, int]) -> None:
    async with stage(size=size, client=Telling()) as shown:
        shown.app.theme = theme
        await shown.tell(*NEWS)
        await shown.press("2")
        await shown.settle()
        check(shown, "operations-running", size)
        await shown.press("down", "down")
        await shown.settle()
        check(shown, "operations-scrub", size)
        await shown.press("enter")
        await shown.settle()
        check(shown, "operation-scrub", size)
        await shown.press("escape", "b")
        await shown.settle()
        check(shown, "operations-bursts", size)


def check(shown: Stage, name: str, size: tuple[int, int]) -> None:
    _, _, below_tabs = shown.text.partition("\n")
    check_picture(f"{name}-{size[0]}x{size[1]}", below_tabs)
    assert all(cell_len(line) <= size[0] for line in shown.text.splitlines())
    assert_readable(shown)


def test_what_runs_comes_first_and_bursts_only_where_they_are_wanted() -> None:
    assert [one.id for one in in_order(HISTORY, [], bursts=False)] == [8, 7, 6, 5, 4, 3, 2]
    assert [one.id for one in in_order(HISTORY[:2], HISTORY, bursts=True)] == [8, 7, 9, 6, 5, 4, 3, 2]
    over = ended(8, "reconciliation", 0)
    assert in_order([over], HISTORY, bursts=False)[1] == over


def test_what_came_of_an_operation_in_words() -> None:
    assert counts(HISTORY[3]) == "31.0 GB read, 22 problems"
    assert counts(HISTORY[4]) == "38,904 files, nothing new"
    burst = operation(9, "photos", "realtime", status="completed", ended=NOW)
    assert counts(burst) == "nothing added or changed"  # files may be missing since
    assert counts(operation(9, status="failed", ended=NOW, files_scanned=600, error="gone")) == "600 files"
    assert counts(progress(files_scanned=600)) == "600 files"  # which may be new: they are committed later
    assert counts(HISTORY[5]) == "12 added, 3 moved, 9 hashed"


async def test_scans_are_not_buried_by_bursts_and_older_ones_are_read(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operations, "_PAGE", 5)
    client = live.shown.app.source.client
    for _ in range(12):
        await client.trigger("full", repository="photos", paths=["2024"], wait=True)
    live.tree.write("new.jpg")
    await live.until("added +new.jpg")
    await live.press("2")
    await live.until(r"manual +30 files, nothing new")
    assert "realtime" not in live.shown.text
    await live.press("b")
    await live.until("● realtime +1 added")
    await live.press("b", "end", "end", "end")
    await live.until("● startup +31 added")


async def test_an_operation_is_opened_for_its_problems_and_what_to_do(live: Live) -> None:
    await live.press("2")
    await live.until("startup +31 added")
    await live.press("enter")
    await live.until("it met no problem")
    await live.press("escape")
    corrupt(live.tree, "2024/07.jpg", "as it was")
    await live.shown.app.source.client.trigger("scrub", wait=True)
    await live.until("● scrub +[0-9]+ B read, 1 problem")
    await live.press("home", "enter")
    await live.until("Problems: 1 corrupted")
    await live.until("2024/07.jpg +corrupted")
    await live.until("4 Attention has the good hash")
    await live.press("y")
    await live.until("copied: ")
    assert live.shown.app.clipboard == str(live.tree.root / "2024/07.jpg")
