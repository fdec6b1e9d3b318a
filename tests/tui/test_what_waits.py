"""The screens of what waits: how they look, and what is done with a real engine from them."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest
from rich.cells import cell_len
from stage import SIZES, Stage, check_picture, stage
from test_pictures import REPOSITORIES, assert_readable
from told import Telling
from values import NOW, status, waiting

from treeledger import wire
from treeledger.tui.model import Looked
from treeledger.tui.theme import THEMES

pytestmark = pytest.mark.anyio


def waits(key: str, name: str | None, message: str, hours: float) -> wire.Waiting:
    one = waiting(key.partition(":")[0], name, message)
    return msgspec.structs.replace(one, key=key, since=NOW - timedelta(hours=hours))


WAITING = [
    waits("offline:u", "usb-2019", "usb-2019: /mnt/usb-2019 is not there. Nothing was changed. Mount it", 72),
    waits(
        "held:17",
        "archive",
        "archive: 68,811 of 118,230 files are gone; more than 1,000 or 50 % needs your word. Nothing",
        6,
    ),
    waits(
        "degraded:f",
        "family",
        "family: 3,712 folders are above the watch limit of 65,536. They are scanned every 10 m meanwhile."
        " Raise it: sysctl fs.inotify.max_user_watches=131072",
        5,
    ),
    waits(
        "corrupted:p",
        "photos",
        "photos: the content of 2 files is not what it was, though nothing was written: a and others. The",
        2,
    ),
    waits(
        "dead_job:phone",
        None,
        "phone: 14 jobs will not be tried again by themselves; the last failed: 400. Nothing is lost",
        1,
    ),
]


@pytest.mark.parametrize(
    ("theme", "size"), [(theme.name, size) for theme in THEMES for size in SIZES], ids=str
)
async def test_what_waits_looks_as_it_was_drawn(theme: str, size: tuple[int, int]) -> None:
    async with stage(size=size) as shown:
        shown.app.theme = theme
        shown.app.source._client = Telling()
        await shown.tell(Looked(status(), REPOSITORIES, WAITING, 3))
        await shown.press("4")
        for name in ("held", "corrupted", "offline", "degraded", "dead"):
            await shown.settle()
            check(shown, f"attention-{name}", size)
            if name in ("held", "corrupted", "dead"):
                await shown.press("enter")
                await shown.settle()
                check(shown, f"matter-{name}", size)
                await shown.press("escape")
            if name == "held":
                await shown.press("A")
                await shown.settle()
                check(shown, "attention-approve", size)
                await shown.press("escape")
            await shown.press("down")


def check(shown: Stage, name: str, size: tuple[int, int]) -> None:
    _, _, below_tabs = shown.text.partition("\n")
    check_picture(f"{name}-{size[0]}x{size[1]}", below_tabs)
    assert all(cell_len(line) <= size[0] for line in shown.text.splitlines())
    assert_readable(shown)
