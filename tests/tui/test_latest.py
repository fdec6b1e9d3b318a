"""Of wishes that come while one is done, only the last is done, and nothing is broken off."""

from __future__ import annotations

from typing import Any, cast

import anyio
import pytest
from anyio.abc import TaskGroup
from textual.dom import DOMNode

from treeledger.tui.latest import Latest

pytestmark = pytest.mark.anyio


class Widget:
    """Runs workers, as a widget does."""

    def __init__(self, tasks: TaskGroup) -> None:
        self._tasks = tasks

    def run_worker(self, work: Any, **_: Any) -> None:
        self._tasks.start_soon(work)


async def test_only_the_last_of_those_that_wait_is_done() -> None:
    done: list[tuple[str, bool]] = []
    begun, go_on = anyio.Event(), anyio.Event()

    async def do(what: str) -> None:
        begun.set()
        await go_on.wait()
        done.append((what, latest.is_outdated))

    async with anyio.create_task_group() as tasks:
        latest = Latest(cast(DOMNode, Widget(tasks)), do)
        latest.wish("first")
        await begun.wait()
        for what in ("second", "third", "last"):
            latest.wish(what)
        go_on.set()
        await latest.rest()
        assert [what for what, _ in done] == ["first", "last"]
    assert done == [("first", True), ("last", False)]


async def test_what_is_dropped_is_not_done_and_what_runs_is_told() -> None:
    done: list[tuple[str, bool]] = []

    async def do(what: str) -> None:
        latest.wish("never")
        latest.drop()
        done.append((what, latest.is_outdated))

    async with anyio.create_task_group() as tasks:
        latest = Latest(cast(DOMNode, Widget(tasks)), do)
        latest.wish("first")
    async with anyio.create_task_group() as tasks:
        latest = Latest(cast(DOMNode, Widget(tasks)), do)
        latest.wish("second")
    assert done == [("first", True), ("second", True)]
