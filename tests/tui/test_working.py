"""What works for a screen, when it is closed."""

from __future__ import annotations

import asyncio

import pytest
from stage import stage
from test_library import classes
from textual.screen import Screen

from treeledger.tui.screens.told import Told
from treeledger.tui.working import Ending, begin


def test_every_screen_ends_its_work() -> None:
    screens = [one for one in classes() if issubclass(one, Screen)]
    assert screens
    assert [one for one in screens if not issubclass(one, Ending)] == []


@pytest.mark.anyio
async def test_what_works_for_a_screen_ends_before_its_widgets_go() -> None:
    seen: list[int] = []
    async with stage() as shown:
        window = Told("All of it", [("path", "a.jpg")])

        async def look() -> None:
            while True:
                seen.append(len(window.query("*")))
                await asyncio.sleep(0)

        await shown.app.push_screen(window)
        begin(window, look)
        await asyncio.sleep(0)
        await shown.app.pop_screen()
    assert seen
    assert set(seen) == {seen[0]}


@pytest.mark.anyio
async def test_what_a_screen_begins_as_it_ends_is_not_done() -> None:
    done: list[str] = []

    async def work() -> None:
        done.append("done")

    async with stage() as shown:
        window = Told("All of it", [("path", "a.jpg")])
        await shown.app.push_screen(window)
        window.is_ending = True
        worker = begin(window, work)
        await shown.settle()
        assert worker.is_cancelled
    assert done == []
