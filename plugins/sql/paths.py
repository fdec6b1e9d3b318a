"""Ranges of paths in byte order. The order of code points is that of UTF-8 bytes, so `str` compares alike."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from treeledger.names import within

_LAST: Final = "\U0010ffff"
_SIGN: Final = re.compile(r"[\\%_]")
_ESCAPED: Final = r"\\\g<0>"


class Range(NamedTuple):
    """Paths p with low <= p < high; "" is no limit."""

    low: str
    high: str


def starting(text: str) -> Range:
    """What begins with this very text."""
    return Range(text, _successor(text))


def _successor(text: str) -> str:
    """The least text greater than all that begin with this one; "" where there is none."""
    text = text.rstrip(_LAST)
    if not text:
        return ""
    following = ord(text[-1]) + 1
    return text[:-1] + ("\ue000" if 0xD800 <= following <= 0xDFFF else chr(following))


def like(parts: Sequence[str]) -> str | None:
    """The pattern of LIKE for texts with anything around them; None for no texts."""
    if not parts:
        return None
    return "".join(f"%{_SIGN.sub(_ESCAPED, part)}" for part in parts) + "%"


def covers(prefix: str, unknown: tuple[str, ...], other_prefix: str, other_unknown: tuple[str, ...]) -> bool:
    """Whether a prefix less what is unknown holds all that another prefix less its unknown holds."""
    if not within(prefix, other_prefix):
        return False
    return all(
        any(within(hidden, path) for hidden in other_unknown)
        for path in unknown
        if within(other_prefix, path) or within(path, other_prefix)
    )
