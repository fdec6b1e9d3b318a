"""How a person wants the dashboard: its theme, and which keys do what."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from importlib import import_module
from typing import Final

from textual.binding import Binding

from treeledger.errors import ConfigurationError
from treeledger.tui.pages import PLACES, page_class
from treeledger.tui.theme import DARK


@dataclass(frozen=True, slots=True)
class Look:
    """`keymap`: keys, with commas between them, by the id of their use, such as `home.scan`."""

    theme: str = DARK.name
    keymap: Mapping[str, str] = field(default_factory=dict)


USUAL: Final = Look()


def check(look: Look, themes: Collection[str]) -> None:
    """Raises ConfigurationError for what there is not."""
    _check("theme", look.theme, themes)
    if look.keymap:
        known = set(key_ids())
        for id in look.keymap:
            _check("keymap", id, known)


def key_ids() -> Iterator[str]:
    """The ids of all uses of keys."""
    app = import_module("treeledger.tui.app").Dashboard
    for owner in (app, *(page_class(place) for place in PLACES)):
        for binding in owner.BINDINGS:
            if isinstance(binding, Binding) and binding.id:
                yield binding.id


def _check(key: str, value: str, known: Collection[str]) -> None:
    if value not in known:
        near = get_close_matches(value, known, 3, 0.5) or sorted(known)
        raise ConfigurationError(f"[tui] {key}: there is no {value!r}; there is {', '.join(near)}")
