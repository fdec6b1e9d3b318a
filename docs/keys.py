"""Writes the tables of keys in docs/tui.md from what the screens have: python docs/keys.py

A table stands below `<!-- keys: NAME -->`, where NAME is of a screen's mode, or `app` for the keys of all.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from textual.binding import Binding

from treeledger.tui.pages import PLACES, page_class

PAGE: Final = Path(__file__).with_name("tui.md")
TABLE: Final = re.compile(r"(?<=<!-- keys: )(\w+)( -->\n\n)((?:\|.*\n)*)")
_WRITTEN: Final = {
    "question_mark": "?",
    "slash": "/",
    "escape": "esc",
    "right_square_bracket": "]",
    "left_square_bracket": "[",
    "plus": "+",
    "minus": "-",
}


def owners() -> dict[str, Any]:
    """What has keys, by the name that its table has."""
    app = import_module("treeledger.tui.app").Dashboard
    return {"app": app, **{place.name: page_class(place) for place in PLACES}}


def bindings(owner: Any) -> Iterator[Binding]:
    """Those that `[tui.keymap]` can change."""
    return (one for one in owner.BINDINGS if isinstance(one, Binding) and one.id)


def table(used: Iterable[Binding]) -> str:
    rows = "".join(f"| {_keys(one)} | {_use(one)} | `{one.id}` |\n" for one in used)
    return f"| key | what it does | id |\n| --- | --- | --- |\n{rows}"


def _keys(one: Binding) -> str:
    return " ".join(f"`{_WRITTEN.get(key, key)}`" for key in one.key.split(","))


def _use(one: Binding) -> str:
    return f"{one.description}: {one.tooltip}" if one.tooltip else one.description


def with_keys(text: str) -> str:
    """The page with its tables as they should be; that of a screen which there is not is left alone."""
    known = owners()

    def anew(found: re.Match[str]) -> str:
        name, end, before = found.groups()
        return f"{name}{end}{table(bindings(known[name])) if name in known else before}"

    return TABLE.sub(anew, text)


if __name__ == "__main__":
    PAGE.write_text(with_keys(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
