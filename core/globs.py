"""Patterns of paths, as `treeledger files` takes them.

A pattern with a slash is anchored at the repository's root, `2024/*.jpg`; `**` crosses folders; one
that ends in a slash, or has a slash and no wildcard, covers all below. Without a slash it is a file's
name, at any depth. `\\` takes the meaning from the character that follows. They are matched by re2, in a
time that is linear in the path: whoever may ask over HTTP has no pattern to keep an engine busy with.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, NamedTuple

from treeledger.errors import UsageError

_TOKENS: Final = re.compile(
    r"(?P<folders>(?:(?<=/)|^)\*\*/)|(?P<all>\*\*+)|(?P<any>\*)|(?P<one>\?)"
    r"|\[(?P<not>[!^]?)(?P<set>\]?[^\]/]*)\]|\\(?P<escaped>.)|(?P<literal>.)",
    re.DOTALL,
)
_SIMPLE: Final = {"folders": "(?:.*/)?", "all": ".*", "any": "[^/]*", "one": "[^/]"}
_NOTHING: Final = r"[^\x00-\x{10FFFF}]"
_MEMORY: Final = 32 << 20  # bytes that re2 may use for the patterns and for the states it has met


class Globs(NamedTuple):
    """Some patterns together. Every path that matches one begins with `prefix`, and has all of `parts` in it,
    in this order and not overlapping."""

    prefix: str
    matches: Callable[[str], bool]
    parts: tuple[str, ...] = ()


def compile_globs(texts: Sequence[str]) -> Globs:
    """What the patterns (stored form) match together; without any, every path.

    Raises UsageError if they are too long to match.
    """
    if not texts:
        return Globs("", lambda path: True)
    parts = [_translated(text) for text in texts]
    match = _matcher([one.expression for one in parts])
    texts_in = parts[0].literals if len(parts) == 1 else ()
    return Globs(_shared_start([one.start for one in parts]), lambda path: bool(match(path)), texts_in)


def _matcher(expressions: Sequence[str]) -> Callable[[str], Any]:
    """What gives the numbers of the expressions that match a text; a set is the fastest that re2 has."""
    import re2

    options = re2.Options()
    options.dot_nl = True
    options.log_errors = False
    options.max_mem = _MEMORY
    rules = re2.Set.FullMatchSet(options)
    try:
        for expression in expressions:
            rules.Add(expression)
        rules.Compile()
    except re2.error:
        raise UsageError("these patterns are too long to match") from None
    match: Callable[[str], Any] = rules.Match
    return match


def escaped(text: str) -> str:
    """The pattern that stands for exactly this text."""
    return re.sub(r"([*?\[\\])", r"\\\1", text)


def _shared_start(texts: Sequence[str]) -> str:
    first, last = min(texts), max(texts)
    return first[: next((n for n, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first))]


class _Pattern(NamedTuple):
    """The literal beginning of every match, the regular expression, and the literals between wildcards."""

    start: str
    expression: str
    literals: tuple[str, ...]


def _translated(text: str) -> _Pattern:
    anchored = "/" in text
    text = text.removeprefix("./").removeprefix("/")
    literals, expression = [""], ""
    for token in _TOKENS.finditer(text):
        character = token["escaped"] or token["literal"]
        if character is not None:
            expression += re.escape(character)
            literals[-1] += character
        else:
            expression += _wildcard(token)
            literals.append("")
    found = tuple(filter(None, literals))
    if not anchored:
        return _Pattern("", f"(?:.*/)?{expression}", found)
    if not text or text.endswith("/"):
        return _Pattern(literals[0], f"{expression}.+", found)
    return _Pattern(literals[0], expression if len(literals) > 1 else f"{expression}(?:/.*)?", found)


def _wildcard(token: re.Match[str]) -> str:
    if token["set"] is None:
        return _SIMPLE[token.lastgroup or "any"]
    ranges = list(_ranges(token["set"]))
    if not ranges or any(low > high for low, high in ranges):  # a range that runs backwards holds nothing
        return _NOTHING
    if token["not"]:
        return f"[^/{''.join(map(_written, ranges))}]"
    return f"[{''.join(_written(part) for whole in ranges for part in _without_slash(whole))}]"


def _ranges(members: str) -> Iterator[tuple[str, str]]:
    """The first and the last character of each part of a set."""
    at = 0
    while at < len(members):
        is_range = members[at + 1 : at + 2] == "-" and at + 2 < len(members)
        yield members[at], members[at + 2 if is_range else at]
        at += 3 if is_range else 1


def _without_slash(whole: tuple[str, str]) -> Iterator[tuple[str, str]]:
    low, high = whole
    if not low <= "/" <= high:
        yield whole
        return
    if low < "/":
        yield low, "."
    if high > "/":
        yield "0", high


def _written(part: tuple[str, str]) -> str:
    low, high = (re.sub(r"[\\\]\[^&~|-]", r"\\\g<0>", character) for character in part)
    return f"{low}-{high}"
