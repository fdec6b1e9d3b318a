"""The panels that plugins give to a dashboard. One that cannot be had is there, too, and says why."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from treeledger.cells import wrapped
from treeledger.config.configuration import Configuration
from treeledger.plugin_manager import PluginManager
from treeledger.plugin_sources import DASHBOARD
from treeledger.protocols import Line, Panel, PanelKey, Piece, Tone

if TYPE_CHECKING:
    from treeledger.client import Client

_KEY: Final = re.compile(r"((ctrl|shift|alt)\+)*(\S|[a-z][a-z0-9_]+)")
"""What a key may be called."""


class Absent(Panel[None]):
    """In the place of what a plugin should have given."""

    every = 3600.0

    def __init__(self, plugin: str, why: str) -> None:
        self.name = plugin
        self.title = f"{plugin}: has no panel to show"
        self._why = why

    async def read(self, client: Client) -> None:
        return None

    def draw(self, data: None, width: int, height: int, now: datetime) -> Sequence[Line]:
        return [(Piece(line, Tone.BAD),) for line in wrapped(self._why, width, height)]


def panels_of(configuration: Configuration) -> list[Panel[Any]]:
    """The panels of all plugins, in the order of the plugins, then those of plugins that fail. Imports them.

    Raises PluginError if two plugins have one name, ConfigurationError for a folder that cannot be used.
    """
    plugins = PluginManager(configuration, DASHBOARD)
    plugins.load()
    found = [_sound(panel) for panel in plugins.panels()]
    return found + [Absent(one.name, one.error) for one in plugins.plugins() if one.error is not None]


def _sound(panel: Panel[Any]) -> Panel[Any]:
    """The panel, or in its place what is wrong with what it says of itself."""
    wrong = [
        name
        for name, is_right in (
            ("name", isinstance(panel.name, str)),
            ("title", isinstance(panel.title, str)),
            ("every", isinstance(panel.every, int | float)),
            ("keys", all(isinstance(one, PanelKey) and _KEY.fullmatch(one.key) for one in panel.keys)),
        )
        if not is_right
    ]
    if not wrong:
        return panel
    return Absent(str(panel.name), f"the panel {panel.name!r} has a wrong {', '.join(wrong)}: see Panel")
