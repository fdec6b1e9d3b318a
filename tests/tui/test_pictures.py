"""Every screen at three sizes and in two themes, with a clock that stands still.

A picture that is meant to change is drawn anew with TREELEDGER_PICTURES=1.
"""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from msgspec.structs import replace
from rich.cells import cell_len
from stage import SIZES, Stage, check_picture, stage
from test_theme import contrast
from textual.color import Color
from values import NOW, change, operation, progress, repository, status, waiting

from treeledger.client import Happened
from treeledger.tui.model import Away, History, Journal, Looked, News, Second, Told
from treeledger.tui.theme import THEMES

pytestmark = pytest.mark.anyio
WATCH = {
    "watches": 11_904,
    "watches_needed": 11_904,
    "watch_limit": 65_536,
    "last_event": (NOW - timedelta(seconds=0.4)).isoformat(),
    "source": "watchdog",
}
REPOSITORIES = [
    repository("archive", "held", files=118_230, bytes=1.9e12, message="deletions wait for your decision"),
    repository("family", "degraded", files=61_377, bytes=488e9, message="3,712 folders are not watched"),
    repository("photos", "scanning", health=WATCH),
    repository("scans", files=38_904, bytes=212e9, last_scan=NOW.replace(hour=2)),
    repository("usb-2019", "offline", files=22_016, bytes=140e9, last_scan=NOW - timedelta(days=3)),
]
WAITING = [
    waiting("held", "archive", "archive: 68,811 of 118,230 files are gone. Nothing is deleted"),
    waiting("offline", "usb-2019", "usb-2019: /mnt/usb-2019 is not mounted. Nothing was changed. Mount it"),
    waiting("dead_job", None, "phone: 14 jobs will not be tried again by themselves. Nothing is lost"),
]
CHANGES = [
    change(1, "2024/07/IMG_0313.jpg", "deleted", size=9_100_000),
    change(2, "2024/07/IMG_0312.jpg", "modified", size=9_800_000),
    change(3, "2025/11/IMG_4391.jpg", "moved", path_before="inbox/IMG_4391.jpg"),
    change(4, "2025/11/IMG_4417.xmp", size=6_200, hash=None),
    change(5, "2025/11/[bold]IMG\x1b_4417.CR3"),
]
SECOND = int(NOW.timestamp())
SCAN = progress(
    expected=402_118, seconds=27.3, files_scanned=249_313, files_hashed=900, bytes_hashed=150_000_000
)
NEWS: list[News] = [
    Looked(status(queue={"webhook": {"waiting": 1204}}), REPOSITORIES, WAITING, 3),
    History(
        [
            operation(9),
            operation(
                8,
                "scans",
                "startup",
                status="completed",
                ended=NOW,
                duration_ms=61_000,
                files_scanned=38_904,
                files_added=12,
            ),
            operation(7, "usb-2019", status="failed", ended=NOW, duration_ms=20, error="it is not mounted"),
        ]
    ),
    Journal([], SECOND, is_afresh=True),
    *(Journal([one], SECOND - 5 + place) for place, one in enumerate(CHANGES)),
    Told([Happened("progress", SCAN)], SECOND),
    Second(SECOND),
]


@pytest.mark.parametrize("size", SIZES, ids=lambda size: "x".join(map(str, size)))
@pytest.mark.parametrize("theme", [one.name for one in THEMES])
async def test_screens_look_as_they_were_drawn(theme: str, size: tuple[int, int]) -> None:
    async with stage(size=size) as shown:
        shown.app.theme = theme
        await shown.tell(*NEWS)
        await shown.press("down", "down")
        for name, key in (("home", "1"), ("operations", "2"), ("attention", "4")):
            await shown.press(key)
            await shown.rest()
            check_picture(f"{name}-{size[0]}x{size[1]}", shown.text)
            assert all(cell_len(line) <= size[0] for line in shown.text.splitlines())
            assert_readable(shown)


FRAME = frozenset("─━│╭╮╰╯╸▁▂▃▄▅▆▇█ ")


def assert_readable(shown: Stage) -> None:
    """Fails unless every word stands off from its ground."""
    for line in shown.strips:
        for text, look, _ in line:
            if set(text) <= FRAME or look is None or look.color is None or look.bgcolor is None:
                continue
            colours = [Color.from_rich_color(one) for one in (look.color, look.bgcolor)]
            assert contrast(*colours) >= 4.5, (text, look)


async def test_a_newcomer_is_told_what_to_do() -> None:
    async with stage() as shown:
        assert "◐ starting" in shown.text
        await shown.tell(Looked(status(), [], [], 0))
        check_picture("newcomer-80x24", shown.text)


async def test_an_engine_that_is_away_is_said_to_be_and_what_was_seen_stays() -> None:
    async with stage() as shown:
        await shown.tell(
            *NEWS, Away("the engine at unix:/run/s does not answer. What it did is on record", SECOND)
        )
        check_picture("away-80x24", shown.text)


@pytest.mark.parametrize("size", SIZES, ids=lambda size: "x".join(map(str, size)))
async def test_twenty_repositories_with_long_names_are_told_apart(size: tuple[int, int]) -> None:
    names = [f"archive-of-the-family-photos-{number:02}" for number in range(20)]
    waits = [
        replace(waiting("held", name, f"{name}: 9 files are gone"), key=f"held:{name}") for name in names
    ]
    async with stage(size=size) as shown:
        await shown.tell(Looked(status(), [repository(name) for name in names], waits, 0))
        for key in "14":
            await shown.press(key)
            await shown.rest()
            tabs, edge, *lines = shown.text.splitlines()
            assert "" not in lines  # frames follow one another
            found = {match[1] for one in lines[1:] if (match := re.search(r"(-0[0-9])  ", one))}
            assert len(found) >= 3
            assert edge.endswith("1 of 20 ─╮") or size[1] == 60
            assert size[0] == 60 or "2 Operations  3 Files  4 Attention ■20  5" in tabs


async def test_frames_are_closed_whatever_the_names_in_them_are_written_in() -> None:
    async with stage() as shown:
        one = repository("写真アルバム", root="/volume1/" + "家族の写真/" * 12)
        await shown.tell(Looked(status(), [one], [], 0))
        edges = [line for line in shown.text.splitlines() if line[:1] in "╭╰"]
        assert len(edges) == 6
        assert all(cell_len(line) == 80 and line[-1] in "╮╯" for line in edges)
        assert "写真アルバム  /vol" in edges[2]
        assert "写真/ ─" in edges[2]


async def test_before_an_engine_answers_nothing_is_said_to_be_so() -> None:
    async with stage() as shown:
        for news in ((), (Away("the engine does not answer", SECOND),)):
            await shown.tell(*news)
            for key in "124":
                await shown.press(key)
                await shown.pilot.pause()
                assert not re.search("as it was|nothing waits|Nothing waits ─|under care|live", shown.text)
        await shown.tell(Looked(status(), [], [], 0))
        assert "Attention: nothing waits for you" in shown.text


async def test_names_are_shown_safely() -> None:
    async with stage() as shown:
        await shown.tell(Looked(status(), [repository("[red]a\x1b[31m\u202eb")], [], 0))
        assert "[red]a\\x1b[31m\\u202eb" in shown.text
        assert "\x1b" not in shown.text
