"""Where the daemon's log goes: standard error, or a file that is rotated; and the last records in memory."""

from __future__ import annotations

import errno
import logging
import os
import stat
import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from itertools import islice
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Final, NamedTuple

from treeledger.config.configuration import Configuration
from treeledger.config.settings import LogSettings
from treeledger.daemon.records import LEVELS, JsonFormatter, LogLine, TextFormatter
from treeledger.errors import ConfigurationError

KEPT: Final = 2000  # records in memory
_NOISY: Final = ("watchdog", "asyncio", "httpx", "httpcore", "uvicorn")


class Kept(NamedTuple):
    """A record in memory. `n` grows from record to record, and from one run of the program to the next."""

    n: int
    line: LogLine


class Ring(logging.Handler):
    """The last records, for those who ask over HTTP. `file` is where all of them are, None if nowhere."""

    def __init__(self) -> None:
        super().__init__()
        self.file: Path | None = None
        self._kept: deque[Kept] = deque(maxlen=KEPT)
        self._n = time.time_ns() // 1_000_000  # a run that logs less than 1,000 records a second stays below

    @classmethod
    def of_this_process(cls) -> Ring | None:
        """That of the running daemon; None in a program that keeps no log."""
        return next((one for one in logging.getLogger().handlers if isinstance(one, Ring)), None)

    def emit(self, record: logging.LogRecord) -> None:
        self._n += 1
        self._kept.append(Kept(self._n, LogLine.of(record)))

    def page(self, *, least: str, after: int | None, limit: int) -> list[Kept]:
        """Records of at least this level, in order: those that follow `after`, else the last of all."""
        wanted = [kept for kept in list(self._kept) if LEVELS.get(kept.line.level, 50) >= LEVELS[least]]
        if after is None:
            return wanted[-limit:]
        return list(islice((kept for kept in wanted if kept.n > after), limit))


class _File(RotatingFileHandler):
    """A file that only its owner reads, as those it is rotated to."""

    def __init__(self, path: Path, settings: LogSettings) -> None:
        self._complained = False
        super().__init__(path, maxBytes=settings.max_size, backupCount=settings.keep, encoding="utf-8")

    def _open(self) -> TextIOWrapper:
        return open(self.baseFilename, "a", encoding="utf-8", errors="backslashreplace", opener=_opened)

    def handleError(self, record: logging.LogRecord) -> None:
        """A disk that is full stops no daemon; it is said once, where somebody may see it."""
        self._complain(sys.exc_info()[1])

    def close(self) -> None:
        try:
            super().close()
        except OSError as error:  # what it could not take before
            self._complain(error)

    def _complain(self, error: BaseException | None) -> None:
        if not self._complained:
            self._complained = True
            print(f"treeledger: the log {self.baseFilename} cannot be written: {error}", file=sys.stderr)


def _opened(path: str, flags: int) -> int:
    """A descriptor of a regular file that is this path itself. Raises OSError."""
    descriptor = os.open(path, flags | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "it is no regular file")
    return descriptor


class Logs:
    """The logging of this process as a daemon has it: all goes to the ring, and to one other place."""

    def __init__(self, level: str | None = None) -> None:
        """`level` wins over what is configured."""
        self._level = level
        self.path: Path | None = None  # None: standard error
        self._is_applied = False
        self._root = logging.getLogger()
        self._ring = Ring()
        self._output: logging.Handler = logging.StreamHandler()

    @contextmanager
    def installed(self) -> Iterator[None]:
        """In the place of what logs now."""
        before = self._root.handlers[:], self._root.level
        self._root.handlers = [self._ring, self._output]
        for noisy in _NOISY:
            logging.getLogger(noisy).setLevel(logging.WARNING)
        try:
            yield
        finally:
            self._root.handlers, level = before
            self._root.setLevel(level)
            self._output.close()

    def apply(self, configuration: Configuration) -> None:
        """Logs as configured, from now on; into the file of the first time, which the engine knows.

        Raises ConfigurationError, and goes on as before.
        """
        settings = configuration.log
        path = self.path if self._is_applied else configuration.log_file
        output = _output(path, configuration)
        output.setFormatter(JsonFormatter() if settings.format == "json" else TextFormatter())
        before, self._output, self.path, self._is_applied = self._output, output, path, True
        self._ring.file = path
        if before in self._root.handlers:
            self._root.handlers = [self._ring, output]
        self._root.setLevel(LEVELS[self._level or settings.level])
        before.close()


def _output(path: Path | None, configuration: Configuration) -> logging.Handler:
    if path is None:
        return logging.StreamHandler()
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return _File(path, configuration.log)
    except OSError as error:
        reason = error.strerror or str(error)
        raise ConfigurationError(
            f"{configuration.label}: [log] file = {str(path)!r}: cannot be written: {reason}"
        ) from None
