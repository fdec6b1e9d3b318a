"""The dashboard: shows snapshots, has the engine asked for what a person wants, and knows no store."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar, Final

from textual.app import App
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.screen import Screen

from treeledger.client import Client
from treeledger.errors import TreeledgerError
from treeledger.names import shown, stored_from_os
from treeledger.tui.model import News, Second, Snapshot, reduced
from treeledger.tui.pages import PLACES, modes
from treeledger.tui.screens.page import Page
from treeledger.tui.screens.questions import ChooseFolder, Confirm
from treeledger.tui.source import Find, Source
from treeledger.tui.theme import DARK, THEMES

Clock = Callable[[], datetime]
_TICK: Final = 1.0  # seconds


def local_now() -> datetime:
    """The time here, with its zone."""
    return datetime.now().astimezone()


@dataclass
class Arrived(Message):
    """News, from the worker that follows the engine."""

    news: News


class Dashboard(App[None]):
    """Shows the engine that `find` finds; `is_own`: it is this window's, and ends with it."""

    TITLE = "treeledger"
    CSS_PATH = "dashboard.tcss"
    ENABLE_COMMAND_PALETTE = True
    MODES: ClassVar[dict[str, str | Callable[[], Screen[Any]]]] = {**modes()}
    BINDINGS: ClassVar[list[BindingType]] = [
        *(
            Binding(
                str(number), f"switch_mode('{place.name}')", place.title, show=False, id=f"app.{place.name}"
            )
            for number, place in enumerate(PLACES, 1)
        ),
        Binding("question_mark,f1", "help", "Help", key_display="?", id="app.help"),
        Binding("q,ctrl+q", "quit", "Quit", key_display="q", id="app.quit"),
    ]

    def __init__(self, find: Find, *, is_own: bool = False, clock: Clock = local_now) -> None:
        super().__init__()
        self.is_own = is_own
        self.now = clock
        self.snapshot = Snapshot()
        self.chosen: str | None = None  # the repository that the screens are about
        self.source = Source(find, self._tell, lambda: int(clock().timestamp()))

    def get_theme_variable_defaults(self) -> dict[str, str]:
        return {**super().get_theme_variable_defaults(), **DARK.variables}

    def on_mount(self) -> None:
        for theme in THEMES:
            self.register_theme(theme)
        self.theme = DARK.name
        self.switch_mode("home")
        self.run_worker(self.source.run(), name="source", exit_on_error=True)
        self.set_interval(_TICK, self._tick)

    def _tell(self, news: News) -> None:
        self.post_message(Arrived(news))

    def on_arrived(self, message: Arrived) -> None:
        self.snapshot = reduced(self.snapshot, message.news)
        self._show()

    def _tick(self) -> None:
        self.snapshot = reduced(self.snapshot, Second(int(self.now().timestamp())))
        self._show()

    def _show(self) -> None:
        if isinstance(self.screen, Page) and self.screen.is_mounted:
            self.screen.show(self.snapshot, self.now())

    # what a person asks for

    def work(self, what: Callable[[Client], Awaitable[object]], done: str) -> None:
        """Has the engine do something, and says that it is done, or why it is not."""
        self.run_worker(self._work(what, done))

    async def _work(self, what: Callable[[Client], Awaitable[object]], done: str) -> None:
        try:
            await what(self.source.client)
        except TreeledgerError as error:
            self.notify(shown(str(error)), severity="error", timeout=10, markup=False)
        else:
            self.notify(shown(done), markup=False)
            self.source.look()

    def scan(self, repository: str) -> None:
        """Has a repository scanned in full."""
        self.work(
            lambda client: client.trigger("full", repository=repository),
            f"{repository}: a full scan begins",
        )

    def action_add(self) -> None:
        self.push_screen(ChooseFolder(Path.home()), self._add)

    def _add(self, folder: str | None) -> None:
        if folder is not None:
            path = os.path.abspath(os.path.expanduser(folder))
            root = stored_from_os(path)
            self.work(lambda client: client.add_repository(root), f"{path}: is under care now")

    def action_help(self) -> None:
        if self.screen.query("HelpPanel"):
            self.action_hide_help_panel()
        else:
            self.action_show_help_panel()

    async def action_quit(self) -> None:
        if not self.is_own:
            self.exit()
            return
        text = (
            "The engine of this window ends with it: nothing is watched until it runs again, and what happens"
            " meanwhile is found by the next scan. treeledger daemon goes on without a window."
        )
        self.push_screen(Confirm("Quit?", text), self._leave)

    def _leave(self, yes: bool | None) -> None:
        if yes:
            self.exit()


async def show(find: Find, *, is_own: bool) -> None:
    """Runs the dashboard on this terminal until a person leaves it."""
    await Dashboard(find, is_own=is_own).run_async()
