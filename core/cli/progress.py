"""Progress of a scan or a scrub on a terminal: what is done, with rates and the time left."""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final

from treeledger.model import Repository
from treeledger.names import shown
from treeledger.units import show_count, show_duration, show_size

if TYPE_CHECKING:
    from treeledger.model import Counts
    from treeledger.working import Counting

_EVERY: Final = 0.1  # seconds between pictures
_PLAIN_EVERY: Final = 10.0  # seconds between log lines where there is no terminal


class ScanBar:
    """A progress bar on stderr; a log line now and then where that is no terminal."""

    doing = "scanning"

    def __init__(self, repository: Repository, *, hidden: bool = False, console: Any = None) -> None:
        self._repository = repository
        self._expected: float = repository.files
        self._hidden = hidden
        self._started = time.monotonic()
        self._drawn = self._started
        self._bar: Any = None
        self._task: Any = None
        self._is_terminal = sys.stderr.isatty() and not hidden
        self._console = console

    def __enter__(self) -> ScanBar:
        self.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def open(self) -> None:
        if self._is_terminal:
            self._draw_first()

    def close(self) -> None:
        if self._bar is not None:
            with suppress(OSError):
                self._bar.stop()

    def _draw_first(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn

        console = self._console or Console(stderr=True)
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(28),
            TextColumn("{task.fields[words]}"),
            console=console,
            transient=True,
            auto_refresh=False,
            redirect_stdout=sys.stdout.isatty(),
        )
        name = shown(self._repository.name)
        total = self._expected or None
        self._task = self._bar.add_task(f"{self.doing.capitalize()} {name}", total=total, words="")
        self._bar.start()

    def told(self, run: Counting) -> None:
        """Shows how far a run is."""
        self.show(run.counts)

    def show(self, counts: Counts) -> None:
        try:
            self._show(counts)
        except OSError:  # nobody looks any more; the scan matters, not its picture
            self._hidden = True

    def _show(self, counts: Counts) -> None:
        now = time.monotonic()
        every = _EVERY if self._is_terminal else _PLAIN_EVERY
        if self._hidden or now - self._drawn < every:
            return
        self._drawn = now
        words = self._words(counts, now - self._started)
        if self._bar is not None:
            self._bar.update(self._task, completed=self._done(counts), words=words, refresh=True)
        else:
            print(f"{shown(self._repository.name)}: {self.doing}, {words}", file=sys.stderr, flush=True)

    def _done(self, counts: Counts) -> int:
        """How much of what is expected is done."""
        return counts.files_scanned

    def _words(self, counts: Counts, seconds: float) -> str:
        rate = counts.files_scanned / seconds if seconds else 0.0
        parts = [f"{show_count(counts.files_scanned)} files", f"{show_count(round(rate))} files/s"]
        if counts.files_hashed:
            speed = counts.bytes_hashed / seconds if seconds else 0.0
            parts.append(f"{show_count(counts.files_hashed)} hashed, {show_size(speed)}/s")
        return "  ".join((*parts, *self._left(counts, seconds)))

    def _left(self, counts: Counts, seconds: float) -> list[str]:
        done = self._done(counts)
        left = self._expected - done
        return [f"{show_duration(left * seconds / done)} left"] if left > 0 and done > 0 else []


class ScrubBar(ScanBar):
    """As for a scan, of bytes; `most` of them are expected to be read, within `seconds`."""

    doing = "scrubbing"

    def __init__(
        self, repository: Repository, most: float, seconds: float | None, *, hidden: bool = False
    ) -> None:
        super().__init__(repository, hidden=hidden)
        self._expected = min(most, repository.bytes)
        self._seconds = seconds

    def _done(self, counts: Counts) -> int:
        return counts.bytes_hashed

    def _words(self, counts: Counts, seconds: float) -> str:
        speed = counts.bytes_hashed / seconds if seconds else 0.0
        parts = (
            f"{show_count(counts.files_hashed)} files",
            show_size(counts.bytes_hashed),
            f"{show_size(speed)}/s",
        )
        return "  ".join((*parts, *self._left(counts, seconds)))

    def _left(self, counts: Counts, seconds: float) -> list[str]:
        if self._seconds is not None and counts.bytes_hashed:
            by_rate = (self._expected - counts.bytes_hashed) * seconds / counts.bytes_hashed
            left = min(by_rate, self._seconds - seconds)
            return [f"{show_duration(left)} left"] if left > 0 else []
        return super()._left(counts, seconds)
