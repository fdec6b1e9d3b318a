"""The dashboard without a terminal: what it shows as text, and waiting until it shows something."""

from __future__ import annotations

import asyncio
import os
import re
import unicodedata
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from rich.segment import Segment
from support import Tree, until
from textual.events import Key
from textual.keys import REPLACED_KEYS, _character_to_key, _get_unicode_name_from_key
from textual.pilot import Pilot
from values import NOW

from treeledger.api.server import serving
from treeledger.api.service import Service
from treeledger.config.settings import ApiSettings
from treeledger.daemon.attention import Attention
from treeledger.tui.app import Arrived, Dashboard
from treeledger.tui.model import News
from treeledger.tui.source import Source

PICTURES = Path(__file__).parent / "pictures"
SIZES = [(80, 24), (60, 20), (200, 60)]
WITHIN = 60.0  # seconds in which anything is on the screen, on a busy machine with an engine in this process
_MOMENT = 0.005  # seconds


async def nowhere() -> str | None:
    """Where no engine ever is."""
    return None


def frozen() -> datetime:
    """A clock that stands still."""
    return NOW


async def at_rest() -> None:
    """Until this process has nothing to do but what waits for time, for a thread, or for somebody else.

    A pilot waits until it works little, as a process does, too, that others leave no time.
    """
    ready = asyncio.get_running_loop()._ready  # type: ignore[attr-defined]
    looks = 0
    while looks < 2:
        await asyncio.sleep(0)
        looks = 0 if ready else looks + 1


def typed(key: str) -> Key:
    """What a terminal tells of a key: of a character, or of a name as `ctrl+p`."""
    name = _character_to_key(key) if len(key) == 1 else key
    try:
        character = unicodedata.lookup(_get_unicode_name_from_key(REPLACED_KEYS.get(name, name)))
    except KeyError:
        character = key if len(key) == 1 else None
    return Key(name, character)


class Answering(Source):
    """Of an engine where nothing happens, and that answers as a client of ours does."""

    def __init__(self, client: Any) -> None:
        super().__init__(nowhere, lambda news: None, lambda: 0)
        self._canned = client

    @property
    def client(self) -> Any:
        return self._canned

    async def run(self) -> None: ...


class Stage(NamedTuple):
    """A dashboard that runs, and a person's hands on it."""

    app: Dashboard
    pilot: Pilot[None]

    @property
    def strips(self) -> list[list[Segment]]:
        """What is on the screen, line by line."""
        return [list(strip) for strip in self.app.screen._compositor.render_strips()]

    @property
    def text(self) -> str:
        return "\n".join("".join(one.text for one in line).rstrip() for line in self.strips) + "\n"

    async def rest(self) -> None:
        """Until all that has come is done and drawn."""
        await at_rest()
        while self.app.is_running and self._is_to_be_drawn:
            if self.app._batch_count:  # as for a moment when another screen comes
                await asyncio.sleep(_MOMENT)
            else:
                self.app.screen._on_timer_update()
            await at_rest()

    @property
    def _is_to_be_drawn(self) -> bool:
        screen = self.app.screen
        return bool(
            self.app._batch_count
            or screen._callbacks
            or screen._dirty_widgets
            or screen._layout_required
            or screen._scroll_required
            or screen._repaint_required
        )

    async def press(self, *keys: str) -> None:
        """Each key once what the one before it brings by itself is there."""
        for key in keys:
            self.app.post_message(typed(key))
            await self.rest()

    async def click(self, widget: str, offset: tuple[int, int], times: int = 1) -> None:
        await self.pilot.click(widget, offset, times=times)
        await self.rest()

    async def tell(self, *news: News) -> None:
        """Has news arrive, and the screen drawn with them."""
        for one in news:
            self.app.post_message(Arrived(one))
        await self.rest()

    async def settle(self) -> None:
        """Until what the screen asked for is answered and drawn."""

        async def is_settled() -> bool:
            await self.rest()
            return all(one.is_finished or one.group == "source" for one in self.app.workers)

        await until(is_settled, "all is answered that was asked for")

    async def until(self, pattern: str) -> None:
        """Until the screen shows it, a regular expression of lines."""

        async def is_there() -> bool:
            await self.rest()
            return re.search(pattern, self.text, re.MULTILINE) is not None

        try:
            await until(is_there, f"on the screen: {pattern}", WITHIN)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.text}") from None


class Live(NamedTuple):
    """A tree that is watched, and the dashboard that shows it."""

    tree: Tree
    shown: Stage

    async def press(self, *keys: str) -> None:
        await self.shown.press(*keys)

    async def until(self, pattern: str) -> None:
        await self.shown.until(pattern)


@asynccontextmanager
async def stage(
    app: Dashboard | None = None, size: tuple[int, int] = (80, 24), client: Any = None
) -> AsyncIterator[Stage]:
    """A dashboard at that size; by default one that finds no engine, whose clock stands still, and that
    covers nothing with what it has to say; with a client, it asks that."""
    is_live = app is not None
    app = app or Dashboard(nowhere, clock=frozen)
    if client is not None:
        app.source = Answering(client)
    async with app.run_test(size=size, notifications=is_live) as pilot:
        shown = Stage(app, pilot)
        await shown.rest()
        try:
            yield shown
        finally:  # as when a person leaves: an answer would find no widget any more
            app.workers.cancel_all()
            await at_rest()


def check_picture(name: str, text: str) -> None:
    """Fails unless the text is the picture of that name; with TREELEDGER_PICTURES it becomes it."""
    file = PICTURES / f"{name}.txt"
    if os.environ.get("TREELEDGER_PICTURES"):
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
    assert text == file.read_text(), f"{file.name} shows something else now:\n{text}"


@asynccontextmanager
async def showing(tree: Tree, folder: Path) -> AsyncIterator[Live]:
    """A tree that is watched by a real engine, which a dashboard shows."""
    settings = ApiSettings(socket=str(folder / "s"))
    async with tree.watched() as engine:
        engine.start(Attention(tree.ledger, engine, actions=["phone"]).follow)
        service = Service(tree.ledger, engine, "test", datetime.now(UTC))
        async with serving(service, settings, folder) as [address]:

            async def find() -> str:
                return address

            async with stage(Dashboard(find)) as shown:
                yield Live(tree, shown)
