"""How soon somebody tells of a file that was closed."""

from __future__ import annotations

import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from benchmarks.lab import Lab
from benchmarks.measure import running

CONTENT: Final = b"treeledger" * 10
_GRACE: Final = 10.0  # seconds that the last files are waited for


class Waits(NamedTuple):
    """Seconds from the close of a file to the word of it."""

    p50: float
    p99: float
    lost: int

    @classmethod
    def of(cls, waits: Sequence[float], files: int) -> Waits:
        """A file that nobody told of took for ever."""
        every = sorted([*waits, *[float("inf")] * (files - len(waits))])
        return cls(statistics.median(every), every[min(int(0.99 * files), files - 1)], files - len(waits))


class Listener:
    """Takes down when a process first told of each file after it was closed."""

    def __init__(self, process: subprocess.Popen[str], name_in: Callable[[str], str | None]) -> None:
        self._lines = process.stdout
        self._name_in = name_in
        self._closing: dict[str, float] = {}
        self._told: dict[str, float] = {}
        self._heard = threading.Condition()
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        assert self._lines is not None
        for line in self._lines:
            now = time.perf_counter()
            name = self._name_in(line)
            with self._heard:
                if name in self._closing:
                    self._told.setdefault(name, now - self._closing[name])
                    self._heard.notify_all()

    def write(self, path: Path, content: bytes = CONTENT) -> None:
        """Writes a file anew; what was heard of it before no longer counts."""
        with path.open("wb", buffering=0) as file:
            file.write(content)
            with self._heard:
                self._told.pop(path.name, None)
                self._closing[path.name] = time.perf_counter()

    def waits(self, names: Sequence[str], grace: float = _GRACE) -> list[float]:
        """Seconds from close to word of those that were told of, once all were or nothing more comes."""
        with self._heard:
            self._heard.wait_for(lambda: all(name in self._told for name in names), grace)
            return [self._told[name] for name in names if name in self._told]


@contextmanager
def listening(
    lab: Lab, command: Sequence[str], root: Path, name_in: Callable[[str], str | None]
) -> Iterator[Listener]:
    """A process that tells of files below a folder, once it really does."""
    with running(command, lab.fresh() / "log") as process:
        listener = Listener(process, name_in)
        for number in range(1000):
            probe = root / f"probe{number}"
            listener.write(probe)
            if listener.waits([probe.name], grace=0.1):
                break
        else:
            raise RuntimeError(f"{command[0]} tells of nothing")
        time.sleep(0.5)  # until all that the probes caused is over
        yield listener


@contextmanager
def following(lab: Lab, store: str, root: Path) -> Iterator[Listener]:
    """Who reads the journal of a ledger whose repository is watched."""
    command = [sys.executable, str(Path(__file__).with_name("follow.py")), store]
    with listening(lab, command, root, complete_record) as listener:
        yield listener


def complete_record(line: str) -> str | None:
    """The name of a file whose record has its final size and its hash; None for any other line."""
    path, size, hash = line.rsplit(maxsplit=2)
    return Path(path).name if int(size) and hash != "-" else None


def steadily(listener: Listener, folder: Path, files: int, rate: int) -> list[str]:
    """Writes files at an even pace, so many in a second; returns their names, which are new."""
    begun = time.perf_counter()
    names = [f"{begun:.6f}-{number}" for number in range(files)]
    for number, name in enumerate(names):
        time.sleep(max(0.0, begun + number / rate - time.perf_counter()))
        listener.write(folder / name)
    return names
