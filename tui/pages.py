"""The screens by their numbers, and the line that names them.

A screen is imported when it is opened first: the first picture waits for one of them only.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any, Final, NamedTuple

from rich.cells import cell_len

from treeledger.tui.texts import Line, Piece, Tone


class Place(NamedTuple):
    """A screen: the number that is its key, the name of its mode, its title, and the class that shows it,
    `module:Class`."""

    number: int
    name: str
    title: str
    page: str


PLACES: Final = (
    Place(1, "home", "Home", "home:HomePage"),
    Place(2, "operations", "Operations", "operations:OperationsPage"),
    Place(3, "files", "Files", "files:FilesPage"),
    Place(4, "attention", "Attention", "attention:AttentionPage"),
    Place(5, "ignore", "Ignore", "ignore:IgnorePage"),
    Place(6, "plugins", "Plugins", "plugins:PluginsPage"),
    Place(7, "jobs", "Jobs", "jobs:JobsPage"),
    Place(8, "logs", "Logs", "logs:LogsPage"),
    Place(9, "panels", "Panels", "panels:PanelsPage"),
)
_CHOICES: Final = ((9, 9), (6, 6), (4, 9), (0, 9))
"""How many screens are named, and how many of them have at least their number, as there is room."""


def page_class(place: Place) -> Any:
    """The class of a screen, imported now."""
    module, _, name = place.page.partition(":")
    return getattr(import_module(f"treeledger.tui.screens.{module}"), name)


def opened(place: Place) -> Any:
    """A new screen."""
    return page_class(place)()


class Tab(NamedTuple):
    """What stands for a screen in the line of tabs; `name` of its mode, "" for what stands for none."""

    name: str
    pieces: tuple[Piece, ...]


def tabs(chosen: str, decisions: int, width: int) -> tuple[Tab, ...]:
    """The program and its screens in so many cells: with all titles, with those of the first, or with the
    chosen one's alone; and how much waits for a decision."""
    found = [_tabs(chosen, decisions, named, listed) for named, listed in _CHOICES]
    return next((one for one in found if cell_len(_text(one)) <= width), found[-1])


def tab_line(chosen: str, decisions: int, width: int) -> Line:
    """The tabs as they are drawn."""
    return tuple(piece for tab in tabs(chosen, decisions, width) for piece in tab.pieces)


def _tabs(chosen: str, decisions: int, named: int, listed: int) -> tuple[Tab, ...]:
    found = [Tab("", (Piece(" treeledger ", Tone.STRONG),))]
    for place in PLACES:
        number, is_chosen = place.number, place.name == chosen
        has_badge = place.name == "attention" and decisions > 0
        if number > listed and not is_chosen:
            continue
        title = f"{number} {place.title}" if number <= named or is_chosen else f"{number}"
        pieces = (Piece(f"  {title}", Tone.STRONG if is_chosen else Tone.DIM),)
        badge = (Piece(f" ■{decisions}", Tone.BAD),) if has_badge else ()
        found.append(Tab(place.name, pieces + badge))
    return tuple(found)


def _text(tabs: Sequence[Tab]) -> str:
    return "".join(piece.text for tab in tabs for piece in tab.pieces)
