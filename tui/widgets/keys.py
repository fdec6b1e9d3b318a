"""The line of keys: what can be pressed here, as much of it as there is room for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from rich.cells import cell_len
from textual import events
from textual.screen import Screen

from treeledger.tui.texts import Line, Piece, Tone
from treeledger.tui.widgets.pane import Pane

_GAP: Final = "  "


class Key(NamedTuple):
    """A key that does something here: what it is called for Textual, for a person, and what it does."""

    name: str
    label: str
    does: str

    @property
    def width(self) -> int:
        """In cells."""
        return cell_len(self.label) + 1 + cell_len(self.does)


def fitting(keys: Sequence[Key], width: int) -> list[Key]:
    """The first of them that fit into so many cells, and always the last one, which is for help."""
    if not keys:
        return []
    *others, last = keys
    room = width - 1 - last.width
    found = []
    for key in others:
        room -= key.width + len(_GAP)
        if room < 0:
            break
        found.append(key)
    return [*found, last]


def keys_line(keys: Sequence[Key]) -> Line:
    """The keys and what they do, side by side."""
    pieces = [Piece(" ")]
    for place, key in enumerate(keys):
        gap = _GAP if place + 1 < len(keys) else ""
        pieces += [Piece(key.label, Tone.STRONG), Piece(f" {key.does}{gap}")]
    return tuple(pieces)


class Keys(Pane):
    """Names the keys of its screen; a click on one presses it.

    One widget that is drawn anew where the line differs: Textual's own footer mounts one for each key, with
    every change of the focus, which takes longer than all else that a key does.
    """

    def __init__(self) -> None:
        super().__init__(id="keys")
        self._keys: list[Key] = []

    def on_mount(self) -> None:
        self.screen.bindings_updated_signal.subscribe(self, self._are_others)

    def _are_others(self, screen: Screen[object]) -> None:
        if not (self.is_attached and screen is self.screen and screen.app.app_focus):
            return
        by_action: dict[str, Key] = {}
        focused = screen.focused
        for _, binding, enabled, _ in screen.active_bindings.values():
            label = screen.app.get_key_display(binding)
            letter = label if len(label) == 1 else None
            is_typed = focused is not None and focused.check_consume_key(binding.key, letter)
            if binding.show and enabled and not is_typed:  # such a key is a letter now
                by_action.setdefault(binding.action, Key(binding.key, label, binding.description))
        self._keys = list(by_action.values())
        self.show(lambda width: (keys_line(fitting(self._keys, width)),))

    def on_click(self, event: events.Click) -> None:
        end = 1
        for key in fitting(self._keys, self.content_size.width):
            end += key.width + len(_GAP)
            if event.x < end:
                self.app.simulate_key(key.name)
                return
