"""Large files: how fast they are hashed, and that small ones do not wait for them."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from benchmarks import ledgers
from benchmarks.lab import Lab
from benchmarks.listeners import Waits, following, steadily
from benchmarks.measure import in_turn, run
from benchmarks.peers import OPENSSL
from benchmarks.report import Row, timed, within
from benchmarks.scans import beside

_ONE_CORE = ("taskset", "-c", "0")


def large(lab: Lab) -> Iterator[Row]:
    """20 files of 512 MiB, indexed for the first time, on one core and on two. `sha256sum` does without the
    processor's own instructions for SHA-256 in many distributions; `openssl` has them, and is the limit."""
    root = lab.trees.large(20)
    files = sorted(map(str, root.iterdir()))
    run(["cat", *files])  # warms the cache
    sums = run([*_ONE_CORE, "sha256sum", *files]).wall  # once: it takes longest by far
    one, two = in_turn(
        min(lab.runs, 3), partial(index_on, lab, root, _ONE_CORE), partial(index_on, lab, root, ())
    )
    yield timed("20 files of 512 MiB, one core", one, "sha256sum, one core", sums, 1 / 0.95)
    yield timed("20 files of 512 MiB, two cores", two, "sha256sum, one core", sums, 1 / 1.9)
    yield beside("20 files of 512 MiB, one core", one, OPENSSL, lambda: OPENSSL.index(root, lab.folder).wall)


def index_on(lab: Lab, root: Path, prefix: Sequence[str]) -> float:
    """Seconds of a first index into SQLite, run by a command that says where."""
    store = lab.store("sqlite")
    seconds = run([*prefix, *lab.command(store, "-q", "scan", root)]).wall
    lab.drop(store)
    return seconds


def beside_large(lab: Lab) -> Iterator[Row]:
    """1,000 small files, 200 a second, written while 20 files of 512 MiB that came just before are hashed:
    from the close of a small one to its record. The goals name no figure; half a second stands for it."""
    store, files = lab.prepared("sqlite"), 1000
    with lab.passing() as root, lab.watching(store, root), following(lab, store, root) as listener:
        (root / "large").mkdir()
        for file in lab.trees.large(20).iterdir():
            (root / "large" / file.name).hardlink_to(file)
        names = steadily(listener, root, files, 200)
        ended = time.perf_counter()
        waits = Waits.of(listener.waits(names), files)
        complete = ledgers.wait_complete(store, partial(ledgers.is_equal, root))
    lab.drop(store)
    lost = f" ({waits.lost} LOST)" if waits.lost else ""
    busy = "" if complete > ended else " (the large ones were done before)"
    yield within(f"small file beside large ones, close to record, p50{lost}{busy}", waits.p50, 0.5)
    yield within(f"small file beside large ones, close to record, p99{lost}{busy}", waits.p99, 0.5)
