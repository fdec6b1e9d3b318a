"""A terminal that only the dashboard draws on, whatever else in its process prints."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import Event, Thread
from typing import Any, Final

_KEPT: Final = 2**15  # bytes of what was printed: a traceback, and some more
_STREAMS: Final = (1, 2)


@contextmanager
def undisturbed() -> Iterator[None]:
    """While it lasts, what is written to stdout and stderr is kept from the terminal, and the last of it is
    printed on stderr at the end: logs, what plugins print in whatever way, and what their children do.

    `sys.__stdout__` and `sys.__stderr__` are what draws: Textual writes there.
    """
    before: Sequence[Any] = (sys.__stdout__, sys.__stderr__)
    real = {number: os.dup(number) for number in _STREAMS}
    tail = _Tail()
    tail.begin()
    streams: Any = sys
    streams.__stdout__, streams.__stderr__ = (
        os.fdopen(os.dup(real[number]), "w", encoding=stream.encoding, errors=stream.errors)
        for number, stream in zip(_STREAMS, before, strict=True)
    )
    try:
        yield
    finally:
        for drawn in (streams.__stdout__, streams.__stderr__):
            drawn.close()
        streams.__stdout__, streams.__stderr__ = before
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        for number, descriptor in real.items():
            os.dup2(descriptor, number)
            os.close(descriptor)
        sys.stderr.write(tail.end())
        sys.stderr.flush()


class _Tail:
    """The last of what is written to stdout and stderr."""

    def __init__(self) -> None:
        self._kept = b""
        self._mark = os.urandom(16)  # what is written last
        self._is_all = Event()

    def begin(self) -> None:
        self._read, self._write = os.pipe()
        for number in _STREAMS:
            os.dup2(self._write, number)
        Thread(target=self._keep, daemon=True).start()

    def _keep(self) -> None:
        with open(self._read, "rb", buffering=0) as pipe:
            while self._mark not in self._kept:
                self._kept = self._kept[-_KEPT:] + pipe.read(_KEPT)
            self._is_all.set()
            while pipe.read(_KEPT):  # children that have it still may write
                pass

    def end(self) -> str:
        """What was kept of all that is written by now."""
        os.set_blocking(self._write, True)  # whatever a child has made of it
        os.write(self._write, self._mark)
        os.close(self._write)
        self._is_all.wait()
        return self._kept.partition(self._mark)[0][-_KEPT:].decode(errors="replace")
