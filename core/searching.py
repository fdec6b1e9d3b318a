"""What is looked for in paths: a part of them as people type it, and what a store can look for beforehand.

Pure. A store knows the letters of ASCII in either case and nothing else of alphabets, so that all stores
find the same. What else a text has is compared here, in Unicode's words: without case, and whether or not
a character is composed (as names from other systems are not).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from typing import Final, NamedTuple

_VARIABLE: Final = re.compile(r"[^\x00-\x7f]+")  # may be written in another way: no store looks for it


class Search(NamedTuple):
    """Of the paths that have all of `parts` in them, in this order and the letters of ASCII in either case,
    those that `matches`. `is_exact`: all do."""

    parts: tuple[str, ...]
    matches: Callable[[str], bool]
    is_exact: bool


def containing(text: str) -> Search:
    """The paths (stored form) that have this text in them, in either case."""
    if text.isascii():
        return Search((text,) if text else (), lambda path: True, True)
    parts = tuple(run for run in _VARIABLE.split(unicodedata.normalize("NFC", text)) if run)
    wanted = _folded(text)
    return Search(parts, lambda path: wanted in _folded(path), False)


def _folded(text: str) -> str:
    return unicodedata.normalize("NFC", text).lower()
