"""Progress of a scan on a terminal: what is listed and what is hashed, with rates and the time left."""

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
    from treeledger.engine.run import Run
    from treeledger.model import Counts

_EVERY: Final = 0.1  # seconds between pictures
_PLAIN_EVERY: Final = 10.0  # seconds between log lines where there is no terminal


class ScanBar:
    """A progress bar on stderr; a log line now and then where that is no terminal."""

    def __init__(self, repository: Repository, *, hidden: bool = False, console: Any = None) -> None:
        self._repository = repository
        self._expected = repository.files
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
        self._task = self._bar.add_task(f"Scanning {name}", total=total, words="")
        self._bar.start()

    def told(self, run: Run) -> None:
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
            self._bar.update(self._task, completed=counts.files_scanned, words=words, refresh=True)
        else:
            print(f"{shown(self._repository.name)}: scanning, {words}", file=sys.stderr, flush=True)

    def _words(self, counts: Counts, seconds: float) -> str:
        rate = counts.files_scanned / seconds if seconds else 0.0
        parts = [f"{show_count(counts.files_scanned)} files", f"{show_count(round(rate))} files/s"]
        if counts.files_hashed:
            speed = counts.bytes_hashed / seconds if seconds else 0.0
            parts.append(f"{show_count(counts.files_hashed)} hashed, {show_size(speed)}/s")
        left = self._expected - counts.files_scanned
        if left > 0 and rate > 0:
            parts.append(f"{show_duration(left / rate)} left")
        return "  ".join(parts)
