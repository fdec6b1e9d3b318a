"""The deletion gate: when missing files may become deleted, and when a person must decide."""

from __future__ import annotations

from datetime import timedelta
from enum import Enum, auto
from typing import Final, NamedTuple

from treeledger.config.settings import MaxDelete
from treeledger.protocols import Gone

QUIET: Final = timedelta(milliseconds=500)  # without further losses
PATIENCE: Final = timedelta(seconds=10)  # at most, however long the losses go on


class Verdict(Enum):
    NOTHING = auto()
    WAIT = auto()
    DELETE = auto()
    HOLD = auto()


class Judgement(NamedTuple):
    verdict: Verdict
    wait: float = 0.0  # seconds until it is worth asking again


def judge(gone: Gone, live_then: int, limit: MaxDelete) -> Judgement:
    """What is to be done about the missing records of a repository.

    `live_then` is the number of files when the window began. More than `floor` files gone in the
    window, and more than `files` or `percent` of those, is for a person to decide: but only once it is
    quiet, as what moved is found again.
    """
    if gone.waiting == 0 or gone.oldest is None or gone.newest is None:
        return Judgement(Verdict.NOTHING)
    settled = min(gone.newest + QUIET, gone.oldest + PATIENCE)
    was_put_back = gone.oldest > gone.now + QUIET  # the clock, since: it was long enough ago
    if gone.now < settled and not was_put_back:
        return Judgement(Verdict.WAIT, (settled - gone.now).total_seconds())
    return Judgement(Verdict.HOLD if too_many(gone.in_window, live_then, limit) else Verdict.DELETE)


def too_many(gone: int, live_then: int, limit: MaxDelete) -> bool:
    """Whether so many files gone of so many look like an accident."""
    if gone <= limit.floor:
        return False
    return gone > limit.files or gone * 100 > limit.percent * live_then
