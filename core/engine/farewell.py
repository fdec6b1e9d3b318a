"""The time that all parts of a session have together to end in order."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import anyio

_SECONDS: Final = 2.0  # with what the lock and the store need: less than the five seconds of the promise


class Farewell:
    """Lets the last steps run although all is cancelled, until one deadline for all of them.

    A store that does not answer then costs its time once, however many steps wait for it.
    """

    def __init__(self) -> None:
        self._deadline: float | None = None

    @contextmanager
    def step(self) -> Iterator[anyio.CancelScope]:
        """The body is cancelled at the deadline, which the first step sets."""
        if self._deadline is None:
            self._deadline = anyio.current_time() + _SECONDS
        with anyio.CancelScope(shield=True, deadline=self._deadline) as scope:
            yield scope


def end_within(seconds: float) -> None:
    """Everything is written: whatever holds up the end of the process now, it ends."""
    signal.signal(signal.SIGALRM, lambda *_: os._exit(0))
    signal.setitimer(signal.ITIMER_REAL, seconds)
