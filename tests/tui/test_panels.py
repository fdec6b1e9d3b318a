"""Panels of plugins: shown in their place, with their keys, and whatever is wrong with one stays there."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from itertools import pairwise
from typing import Any

import anyio
import pytest
from stage import Live, frozen, nowhere, stage
from support import until
from textual.geometry import Size

from treeledger.client import Client
from treeledger.errors import EngineAway
from treeledger.protocols.panels import Line, Panel, PanelKey, Piece, Tone
from treeledger.tui.app import Dashboard
from treeledger.tui.panels import Limits, Seat

pytestmark = pytest.mark.anyio
BRISK = Limits(read=0.2, draw=0.2, shortest=0.05)
PATIENT = Limits(read=30, draw=30, shortest=0.05)  # with what ends by itself, however busy the machine is
SIZE = Size(60, 10)


@pytest.fixture(autouse=True)
def _as_usual() -> Iterator[None]:
    """How long a thread may have the interpreter at a time, which one that hangs makes shorter."""
    interval = sys.getswitchinterval()
    yield
    sys.setswitchinterval(interval)


class Files(Panel[int]):
    """How many files the engine knows."""

    name, title, every = "files", "How many files", 0.5

    def __init__(self) -> None:
        self.keys = (PanelKey("t", "Try it", self.act),)
        self.pressed: list[str] = []

    async def read(self, client: Client) -> int:
        return sum([one.files async for one in client.repositories()])

    def draw(self, data: int | None, width: int, height: int, now: datetime) -> Sequence[Line]:
        return [(Piece(f"{data} files in {width} cells", Tone.GOOD),)]

    async def act(self, client: Client) -> str:
        return f"asked {(await client.engine()).command}"


class Odd(Panel[Any]):
    """Does what it is told to."""

    every, keys = 0.0, ()

    def __init__(
        self,
        name: str = "odd",
        read: Callable[[], Any] = lambda: None,
        draw: Callable[[], Any] = lambda: [(Piece("drawn"),)],
    ) -> None:
        self.name = self.title = name
        self._read, self._draw = read, draw

    async def read(self, client: Client) -> Any:
        answer = self._read()
        return await answer if hasattr(answer, "__await__") else answer

    def draw(self, data: Any, width: int, height: int, now: datetime) -> Any:
        return self._draw()


class Place:
    """Where a panel is asked, of an engine that nobody needs, and all that it said there."""

    def __init__(self, panel: Panel[Any], limits: Limits) -> None:
        self.seat = Seat(panel, lambda: "unix:/nonexistent", self._drawn, frozen, limits)
        self.seat.resize(SIZE)
        self.said: list[str] = []

    def _drawn(self) -> None:
        self.said.append(_unbroken(piece.text for line in self.seat.lines for piece in line))

    async def until_said(self, *words: str) -> None:
        """Until it said all that at once, though it may say something else by now."""

        async def is_said() -> bool:
            return any(all(_unbroken(word) in one for word in words) for one in self.said)

        try:
            await until(is_said, f"the panel says {words!r}")
        except AssertionError as error:
            raise AssertionError(f"{error}; it said {self.said[-5:]!r}") from None


def _unbroken(texts: Iterable[str]) -> str:
    """Without spaces, as a line may end anywhere in a word that is longer than it."""
    return "".join("".join(texts).split())


@asynccontextmanager
async def placed(panel: Panel[Any], limits: Limits = PATIENT) -> AsyncIterator[Place]:
    place = Place(panel, limits)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(place.seat.run)
        yield place
        tasks.cancel_scope.cancel()


def fails() -> None:
    raise ValueError("no \x1b[31m disk")


@pytest.mark.parametrize(
    ("panel", "words"),
    [
        (Odd(read=fails), "ValueError: no \\x1b[31m disk, "),
        (Odd(read=lambda: sys.exit(3)), "SystemExit: 3, " + __file__),
        (Odd(draw=fails), "ValueError: no \\x1b[31m disk, "),
        (Odd(draw=lambda: ["text"]), "draw gave 'text', which is no line"),
        (Odd(draw=lambda: [(Piece("text", "pink"),)]), "'pink' is not a valid Tone"),
        (Odd(draw=lambda: 7), "draw gave 7, which are no lines"),
        (Odd(draw=lambda: [[(7, Tone.GOOD)]]), "which is no line"),
    ],
)
async def test_what_is_wrong_with_a_panel_is_said_in_its_place(panel: Panel[Any], words: str) -> None:
    async with placed(panel) as place:
        await place.until_said("This panel cannot be shown", words, "It is asked again at 14:02:3")


async def test_one_that_does_not_answer_is_not_waited_for() -> None:
    async with placed(Odd(read=anyio.sleep_forever), BRISK) as place:
        await place.until_said("This panel cannot be shown", "it took more than 0.2 s")


async def test_a_title_that_fails_is_trouble_of_its_panel_alone() -> None:
    class Counting(Odd):
        number = 0

        @property
        def title(self) -> str:
            self.number += 1
            return f"number {1 // (self.number < 3)}"

        @title.setter
        def title(self, _: str) -> None: ...

    async with placed(Counting()) as place:
        await place.until_said("ZeroDivisionError")
        assert place.seat.shown.title == "number 1"


async def test_it_is_said_that_a_panel_is_read_at_first() -> None:
    free = threading.Event()
    async with placed(Odd(read=lambda: free.wait(30))) as place:
        assert [[piece.text for piece in line] for line in place.seat.lines] == [["reading …"]]
        free.set()
        await place.until_said("drawn")


@pytest.mark.parametrize("part", ["read", "draw"])
async def test_one_that_blocks_is_left_alone_and_asked_again_once_it_ends(part: str) -> None:
    free, calls = threading.Event(), []

    def block() -> list[Line]:
        calls.append(part)
        free.wait(30)
        return [(Piece("drawn"),)]

    async with placed(Odd(**{part: block}), BRISK) as place:
        await place.until_said("it took more than")
        await place.until_said("has not ended yet")
        assert len(calls) == 1
        assert sys.getswitchinterval() < 0.001
        free.set()
        await place.until_said("drawn")


async def test_one_that_fails_is_asked_less_and_less_often_and_shown_once_it_is_well() -> None:
    moments: list[float] = []

    def mend() -> None:
        moments.append(time.monotonic())
        if len(moments) < 4:
            raise ValueError

    async with placed(Odd(read=mend)) as place:
        await place.until_said("drawn")
    waits = [after - before for before, after in pairwise(moments)]
    assert waits[0] >= 0.05
    assert waits[1] >= 0.1
    assert waits[2] >= 0.2


async def test_an_engine_that_is_away_makes_nobody_wait_longer() -> None:
    calls: list[None] = []

    def away() -> None:
        calls.append(None)
        raise EngineAway("the engine does not answer")

    async with placed(Odd(read=away)) as place:
        await place.until_said("the engine does not answer")

        async def is_asked() -> bool:
            return len(calls) >= 14

        await until(is_asked, "asked again and again, for minutes if each wait were longer")


async def test_too_much_is_cut_and_what_is_unsafe_is_made_safe() -> None:
    lines = [(Piece("写" * 100, Tone.GOOD), Piece("never seen")), *[(Piece("a\nb\x1b[31m"),)] * 100]
    async with placed(Odd(draw=lambda: lines)) as place:
        await place.until_said("a\\x0ab\\x1b[31m")
        assert len(place.seat.lines) == SIZE.height
        assert place.seat.lines[0] == (Piece("写" * 29 + "…", Tone.GOOD),)


# --- on the screen -------------------------------------------------------------------------------


async def test_without_panels_it_is_said_how_to_get_one() -> None:
    async with stage() as shown:
        await shown.press("9")
        await shown.until("No plugin has a panel")


async def test_panels_that_cannot_be_loaded_disturb_nothing() -> None:
    def load() -> Sequence[Panel[Any]]:
        raise RuntimeError("no such thing")

    async with stage(Dashboard(nowhere, panels=load)) as shown:
        await shown.press("9")
        await shown.until("The panels cannot be loaded: RuntimeError: no such thing")
        await shown.press("1")
        await shown.until("Repositories")


async def test_panels_are_read_from_a_real_engine_turned_and_their_keys_work(live: Live) -> None:
    free = threading.Event()

    def block() -> None:
        free.wait(30)

    live.shown.app.panels = lambda: [Files(), Odd("slow", read=block), Odd("bad", draw=fails)]
    await live.press("9")
    await live.until(r"▸ files +slow +bad")
    await live.until("31 files in 76 cells")
    live.tree.write("new.jpg")
    await live.until("32 files")
    await live.until(r"^ t Try it  \] Next")
    await live.press("question_mark")
    await live.until(r"t  Try it$|t  Try it ")
    await live.press("escape")
    await live.press("t")
    await live.until("asked test")
    await live.press("right_square_bracket")
    await live.until(r"files +▸ slow")
    await live.press("right_square_bracket")
    await live.until("ValueError: no")
    await live.shown.click("#names", offset=(3, 0))
    await live.until("32 files")
    await live.press("left_square_bracket")
    await live.until("▸ bad")
    await live.press("escape")
    await live.until("● watching")
    free.set()


async def test_nothing_is_read_while_nobody_looks(live: Live) -> None:
    reads: list[None] = []
    live.shown.app.panels = lambda: [Odd(read=lambda: reads.append(None))]
    await live.press("9")
    await live.until("drawn")
    await live.press("1")
    await live.until("● watching")
    before = len(reads)
    with anyio.move_on_after(1.2):
        await live.until("never")
    assert len(reads) <= before + 1
