"""What the command palette offers: the screens, every key of the one that is open, and each repository."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import chain
from typing import Any, Final, NamedTuple

from textual.app import SystemCommand
from textual.binding import Binding
from textual.dom import DOMNode
from textual.screen import Screen

from treeledger.names import shown
from treeledger.tui.pages import PLACES

_GOING: Final = ("switch_mode", "focus_next", "command_palette")


class Known(NamedTuple):
    """A use of keys: what it is called, what it does, and the keys as they are written on them."""

    title: str
    help: str
    keys: str
    action: str


def command(title: str, help: str, do: Callable[[], object]) -> SystemCommand:
    """One that is offered under exactly this title: the palette reads markup in what it is given."""
    return SystemCommand(_escaped(title), _escaped(help), do)


def _escaped(text: str) -> str:
    """Unlike `textual.markup.escape` also right for a text that has backslashes before brackets."""
    return text.replace("[", r"\[")


def known_keys(screen: Screen[Any]) -> list[Known]:
    """What keys do on a screen now, each use once: those of the screen, of its lists, of the program."""
    found: dict[str, tuple[int, Known]] = {}
    for active in screen.active_bindings.values():
        binding, owner = active.binding, active.node
        if not (active.enabled and binding.description) or _is_of_library(binding):
            continue
        key = screen.app.get_key_display(binding)
        rank = 0 if owner is screen else 2 if owner is screen.app else 1
        _, before = found.get(binding.action, (rank, None))
        keys = key if before is None or key in before.keys.split(" ") else f"{before.keys} {key}"
        found[binding.action] = rank, Known(binding.description, binding.tooltip, keys, binding.action)
    return [known for _, known in sorted(found.values(), key=lambda one: one[0])]


def commands_of(screen: Screen[Any]) -> list[Known]:
    """What the keys of a screen do that can be done by name as well: all but moving about."""
    own = {binding.action for binding in chain(_bindings(screen), _bindings(screen.app))}
    return [one for one in known_keys(screen) if one.action in own and not one.action.startswith(_GOING)]


def _bindings(owner: DOMNode) -> list[Binding]:
    return [binding for binding in owner.BINDINGS if isinstance(binding, Binding)]


def _is_of_library(binding: Binding) -> bool:
    """What every program made with the library has."""
    return binding.action in ("screen.copy_text", "app.focus_next", "app.focus_previous")


def places(go: Callable[[str], object]) -> Iterator[SystemCommand]:
    """A command for each screen."""
    for place in PLACES:
        yield command(f"Go to {place.title}", f"screen {place.number}", partial(go, place.name))


def for_repositories(
    names: Sequence[str], what: Sequence[tuple[str, str, Callable[[str], object]]]
) -> Iterator[SystemCommand]:
    """A command for each repository and everything that can be done with one."""
    for name in names:
        for title, help, do in what:
            yield command(f"{shown(name)}: {title}", help, partial(do, name))
