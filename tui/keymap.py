"""Other keys than usual: what a person wrote into `[tui.keymap]`, checked, and as Textual takes it. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Final, NamedTuple

from textual.binding import Binding, BindingType
from textual.keys import Keys, key_to_character

from treeledger.errors import ConfigurationError

_MODIFIERS: Final = frozenset(("ctrl", "shift", "alt", "super", "hyper", "meta"))
_NAMED: Final = frozenset(one.value for one in Keys)


class Use(NamedTuple):
    """Something that keys do: its id, "" for what cannot have others, and its keys."""

    id: str
    does: str
    keys: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.id or self.does


Owner = Sequence[Use]
"""What keys do in one place: on a screen, in a list, anywhere."""


def uses(bindings: Sequence[BindingType]) -> Owner:
    """What keys do by some bindings."""
    return [
        Use(one.id or "", one.description or one.action, named(one.key))
        for one in bindings
        if isinstance(one, Binding)
    ]


def named(keys: str) -> tuple[str, ...]:
    """Keys with commas between them, each as Textual calls it."""
    return tuple(one.key for one in Binding.make_bindings((Binding(keys, ""),)))


def checked(
    keymap: Mapping[str, str], everywhere: Owner, screens: Sequence[Owner], lists: Owner
) -> dict[str, str]:
    """The keymap with the names that Textual has for keys, and with each use that shares a key with another
    one which has other keys now: Textual would take it from both.

    Raises ConfigurationError for an id or a key that there is not, and for a key that would do two things.
    """
    _check_ids(keymap, {one.id for owner in (everywhere, *screens) for one in owner if one.id})
    for id, keys in keymap.items():
        for key in keys.split(","):
            _check_key(id, key.strip())
    wanted = {id: named(keys) for id, keys in keymap.items()}
    for screen in screens:
        _check_owner((*screen, *everywhere, *lists), wanted)
    sharing = {
        one.id: one.keys
        for screen in (everywhere, *screens)
        for one in screen
        if one.id and any(other.id in wanted and set(other.keys) & set(one.keys) for other in screen)
    }
    return {id: ",".join(keys) for id, keys in (sharing | wanted).items()}


def _check_ids(keymap: Mapping[str, str], known: set[str]) -> None:
    for id in keymap:
        if id not in known:
            near = get_close_matches(id, known, 3, 0.5) or sorted(known)
            raise ConfigurationError(f"[tui] keymap: there is no {id!r}; there is {', '.join(near)}")


def _check_key(id: str, key: str) -> None:
    *modifiers, last = key.split("+") if len(key) > 1 else [key]
    is_known = len(last) == 1 or last in _NAMED or key_to_character(last)
    if not (is_known and _MODIFIERS.issuperset(modifiers)):
        raise ConfigurationError(
            f"[tui] keymap: {id}: no key is called {key!r}; write a character, a name such as f5, space or "
            "pageup, or one with ctrl+, shift+ or alt+ before it; several with commas between them"
        )


def _check_owner(owner: Owner, wanted: Mapping[str, Sequence[str]]) -> None:
    """Raises ConfigurationError for a key that does two things in one place, unless it always does."""
    by_key: dict[str, Use] = {}
    for key, use in _keys(owner, wanted):
        other = by_key.setdefault(key, use)
        is_usual = key in other.keys and key in use.keys
        if other != use and not is_usual:
            raise ConfigurationError(
                f"[tui] keymap: {key!r} would be both {other.name} and {use.name}; give one another key"
            )


def _keys(owner: Owner, wanted: Mapping[str, Sequence[str]]) -> Iterator[tuple[str, Use]]:
    for use in owner:
        for key in wanted.get(use.id, use.keys):
            yield key, use
