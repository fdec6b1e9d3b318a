"""Plugins: what is loaded, from where, with which options and in what health; switched on and off."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from functools import partial
from typing import ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.widget import Widget

from treeledger import wire
from treeledger.answers import Setting
from treeledger.client import Client
from treeledger.errors import TreeledgerError
from treeledger.names import shown
from treeledger.tui.latest import Latest
from treeledger.tui.model import Snapshot
from treeledger.tui.plugin_texts import PluginTable, plugin_lines, question, title
from treeledger.tui.screens.page import Page
from treeledger.tui.widgets.listing import Listing
from treeledger.tui.widgets.pane import Pane


class PluginsPage(Page):
    """Every plugin, and one of them in full."""

    name_of_mode = "plugins"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "space",
            "switch",
            "On / off",
            tooltip="in plugins.toml, from the engine's next start on; asks",
            id="plugins.switch",
        ),
        Binding("f5", "read", "Read again", key_display="f5", tooltip="from the engine", id="plugins.read"),
        Binding("escape", "back", "Back", key_display="esc"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._plugins: tuple[wire.Plugin, ...] = ()
        self._settings: tuple[Setting, ...] = ()
        self._reading = Latest(self, self._learn)

    def body(self) -> Iterable[Widget]:
        yield Container(Listing(id="plugins"), Pane(id="plugin"), id="parts")

    def on_mount(self) -> None:
        self.query_one("#plugins").focus()

    @property
    def chosen(self) -> wire.Plugin | None:
        key = self.query_one("#plugins", Listing).key
        return next((one for one in self._plugins if one.name == key), None)

    def fill(self, snapshot: Snapshot, now: datetime) -> None:
        if self.meets_engine(snapshot):
            self.action_read()
        listing = self.query_one("#plugins", Listing)
        listing.show(PluginTable(self._plugins))
        listing.entitle(title(self._plugins) if self._plugins else "Plugins")
        one = self.chosen
        pane = self.query_one("#plugin", Pane)
        pane.show(lambda width: plugin_lines(one, self._settings, (width, pane.content_size.height)))
        pane.entitle("" if one is None else shown(one.name))

    def on_screen_resume(self) -> None:
        self.action_read()  # what Page does is done, too

    def action_read(self) -> None:
        """Asks the engine again."""
        self._reading.wish(None)

    async def _learn(self, _: None) -> None:
        try:
            client = self.dashboard.source.client
            plugins = [one async for one in client.plugins()]
            settings = [one async for one in client.config()]
        except TreeledgerError as error:
            self.notify(shown(str(error)), severity="warning", markup=False)
            return
        self._plugins, self._settings = tuple(plugins), tuple(settings)
        self.show_again()

    @on(Listing.Moved, "#plugins")
    def _another(self) -> None:
        self.show_again()

    @on(Listing.Opened, "#plugins")
    def action_switch(self) -> None:
        """Asks, and has plugins.toml say so."""
        one = self.chosen
        if one is None:
            return
        title = f"Switch it {'off' if one.enabled_next else 'on'}?"
        self.dashboard.confirm(title, question(one), partial(self._switch, one.name, not one.enabled_next))

    def _switch(self, name: str, on: bool) -> None:
        async def switched(client: Client) -> None:
            await client.switch_plugin(name, on=on)
            self.action_read()

        self.dashboard.work(switched, f"{name}: {'on' if on else 'off'} from the engine's next start")

    def action_back(self) -> None:
        self.app.switch_mode("home")
