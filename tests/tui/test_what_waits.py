"""The screens of what waits: how they look, and what is done with a real engine from them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import anyio
import msgspec
import pytest
from rich.cells import cell_len
from stage import SIZES, Stage, check_picture, stage
from test_pictures import REPOSITORIES, assert_readable
from told import Telling, job
from values import NOW, status, waiting

from treeledger import wire
from treeledger.api.routing import Page
from treeledger.tui.model import Looked
from treeledger.tui.screens.attention import AttentionPage
from treeledger.tui.theme import THEMES

pytestmark = pytest.mark.anyio


def waits(key: str, name: str | None, message: str, hours: float) -> wire.Waiting:
    one = waiting(key.partition(":")[0], name, message)
    return msgspec.structs.replace(one, key=key, since=NOW - timedelta(hours=hours))


DEAD = waits(
    "dead_job:phone",
    None,
    "phone: 14 jobs will not be tried again by themselves; the last failed: 400. Nothing is lost",
    1,
)
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
    DEAD,
]


@pytest.mark.parametrize(
    ("theme", "size"), [(theme.name, size) for theme in THEMES for size in SIZES], ids=str
)
async def test_what_waits_looks_as_it_was_drawn(theme: str, size: tuple[int, int]) -> None:
    async with stage(size=size, client=Telling()) as shown:
        shown.app.theme = theme
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


class Long(Telling):
    """Of more dead jobs than a page has, the next of which are kept back."""

    def __init__(self) -> None:
        self.asked = 0
        self.may_answer = anyio.Event()

    async def get(self, route: str, kind: object, **query: Any) -> Page[Any]:
        if query.get("after") is None:
            return Page(items=[job(n) for n in range(1, 41)], next="more")
        self.asked += 1
        await self.may_answer.wait()
        return Page(items=[job(n) for n in range(41, 61)], next=None)


async def test_a_page_that_is_read_is_not_asked_for_again_by_every_key() -> None:
    client = Long()
    async with stage(client=client) as shown:
        await shown.tell(Looked(status(), REPOSITORIES, [DEAD], 3))
        await shown.press("4", "enter")
        await shown.until("▸ +1 ")
        await shown.press("end", "up", "up", "up")
        client.may_answer.set()
        await shown.settle()
        await shown.press("end")
        await shown.until("▸ +60 ")
        assert client.asked == 1


async def test_what_waits_no_longer_is_not_kept_in_memory() -> None:
    async with stage(client=Telling()) as shown:
        await shown.tell(Looked(status(), REPOSITORIES, [DEAD], 3))
        await shown.press("4")
        await shown.settle()
        page = shown.app.screen
        assert isinstance(page, AttentionPage)
        assert page.matter is not None
        await shown.tell(Looked(status(), REPOSITORIES, [], 3))
        assert not page._learnt
