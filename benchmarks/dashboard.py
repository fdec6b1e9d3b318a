"""The dashboard on a terminal of its own: how soon it is there, how soon it answers, what it costs."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from subprocess import Popen
from typing import Final

from benchmarks.flood import flooding, written
from benchmarks.lab import STORES, Lab
from benchmarks.listeners import Waits, following, steadily
from benchmarks.live import RATE
from benchmarks.many import ledger_of
from benchmarks.measure import cpu_seconds, in_turn, resident_memory
from benchmarks.report import Row, show_seconds, small, timed, within
from benchmarks.terminal import Terminal, terminal

_MANY: Final = 1_000_000
_FLOOD: Final = 5000  # files a second
_SECONDS: Final = 10.0
_REST: Final = 30.0  # seconds
_SETTLES: Final = 5.0  # seconds
_KEYS_EVERY: Final = 0.15  # seconds between an answer and the next key
_PAGES: Final = (("2", "─ Operations"), ("3", "─ Files"), ("4", "─ Attention"), ("1", "─ Repositories"))
_HERE: Final = "● watching"
_FILE: Final = r"(?s)─ Files.*file_\d+\.txt"  # on its page: the feed of Home has such names, too
_LATENCIES: Final = 500  # files


def tui(lab: Lab) -> Iterator[Row]:
    """`treeledger tui` on a terminal of 80 by 24, beside an engine whose ledger has 1,000,000 records; keys
    are pressed while 5,000 files a second are written for ten seconds. An answer has come once it is on the
    terminal."""
    for kind in STORES:
        store = ledger_of(lab, kind, _MANY)
        with _watched(lab, store) as (engine, root):
            yield from _openings(lab, store, kind)
            yield from _under_load(lab, store, kind, root)
            if kind == "sqlite":
                yield from _at_rest(lab, store, engine)
        lab.drop(store)
    yield from _own_engine(lab)
    yield _latency_beside(lab)


@contextmanager
def _watched(lab: Lab, store: str) -> Iterator[tuple[int, Path]]:
    """The engine's process, and a folder that it watches: the last one by its name."""
    with lab.passing() as folder:
        root = folder / "watched"
        root.mkdir()
        with lab.watching(store, root) as engine:
            yield engine.pid, root


@contextmanager
def _dashboard(lab: Lab, store: str) -> Iterator[Terminal]:
    with terminal(lab.command(store, "tui")) as window:
        window.until(_HERE)
        yield window


def _openings(lab: Lab, store: str, kind: str) -> Iterator[Row]:
    def first(pattern: str) -> float:
        begun = time.perf_counter()
        with terminal(lab.command(store, "tui")) as window:
            return window.until(pattern) - begun

    def files() -> float:
        with _dashboard(lab, store) as window:
            return window.answer("3", _FILE)

    picture, complete, opened = in_turn(
        lab.runs, lambda: first("─ Repositories"), lambda: first(_HERE), files
    )
    yield within(f"start to the first picture, {kind}", picture, 0.8)
    yield within(f"start to the state of all, {kind}", complete, 0.8)
    yield within(f"a key to the first of 1M files, {kind}", opened, 0.3)


def _under_load(lab: Lab, store: str, kind: str, root: Path) -> Iterator[Row]:
    with _dashboard(lab, store) as window:
        first = [window.answer(key, page) for key, page in _PAGES]
        before = resident_memory(window.process.pid)
        process = flooding(root, _FLOOD, _SECONDS)
        took = _pressed(window, process)
        rate = written(process) / _SECONDS
        time.sleep(_SETTLES)
        grown = max(0, resident_memory(window.process.pid) - before)
    yield within(f"key to a screen that is opened first, at rest, slowest of three, {kind}", max(first), 0.1)
    what = f"key to picture at {rate:,.0f} files/s, {kind}"
    yield within(f"{what}: p50", statistics.median(took), 0.1)
    yield within(f"{what}: slowest of {len(took)}", max(took), 0.1)
    yield small(f"memory that the dashboard grew by meanwhile, {kind}", grown, 10_000_000)


def _pressed(window: Terminal, process: Popen[str]) -> Sequence[float]:
    """Seconds that each key took while the process ran."""
    took: list[float] = []
    while process.poll() is None:
        key, page = _PAGES[len(took) % len(_PAGES)]
        took.append(window.answer(key, page))
        time.sleep(_KEYS_EVERY)
    return took


def _at_rest(lab: Lab, store: str, engine: int) -> Iterator[Row]:
    time.sleep(_SETTLES)
    alone = _share(engine)
    with _dashboard(lab, store) as window:
        time.sleep(_SETTLES)
        begun = cpu_seconds(window.process.pid)
        beside = _share(engine)
        own = (cpu_seconds(window.process.pid) - begun) / _REST
        memory = resident_memory(window.process.pid)
    yield Row("dashboard at rest, CPU of a core", f"{own:.2%}", "a limit", "1.00%", own / 0.01, 1.0)
    more = max(0.0, beside - alone)
    yield Row("engine at rest, CPU that it adds", f"{more:.2%}", "a limit", "0.20%", more / 0.002, 1.0)
    yield small("dashboard at rest, resident memory", memory, 100_000_000)


def _share(pid: int) -> float:
    """Of a core that a process takes."""
    begun = cpu_seconds(pid)
    time.sleep(_REST)
    return (cpu_seconds(pid) - begun) / _REST


def _own_engine(lab: Lab) -> Iterator[Row]:
    """Started in a folder that is not watched yet, with an engine that is not running yet."""

    def first(pattern: str) -> float:
        store = lab.prepared("sqlite")
        with lab.passing() as root:
            (root / "file").write_text("text")
            begun = time.perf_counter()
            with terminal(lab.command(store, "tui", root)) as window:
                seen = window.until(pattern) - begun
                window.answer("q", "Quit")
                window.type("\r")
                window.process.wait()
        lab.drop(store)
        return seen

    picture, complete = in_turn(lab.runs, lambda: first("─ Repositories"), lambda: first(_HERE))
    yield within("start to the first picture, with an engine of its own", picture, 0.8)
    yield Row("start to the folder watched, with an engine of its own", show_seconds(complete), "", "", None)


def _latency_beside(lab: Lab) -> Row:
    """From the close of a file to its record, while a dashboard shows it, and without one."""
    beside, alone = in_turn(2, lambda: _latency(lab, _dashboard), lambda: _latency(lab, _nobody))
    return timed("close to record, p50, sqlite, while a dashboard shows it", beside, "without one", alone)


def _latency(lab: Lab, onlooker: Callable[[Lab, str], AbstractContextManager[object]]) -> float:
    store = lab.prepared("sqlite")
    with (
        lab.passing() as root,
        lab.watching(store, root),
        following(lab, store, root) as listener,
        onlooker(lab, store),
    ):
        waits = Waits.of(listener.waits(steadily(listener, root, _LATENCIES, RATE)), _LATENCIES)
    lab.drop(store)
    return waits.p50


def _nobody(lab: Lab, store: str) -> AbstractContextManager[object]:
    return nullcontext()
