"""The dashboard: shows snapshots, has the engine asked for what a person wants, and knows no store."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path, PurePath
from typing import Any, ClassVar, Final

from textual.app import App, ScreenStackError, SystemCommand
from textual.binding import Binding, BindingType
from textual.driver import Driver
from textual.drivers.linux_driver import LinuxDriver
from textual.events import Event, Key
from textual.message import Message
from textual.screen import Screen

from treeledger.client import Client
from treeledger.errors import TreeledgerError, Unwritable
from treeledger.names import shown, stored_from_os
from treeledger.protocols.panels import Panel
from treeledger.tui.commands import command, commands_of, for_repositories, known_keys, places
from treeledger.tui.in_turn import InTurn
from treeledger.tui.look import USUAL, Look, checked
from treeledger.tui.matters import look_again
from treeledger.tui.model import News, Second, Snapshot, reduced
from treeledger.tui.pages import PLACES, Place, opened
from treeledger.tui.screens.explained import Explained
from treeledger.tui.screens.help import Help
from treeledger.tui.screens.page import Page
from treeledger.tui.screens.questions import ChooseFolder, Confirm
from treeledger.tui.source import Find, Source
from treeledger.tui.terminal import TerminalDriver
from treeledger.tui.theme import STYLES, THEMES, derived
from treeledger.tui.undisturbed import undisturbed
from treeledger.tui.working import begin

Clock = Callable[[], datetime]
Panels = Callable[[], Sequence[Panel[Any]]]
_TICK: Final = 1.0  # seconds
_MASKED: Final = 0.01  # seconds


def local_now() -> datetime:
    """The time here, with its zone."""
    return datetime.now().astimezone()


@dataclass
class Arrived(Message):
    """News, from the worker that follows the engine."""

    news: News


class Dashboard(App[None]):
    """Shows the engine that `find` finds; `is_own`: it is this window's, and ends with it.

    `panels` gives those of plugins, and is called in a thread when they are first to be seen.
    """

    TITLE = "treeledger"
    CSS_PATH: ClassVar[list[str | PurePath] | None] = list(STYLES)
    ENABLE_COMMAND_PALETTE = True
    BINDINGS: ClassVar[list[BindingType]] = [
        *(
            Binding(
                str(one.number), f"switch_mode('{one.name}')", one.title, show=False, id=f"app.{one.name}"
            )
            for one in PLACES
        ),
        Binding("question_mark,f1", "help", "Help", key_display="?", id="app.help"),
        Binding("ctrl+p", "command_palette", "All commands", show=False, id="app.commands"),
        Binding("q,ctrl+q", "quit", "Quit", key_display="q", id="app.quit"),
        Binding("tab", "focus_next", "Next list", show=False, id="app.next"),
        Binding("ctrl+c", "how_to_quit", show=False, system=True),
    ]

    def __init__(
        self,
        find: Find,
        *,
        is_own: bool = False,
        clock: Clock = local_now,
        look: Look = USUAL,
        panels: Panels = tuple,
    ) -> None:
        """Raises ConfigurationError for a theme or a use of keys that there is not."""
        super().__init__()
        self.is_own = is_own
        self.panels = panels
        self.now = clock
        self.snapshot = Snapshot()
        self._is_due = False  # to be shown
        self._keys = InTurn(self, super().on_event)
        self.unsaved: dict[str, str] = {}  # by screen, what is lost if this window is closed
        self.chosen: str | None = None  # the repository that the screens are about
        self.source = Source(find, self._tell, lambda: int(clock().timestamp()))
        for place in PLACES:
            self.add_mode(place.name, partial(self._opened, place))
        for theme in THEMES:
            self.register_theme(theme)
        look = checked(look, self.available_themes)
        self.set_keymap(look.keymap)
        self.theme = look.theme

    def _opened(self, place: Place) -> Screen[Any]:
        """A new screen. It takes the styles as they are: Textual would parse all of them anew, twice, for a
        screen of which it does not know that it has them."""
        screen: Screen[Any] = opened(place)
        screen._css_update_count = self._css_update_count
        return screen

    def get_driver_class(self) -> type[Driver]:
        """On a terminal, ours; in a browser's window, and in tests, theirs."""
        chosen = super().get_driver_class()
        return TerminalDriver if chosen is LinuxDriver else chosen

    def get_theme_variable_defaults(self) -> dict[str, str]:
        return {**super().get_theme_variable_defaults(), **derived(self.current_theme)}

    def delay_update(self, delay: float = _MASKED) -> None:
        """As in Textual, which hides for 50 ms how another screen comes: half of what a key may take."""
        super().delay_update(min(delay, _MASKED))

    def on_mount(self) -> None:
        self.switch_mode("home")
        begin(self, self.source.run, group="source")
        self.set_interval(_TICK, self._tick)

    async def on_event(self, event: Event) -> None:
        if isinstance(event, Key) and not event.is_forwarded:
            await self._keys.take(event)
        else:
            await super().on_event(event)

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """What the palette offers."""
        for key in commands_of(screen):
            yield command(key.title, f"{key.help}  {key.keys}".strip(), partial(self._act, key.action))
        yield from places(self.switch_mode)
        yield from for_repositories([one.name for one in self.snapshot.repositories], self._deeds)
        yield command("Theme", "other colours, dark or light", self.action_change_theme)
        yield command("Picture", "saves the screen as an SVG file", self.deliver_screenshot)

    @property
    def _deeds(self) -> Sequence[tuple[str, str, Callable[[str], object]]]:
        return (
            ("scan", "lists all of it anew", self.scan),
            ("pause or go on", "stops watching it, or watches it again", self.pause),
            ("scrub", "reads contents again, for an hour", self.scrub),
            ("remove", "ends the care for it; asks", self.remove),
        )

    async def _act(self, action: str) -> None:
        await self.run_action(action, self.screen)

    def _tell(self, news: News) -> None:
        self.post_message(Arrived(news))

    def on_arrived(self, message: Arrived) -> None:
        self.snapshot = reduced(self.snapshot, message.news)
        if not self._is_due:  # what comes together is shown together
            self._is_due = True
            self.call_later(self._show)

    def _tick(self) -> None:
        self.snapshot = reduced(self.snapshot, Second(int(self.now().timestamp())))
        self._show()

    def _show(self) -> None:
        self._is_due = False
        with suppress(ScreenStackError):  # which it has none of any more once it ends
            if isinstance(self.screen, Page) and self.screen.is_mounted:
                self.screen.show(self.snapshot, self.now())

    # what a person asks for

    def work(self, what: Callable[[Client], Awaitable[object]], done: str) -> None:
        """Has the engine do something, and says that it is done, or why it is not."""
        begin(self, self._work, what, done)

    async def _work(self, what: Callable[[Client], Awaitable[object]], done: str) -> None:
        try:
            await what(self.source.client)
        except Unwritable as error:
            self._show_what_to_paste(error)
        except TreeledgerError as error:
            self.notify(shown(str(error)), severity="error", timeout=10, markup=False)
        else:
            self.notify(shown(done), markup=False)
            self.source.look(at_once=True)

    def _show_what_to_paste(self, error: Unwritable) -> None:
        """Of a file that a person has to write: it stays until it is read, and can be copied."""
        lines = "\n".join(shown(line) for line in error.paste.splitlines())
        text = f"{shown(error.why)}\n\n{lines}\n\nNothing was written. Shall this be copied?"
        self.confirm("Not written", text, lambda: self.to_clipboard(error.paste))

    def confirm(self, title: str, text: str, do: Callable[[], object]) -> None:
        """Does something if a person says yes."""

        def answered(yes: bool | None) -> None:
            if yes:
                do()

        self.push_screen(Confirm(title, text), answered)

    def scan(self, repository: str) -> None:
        """Has a repository scanned in full; one that is offline, if it is back."""
        if self._is_offline(repository):
            self.work(partial(look_again, repository=repository), f"{repository}: it is back, and scanned")
        else:
            self.work(
                lambda client: client.trigger("full", repository=repository),
                f"{repository}: a full scan begins",
            )

    def _is_offline(self, repository: str) -> bool:
        one = self.snapshot.repository(repository)
        return one is not None and one.state == "offline"

    def pause(self, repository: str) -> None:
        """Has the watching of a repository stop, or go on if it stopped."""
        one = self.snapshot.repository(repository)
        if one is not None and one.state == "paused":
            self.work(lambda client: client.resume(repository), f"{repository}: goes on")
        else:
            done = f"{repository}: paused; p goes on, and a scan catches up"
            self.work(lambda client: client.pause(repository), done)

    def scrub(self, repository: str) -> None:
        """Has contents read again, those first that were not verified for longest."""
        if self._is_offline(repository):
            text = f"{repository}: it is offline, so nothing was read. s looks whether it is back"
            self.notify(shown(text), severity="warning", markup=False)
            return
        self.work(
            lambda client: client.trigger("scrub", repository=repository),
            f"{repository}: a scrub begins; it reads for an hour at most",
        )

    def remove(self, repository: str) -> None:
        """Ends the care for a repository, if a person says so once more."""
        text = (
            f"{shown(repository)} is watched and scanned no longer. Its files are not touched; its records"
            " are kept and are there again when the folder is added again."
        )
        done = f"{repository}: removed"
        remove = partial(self.work, lambda client: client.remove_repository(repository), done)
        self.confirm("Remove?", text, remove)

    def explain(self, repository: str, path: str) -> None:
        """Shows why a file is as it is."""
        begin(self, self._explain, repository, path, group="explain", exclusive=True)

    async def _explain(self, repository: str, path: str) -> None:
        try:
            facts = await self.source.client.explain(repository, path)
        except TreeledgerError as error:
            self.notify(shown(str(error)), severity="warning", markup=False)
        else:
            self.push_screen(Explained(facts, self.now()))

    def to_clipboard(self, text: str) -> None:
        """Gives a text to the terminal's clipboard."""
        self.copy_to_clipboard(text)
        self.notify(f"copied: {shown(text)}", markup=False)

    def action_add(self) -> None:
        self.push_screen(ChooseFolder(Path(os.path.expanduser("~"))), self._add)

    def _add(self, folder: str | None) -> None:
        if folder is not None:
            path = os.path.abspath(os.path.expanduser(folder))
            root = stored_from_os(path)
            self.work(lambda client: client.add_repository(root), f"{path}: is under care now")

    def action_help(self) -> None:
        title = self.screen.title_of_page if isinstance(self.screen, Page) else "here"
        self.push_screen(Help(f"Keys of {title}", known_keys(self.screen)))

    def action_how_to_quit(self) -> None:
        self.notify("q leaves the dashboard", markup=False)

    async def action_quit(self) -> None:
        texts = list(self.unsaved.values())
        if self.is_own:
            texts.append(
                "The engine of this window ends with it: nothing is watched until it runs again, and what"
                " happens meanwhile is found by the next scan. treeledger daemon goes on without a window."
            )
        if texts:
            self.confirm("Quit?", "\n\n".join(texts), self.exit)
        else:
            self.exit()


async def show(find: Find, *, is_own: bool, look: Look = USUAL, panels: Panels = tuple) -> None:
    """Runs the dashboard on this terminal until a person leaves it. Raises as `Dashboard`."""
    app = Dashboard(find, is_own=is_own, look=look, panels=panels)
    with undisturbed():
        await app.run_async()
