"""Bracket expressions of gitignore patterns: `[a-z]`, `[!0-9]`, `[[:alpha:]_]`, `[\\]]`."""

from __future__ import annotations

import re
from typing import Final

from pathspec.patterns.gitignore.base import GitIgnorePatternError

_CLASSES: Final = {
    "alnum": "09AZaz",
    "alpha": "AZaz",
    "blank": "\t\t  ",
    "cntrl": "\0\x1f\x7f\x7f",
    "digit": "09",
    "graph": "!~",
    "lower": "az",
    "print": " ~",
    "punct": "!/:@[`{~",
    "space": "\t\r  ",
    "upper": "AZ",
    "xdigit": "09AFaf",
}
"""The POSIX classes, in ASCII as git has them: pairs of first and last character."""
_CLASS: Final = re.compile(r"\[:([^\]]*):\]")
_SLASH: Final = ord("/")

Range = tuple[int, int]
"""First and last code point."""


def bracket(glob: str, start: int) -> tuple[str, int]:
    """The expression of the bracket that begins at `start`, and where it ends. It never matches "/".

    Raises GitIgnorePatternError where git would match nothing: it is not closed, names an unknown
    class, or holds no character.
    """
    at = start + 1
    negated = glob[at : at + 1] in ("!", "^")
    at += negated
    ranges, end = _ranges(glob, at)
    expression = "".join(_shown(part) for whole in ranges for part in _without_slash(whole))
    if negated:
        return f"[^/{expression}]", end
    if not expression:
        raise GitIgnorePatternError(f"{glob[start:end]} holds no character")
    return f"[{expression}]", end


def _ranges(glob: str, at: int) -> tuple[list[Range], int]:
    ranges: list[Range] = []
    first = at
    before = ""  # the character that a following "-" would begin a range with
    while at == first or _character(glob, at) != "]":
        character = _character(glob, at)
        if character == "-" and before and glob[at + 1 : at + 2] not in ("", "]"):
            at += 1 + (glob[at + 1] == "\\")
            ranges.append((ord(before), ord(_character(glob, at))))
            before = ""
        elif named := _CLASS.match(glob, at):
            ranges += _class(named.group(1))
            at = named.end() - 1
            before = ""
        else:
            at += character == "\\"
            before = _character(glob, at)
            ranges.append((ord(before), ord(before)))
        at += 1
    return ranges, at + 1


def _character(glob: str, at: int) -> str:
    if at >= len(glob):
        raise GitIgnorePatternError("a [ is not closed")
    return glob[at]


def _class(name: str) -> list[Range]:
    pairs = _CLASSES.get(name)
    if pairs is None:
        raise GitIgnorePatternError(f"[:{name}:] is no class of characters")
    return [(ord(pairs[n]), ord(pairs[n + 1])) for n in range(0, len(pairs), 2)]


def _without_slash(whole: Range) -> list[Range]:
    """The range without "/", in up to two parts; none where it ends before it begins."""
    first, last = whole
    parts = [whole] if not first <= _SLASH <= last else [(first, _SLASH - 1), (_SLASH + 1, last)]
    return [(low, high) for low, high in parts if low <= high]


def _shown(part: Range) -> str:
    low, high = (re.sub(r"[\\\]\[^&~|-]", r"\\\g<0>", chr(code)) for code in part)
    return low if low == high else f"{low}-{high}"
