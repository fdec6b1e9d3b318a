"""One panel of a plugin while it is on the screen: read when it is due, drawn for its place.

A panel's code runs beside the dashboard. Whatever is wrong with it is said in its own place, and it is asked
again after a while, each time a longer one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from functools import partial
from itertools import islice
from time import monotonic
from typing import Any, Final, NamedTuple, cast

import anyio
from textual.geometry import Size

from treeledger.cells import cut, wrapped
from treeledger.client import Client
from treeledger.errors import TreeledgerError
from treeledger.names import shown
from treeledger.plugin_answers import WrongAnswer
from treeledger.plugin_files import where
from treeledger.protocols.panels import Line, Panel, PanelKey, Piece, Tone
from treeledger.tui.beside import Beside, Stuck

_TICK: Final = 1.0  # seconds between two drawings, as the time goes on
_MOST_TOLD: Final = 60  # characters of what is none of our lines


class Limits(NamedTuple):
    """In seconds: how long a panel may take; how soon and how late it is asked again, whatever it says, and
    however often it failed."""

    read: float = 10.0
    draw: float = 2.0
    shortest: float = 0.5
    longest: float = 60.0


class Trouble(NamedTuple):
    """What is wrong with a panel, and when it is asked again."""

    message: str
    again: datetime


class Picture(NamedTuple):
    """What a panel shows, and what it said of itself then: a plugin may compute that, too."""

    lines: Sequence[Line]
    title: str
    keys: Sequence[PanelKey]


class Seat:
    """Where a panel is shown.

    `address` is that of the engine, and may raise EngineAway; `drawn` is called with each picture.
    """

    def __init__(
        self,
        panel: Panel[Any],
        address: Callable[[], str],
        drawn: Callable[[], None],
        now: Callable[[], datetime],
        limits: Limits = Limits(),  # noqa: B008 - a frozen value
    ) -> None:
        self.panel = panel
        self.shown = Picture([(Piece("reading …", Tone.DIM),)], panel.title, tuple(panel.keys))
        self._address = address
        self._drawn = drawn
        self._now = now
        self._limits = limits
        self._beside = Beside()
        self._data: Any = None
        self._trouble: Trouble | None = None
        self._failures = 0
        self._due = 0.0
        self._size = Size(0, 0)
        self._asked = anyio.Event()

    @property
    def lines(self) -> Sequence[Line]:
        return self.shown.lines

    def resize(self, size: Size) -> None:
        """Draws in so many cells and lines from now on."""
        if size != self._size:
            self._size = size
            self._asked.set()

    async def run(self) -> None:
        """Reads and draws until cancelled."""
        while True:
            self._asked = anyio.Event()
            await self._go_on()
            if self._trouble is not None:
                self.shown = self.shown._replace(lines=_trouble_lines(self._trouble, self._size))
            self._drawn()
            with anyio.move_on_after(min(_TICK, max(0.0, self._due - monotonic()))):
                await self._asked.wait()

    async def press(self, key: PanelKey) -> str:
        """Does what a key of the panel is for; what it says of that. It may raise anything, and Stuck."""
        said = await self._asking(Beside(), key.action)
        self._due = 0.0
        self._asked.set()
        return shown(str(said))

    async def _go_on(self) -> None:
        is_due = monotonic() >= self._due
        if self._trouble is not None and not is_due:
            return
        try:
            if is_due:
                self._data = await self._asking(self._beside, self.panel.read)
                self._due = monotonic() + self._every
            if self._size:
                draw = partial(_drawn, self.panel, self._data, self._size, self._now())
                self.shown = await self._beside.do(draw, self._limits.draw)
            self._trouble, self._failures = None, 0
        except Exception as error:  # the plugin's own code ran: anything may come out
            self._fail(error)

    async def _asking(self, beside: Beside, ask: Callable[[Client], Any]) -> Any:
        """What it answers, asked with a client and in an event loop of its own."""
        within = self._limits.read
        return await beside.do(partial(anyio.run, _asked, ask, self._address(), within), within + _TICK)

    def _fail(self, error: Exception) -> None:
        is_ours = isinstance(error, TreeledgerError)  # as when the engine is away: no fault of the panel
        self._failures = 1 if is_ours else self._failures + 1
        wait = min(self._every * 2 ** min(self._failures - 1, 10), self._limits.longest)
        self._due = monotonic() + wait
        self._trouble = Trouble(said_of(error), self._now() + timedelta(seconds=wait))

    @property
    def _every(self) -> float:
        return max(self._limits.shortest, float(self.panel.every))


async def _asked(ask: Callable[[Client], Any], address: str, within: float) -> Any:
    async with Client(address) as client:
        with anyio.move_on_after(within) as scope:
            return await ask(client)
    assert scope.cancelled_caught
    raise Stuck(f"it took more than {within:g} s")


def _drawn(panel: Panel[Any], data: Any, size: Size, now: datetime) -> Picture:
    """Its lines, made sure to be such, and to have room."""
    lines = panel.draw(data, size.width, size.height, now)
    if not isinstance(lines, Iterable):
        raise WrongAnswer(f"draw gave {repr(lines)[:_MOST_TOLD]}, which are no lines")
    seen = [cut(_sound(line), size.width) for line in islice(lines, size.height)]
    return Picture(seen, str(panel.title), tuple(panel.keys))


def _sound(line: object) -> Line:
    """A line that a panel gave. Raises WrongAnswer for what is none."""
    try:
        return tuple(Piece(shown(text), Tone(tone)) for text, tone in cast(Line, line))
    except (TypeError, ValueError, AttributeError) as error:
        given = repr(line)[:_MOST_TOLD]
        why = f"draw gave {given}, which is no line, a tuple of Piece(text, tone): {error}"
        raise WrongAnswer(why) from None


def said_of(error: Exception) -> str:
    """What is wrong, and where in a plugin's file it was."""
    if isinstance(error, TreeledgerError | Stuck | WrongAnswer):
        return shown(str(error))
    place = where(error)
    text = f"{type(error).__name__}: {error}"
    return shown(f"{text}, {place}" if place else text)


def _trouble_lines(trouble: Trouble, size: Size) -> Sequence[Line]:
    if not size:
        return ()
    text = f"▲ This panel cannot be shown: {trouble.message}"
    lines = wrapped(text, size.width, max(1, size.height - 2))
    again = f"It is asked again at {trouble.again:%H:%M:%S}; all else goes on."
    return [*((Piece(line, Tone.WARN),) for line in lines), (), (Piece(again, Tone.DIM),)]
