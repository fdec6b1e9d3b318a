"""How a person wants the dashboard: its theme, and which keys do what."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from importlib import import_module
from typing import Final

from treeledger.errors import ConfigurationError
from treeledger.tui import keymap
from treeledger.tui.keymap import uses
from treeledger.tui.pages import PLACES, page_class
from treeledger.tui.theme import DARK


@dataclass(frozen=True, slots=True)
class Look:
    """`keymap`: keys, with commas between them, by the id of their use, such as `home.scan`."""

    theme: str = DARK.name
    keymap: Mapping[str, str] = field(default_factory=dict)


USUAL: Final = Look()


def checked(look: Look, themes: Collection[str]) -> Look:
    """The same with keys as Textual takes them.

    Raises ConfigurationError for what there is not, and for a key that would do two things.
    """
    if look.theme not in themes:
        near = get_close_matches(look.theme, themes, 3, 0.5) or sorted(themes)
        raise ConfigurationError(f"[tui] theme: there is no {look.theme!r}; there is {', '.join(near)}")
    if not look.keymap:
        return look
    app = uses(import_module("treeledger.tui.app").Dashboard.BINDINGS)
    lists = uses(import_module("treeledger.tui.widgets.listing").Listing.BINDINGS)
    screens = [uses(page_class(place).BINDINGS) for place in PLACES]
    return replace(look, keymap=keymap.checked(look.keymap, app, screens, lists))
