"""Timing whole processes, in turn: machines are shared, so only figures of one run are compared."""

from __future__ import annotations

import os
import statistics
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, NamedTuple

_LOOK: Final = 0.02  # seconds between two looks at the memory of a process


class CommandFailed(Exception):
    """A program ended with a code that says so; the message has its last words."""


class Cost(NamedTuple):
    """What a process cost, those it waited for included: seconds of wall time and of CPU."""

    wall: float
    cpu: float


def run(
    command: Sequence[str],
    *,
    environ: Mapping[str, str] | None = None,
    good: Iterable[int] = (0,),
    each: Callable[[int], object] | None = None,
) -> Cost:
    """One process, its output thrown away; `good` are the exit codes that mean success.

    `each` is called with its pid every 20 ms while it runs. Raises CommandFailed.
    """
    started = time.perf_counter()
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env={**os.environ, **(environ or {})},
    ) as process:
        try:
            while each is not None and os.waitid(os.P_PID, process.pid, _IS_OVER) is None:
                each(process.pid)
                time.sleep(_LOOK)
            assert process.stderr is not None
            said = process.stderr.read()
            _, status, usage = os.wait4(process.pid, 0)
        except BaseException:
            process.terminate()
            raise
        wall = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in good:
        words = said.decode(errors="replace").strip()[-500:]
        raise CommandFailed(f"{' '.join(command[:4])} ... ended with {process.returncode}: {words}")
    return Cost(wall, usage.ru_utime + usage.ru_stime)


_IS_OVER: Final = os.WEXITED | os.WNOHANG | os.WNOWAIT


def pipe(*commands: Sequence[str]) -> Cost:
    """Commands that read one another's output, as the shell joins them with `|`."""
    return run(["sh", "-c", " | ".join(quoted(command) for command in commands)])


def quoted(command: Sequence[str]) -> str:
    return " ".join("'" + word.replace("'", "'\\''") + "'" for word in command)


def in_turn(
    runs: int,
    *measured: Callable[[], float],
    pick: Callable[[Sequence[float]], float] = statistics.median,
) -> list[float]:
    """One figure of each, the median unless another is picked; all run once before the next round."""
    rounds = [[one() for one in measured] for _ in range(runs)]
    return [pick(column) for column in zip(*rounds, strict=True)]


def seconds_of(work: Callable[[], object]) -> float:
    """Seconds of wall time."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


# --- processes that run ------------------------------------------------------------------------


def family(pid: int) -> Iterator[int]:
    """A process and all that it started, as far as they are there."""
    yield pid
    with suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in map(int, (task / "children").read_text().split()):
                yield from family(child)


def cpu_seconds(pid: int) -> float:
    """CPU time of a process and all it started so far, in steps of 10 ms; what ended was waited for."""
    ticks = 0
    for one in family(pid):
        with suppress(OSError):
            fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
            ticks += sum(map(int, fields[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")


def proportional_memory(pid: int) -> int:
    """Bytes of a process and all it started, shared pages counted by their part (PSS)."""
    return sum(_memory(one, "smaps_rollup", "Pss:") for one in family(pid))


class HeldUp:
    """For how long processes are ready to run from now on, while others have the processors.

    Of the threads of a process, the one counts that waited longest, as they may have waited at the same time.
    What something took, less this, is what it takes by itself. It is none of a process that has ended, and
    where the system keeps no account of it.
    """

    def __init__(self, *pids: int) -> None:
        self._begun = {pid: _waited(pid) for pid in pids}

    @property
    def seconds(self) -> float:
        """So far."""
        return sum(self._longest(pid) for pid in self._begun) / 1e9

    def _longest(self, pid: int) -> int:
        before, now = self._begun[pid], _waited(pid)
        return max((waited - before.get(thread, 0) for thread, waited in now.items()), default=0)


def _waited(pid: int) -> dict[str, int]:
    """Nanoseconds that each thread of a process was ready to run and did not."""
    waited = {}
    with suppress(OSError):  # it has ended
        for thread in Path(f"/proc/{pid}/task").iterdir():
            with suppress(OSError):  # this one has
                waited[thread.name] = int((thread / "schedstat").read_text().split()[1])
    return waited


def resident_memory(pid: int) -> int:
    """Bytes of one process that are in memory now."""
    return _memory(pid, "status", "VmRSS:")


def largest_peak(pid: int) -> int:
    """Bytes that the largest of a process and all it started had at most so far (resident)."""
    return max(_memory(one, "status", "VmHWM:") for one in family(pid))


def _memory(pid: int, file: str, field: str) -> int:
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/{file}").read_text().splitlines():
            if line.startswith(field):
                return int(line.split()[1]) * 1024
    return 0


@contextmanager
def running(
    command: Sequence[str], log: Path, stdout: int = subprocess.PIPE
) -> Iterator[subprocess.Popen[str]]:
    """A process, its output as lines of text; it is ended at the end. Its errors go to a file."""
    with (
        log.open("w") as errors,
        subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=stdout, stderr=errors, text=True, bufsize=1
        ) as process,
    ):
        try:
            yield process
        finally:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(30)
            process.kill()
