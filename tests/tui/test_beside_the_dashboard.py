"""What is done beside the dashboard: however long it takes, and in the moment in which its time is over."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Event

import pytest
from stage import stage

from treeledger.tui.beside import Beside, Stuck
from treeledger.tui.screens.questions import ChooseFolder

pytestmark = pytest.mark.anyio
WITHIN = 0.05  # seconds


@pytest.fixture(autouse=True)
def _as_usual() -> Iterator[None]:
    """How long a thread may have the interpreter at a time, which what is stuck makes shorter."""
    interval = sys.getswitchinterval()
    yield
    sys.setswitchinterval(interval)


async def test_what_has_ended_once_its_time_is_looked_at_was_in_time() -> None:
    """As where others have the processors meanwhile."""
    beside, may_end = Beside(), Event()

    def hold_up_all_else() -> None:
        may_end.set()
        while beside._begun is None or not beside._begun.done():
            time.sleep(WITHIN / 10)
        time.sleep(2 * WITHIN)

    asyncio.get_running_loop().call_soon(hold_up_all_else)
    assert await beside.do(may_end.wait, WITHIN)


async def test_it_raises_what_the_work_raised_and_stuck_for_what_has_not_ended() -> None:
    def fail() -> None:
        raise TimeoutError("its own")

    with pytest.raises(TimeoutError, match="its own"):
        await Beside().do(fail)
    may_end, beside = Event(), Beside()
    try:
        for _ in range(2):
            with pytest.raises(Stuck):
                await beside.do(may_end.wait, WITHIN)
    finally:
        may_end.set()


async def test_a_folder_that_does_not_answer_is_shown_once_it_does_and_is_in_no_others_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick, hanging = tmp_path / "quick", tmp_path / "hanging"
    for folder in (quick / "there", hanging / "at last"):
        folder.mkdir(parents=True)
    answers, is_folder = Event(), os.path.isdir

    def isdir(path: str) -> bool:
        return (str(path) != str(hanging) or answers.wait()) and is_folder(path)

    monkeypatch.setattr(os.path, "isdir", isdir)
    async with stage() as shown:
        shown.app.push_screen(ChooseFolder(quick / "there"))
        await shown.until("Take a folder under care")
        entry = shown.app.screen.query_one("#path")
        try:
            for path in (hanging, quick):
                entry.value = str(path)  # type: ignore[attr-defined]
                await shown.rest()
            await shown.until("▸ there")
            entry.value = str(hanging)  # type: ignore[attr-defined]
            await shown.rest()
        finally:
            answers.set()
        await shown.until("▸ at last")
