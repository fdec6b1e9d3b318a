"""From one gitignore pattern to a regular expression, exactly as git's wildmatch reads it.

pathspec's own translation differs from git in brackets, in trailing spaces and in `**`, and its
expressions also cover everything below a match, so that a directory would be pruned although `!` keeps
something in it. Here an expression covers the entry itself only, and whoever asks goes top-down.

The expression is for `name` or `path/name`, relative to the folder that holds the rule, with a "/" at the
end for a directory; it means the same to `re` and to re2 when all of the text must match.
"""

from __future__ import annotations

import re
from typing import AnyStr, Final

from pathspec.patterns.gitignore.base import GitIgnorePatternError
from pathspec.patterns.gitignore.basic import GitIgnoreBasicPattern

from treeledger.plugins.gitignore.brackets import bracket

_ANY_FOLDERS: Final = "(?s:.*/)?"
_SPECIAL: Final = re.compile(r"[*?\[\\]")
_ANYTHING: Final = re.compile(r"(?<=[^/])\*\*+(?:/\*\*+)*/\*+")


class EntryPattern(GitIgnoreBasicPattern):
    """A gitignore pattern that matches the entry itself, not what lies below it."""

    __slots__ = ()

    @classmethod
    def pattern_to_regex(cls, pattern: AnyStr) -> tuple[AnyStr | None, bool | None]:
        """The expression and whether it ignores (or keeps); (None, None) for a comment or a blank line.

        Raises GitIgnorePatternError, saying why, for a pattern that can never match.
        """
        if isinstance(pattern, bytes):
            raise TypeError("patterns are text")
        text = trimmed(pattern)
        if not text or text.startswith("#"):
            return None, None
        keeps = text.startswith("!")
        glob = text[1:] if keeps else text
        only_directories = glob.endswith("/")
        glob = glob[:-1] if only_directories else glob
        if not glob.strip("/"):
            raise GitIgnorePatternError("names nothing")
        start = "^" if "/" in glob else "^" + _ANY_FOLDERS
        return start + _translate(glob) + ("/$" if only_directories else "/?$"), not keeps


def trimmed(line: str) -> str:
    """A line without the trailing spaces that no backslash protects; tabs and other space stay."""
    text = line.rstrip(" ")
    backslashes = len(text) - len(text.rstrip("\\"))
    return text + " " if backslashes % 2 and len(text) < len(line) else text


def _translate(glob: str) -> str:
    special = _SPECIAL.search(glob)
    # git compares what comes before the first special character by itself, so that the rest of the
    # pattern begins there, and a `**` is then at its beginning: "a**/b" is more than "a*/b".
    wild = special.start() if special else len(glob)
    anchored = "/" in glob
    if _ANYTHING.fullmatch(glob, wild):  # and "a**/*" is "a**"
        glob = glob[:wild] + "**"
    parts = [re.escape(glob[:wild].removeprefix("/"))]
    at = wild
    while at < len(glob):
        character = glob[at]
        if character == "*":
            part, at = _stars(glob, at, boundary=anchored and (at == wild or glob[at - 1] == "/"))
        elif character == "[":
            part, at = bracket(glob, at)
        elif character == "?":
            part, at = "[^/]", at + 1
        else:
            at += character == "\\"
            if at == len(glob):
                raise GitIgnorePatternError("ends with a backslash")
            part, at = re.escape(glob[at]), at + 1
        parts.append(part)
    return "".join(parts)


def _stars(glob: str, at: int, *, boundary: bool) -> tuple[str, int]:
    """The expression of a run of stars, and where it ends."""
    end = at
    while glob[end : end + 1] == "*":
        end += 1
    # Something must follow the last "/": the one that ends a directory's text is no part of its name.
    often = "+" if end == len(glob) and glob[at - 1 : at] == "/" else "*"
    if end - at > 1 and boundary:
        if glob[end : end + 1] == "/":
            return _ANY_FOLDERS, end + 1
        if end == len(glob) or glob.startswith("\\/", end):
            return f"(?s:.{often})", end
    return f"[^/]{often}", end
