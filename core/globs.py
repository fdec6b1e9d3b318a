"""Patterns of paths, as `treeledger files` takes them.

A pattern with a slash is anchored at the repository's root, `2024/*.jpg`; `**` crosses folders; one
that ends in a slash, or has a slash and no wildcard, covers all below. Without a slash it is a file's
name, at any depth. `\\` takes the meaning from the character that follows.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

_TOKENS: Final = re.compile(
    r"(?P<folders>(?:(?<=/)|^)\*\*/)|(?P<all>\*\*+)|(?P<any>\*)|(?P<one>\?)"
    r"|\[(?P<not>[!^]?)(?P<set>\]?[^\]/]*)\]|\\(?P<escaped>.)|(?P<literal>.)",
    re.DOTALL,
)
_SIMPLE: Final = {"folders": "(?:.*/)?", "all": ".*", "any": "[^/]*", "one": "[^/]"}


class Globs(NamedTuple):
    """Some patterns together. Every path that matches one begins with `prefix`; None matches all."""

    prefix: str
    pattern: re.Pattern[str] | None

    def matches(self, path: str) -> bool:
        return self.pattern is None or self.pattern.fullmatch(path) is not None


def compile_globs(texts: Sequence[str]) -> Globs:
    """What the patterns (stored form) match together; without any, every path."""
    if not texts:
        return Globs("", None)
    parts = [_compiled(text) for text in texts]
    return Globs(
        _shared_start([start for start, _ in parts]),
        re.compile("|".join(expression for _, expression in parts), re.DOTALL),
    )


def escaped(text: str) -> str:
    """The pattern that stands for exactly this text."""
    return re.sub(r"([*?\[\\])", r"\\\1", text)


def _shared_start(texts: Sequence[str]) -> str:
    first, last = min(texts), max(texts)
    return first[: next((n for n, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first))]


def _compiled(text: str) -> tuple[str, str]:
    """The literal beginning of every match, and the regular expression of one pattern."""
    anchored = "/" in text
    text = text.removeprefix("./").removeprefix("/")
    literal, expression, wild = "", "", False
    for token in _TOKENS.finditer(text):
        character = token["escaped"] or token["literal"]
        wild = wild or character is None
        expression += re.escape(character) if character is not None else _wildcard(token)
        literal += character if character is not None and not wild else ""
    if not anchored:
        return "", f"(?:.*/)?{expression}"
    if not text or text.endswith("/"):
        return literal, f"{expression}.+"
    return literal, expression if wild else f"{expression}(?:/.*)?"


def _wildcard(token: re.Match[str]) -> str:
    if token["set"] is None:
        return _SIMPLE[token.lastgroup or "any"]
    members = re.sub(r"([\\\[\]&~|^])", r"\\\1", token["set"])
    expression = f"(?!/)[{'^' if token['not'] else ''}{members}]"
    try:
        re.compile(expression)
    except re.error:  # a range that runs backwards holds nothing
        return "(?!)"
    return expression
