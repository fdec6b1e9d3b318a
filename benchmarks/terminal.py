"""A program on a terminal of its own: what it shows when, and how soon after a key."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Final, NamedTuple

_WITHIN: Final = 30.0  # seconds that anything may take
_DECORATION: Final = re.compile(r"\x1b\[[0-9;?<>=]*[a-zA-Z]")


class Said(NamedTuple):
    """What came at one moment (`perf_counter`)."""

    at: float
    piece: bytes


class Terminal:
    """A program that runs on a terminal, and what it wrote there so far."""

    def __init__(self, process: subprocess.Popen[bytes], ours: int) -> None:
        self.process = process
        self._ours = ours
        self._said: list[Said] = []
        self._news = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        with suppress(OSError):  # a terminal whose last user has gone says EIO
            while piece := os.read(self._ours, 1 << 16):
                with self._news:
                    self._said.append(Said(time.perf_counter(), piece))
                    self._news.notify_all()

    @property
    def written(self) -> int:
        """Bytes so far."""
        with self._news:
            return sum(len(piece) for _, piece in self._said)

    def text(self, begin: int = 0) -> str:
        """What was written from that piece on, without colours and the movements of the cursor."""
        with self._news:
            return self._text(begin, len(self._said))

    def type(self, keys: str) -> None:
        os.write(self._ours, keys.encode())

    def until(self, pattern: str, begin: int = 0, within: float = _WITHIN) -> float:
        """When what was written from the piece `begin` on first had a text, a regular expression, in it.
        Raises TimeoutError with the last words if that takes too long."""
        sought, end = re.compile(pattern), time.perf_counter() + within
        looked = begin
        with self._news:
            while True:
                while looked < len(self._said):
                    looked += 1
                    if sought.search(self._text(begin, looked)):
                        return self._said[looked - 1].at
                if not self._news.wait(end - time.perf_counter()) and time.perf_counter() >= end:
                    words = self._text(max(begin, len(self._said) - 20), len(self._said))
                    raise TimeoutError(f"not within {within:g} s: {pattern!r}; it wrote {words[-3000:]!r}")

    def _text(self, begin: int, end: int) -> str:
        raw = b"".join(piece for _, piece in self._said[begin:end])
        return _DECORATION.sub("", raw.decode(errors="replace"))

    def answer(self, keys: str, pattern: str, within: float = _WITHIN) -> float:
        """Seconds from some keys to the text that they bring."""
        with self._news:
            begin = len(self._said)
        pressed = time.perf_counter()
        self.type(keys)
        return self.until(pattern, begin, within) - pressed


@contextmanager
def terminal(
    command: Sequence[str], environ: Mapping[str, str] | None = None, size: tuple[int, int] = (80, 24)
) -> Iterator[Terminal]:
    """The command on a terminal of so many columns and lines; it is killed at the end if it still runs."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", size[1], size[0], 0, 0))
    process = subprocess.Popen(
        command,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, "TERM": "xterm-256color", **(environ or {})},
    )
    os.close(theirs)
    shown = Terminal(process, ours)
    try:
        yield shown
    finally:
        process.kill()
        process.wait()
        shown._reader.join(_WITHIN)
        os.close(ours)
