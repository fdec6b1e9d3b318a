"""Going through some choices with one key. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


def following(now: object, choices: Sequence[T]) -> T:
    """The choice after this one; the first after the last, and where this is none of them."""
    place = choices.index(now) + 1 if now in choices else 0
    return choices[place % len(choices)]
