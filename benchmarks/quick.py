"""The quick cases: what a slower engine shows in, small enough to be run before every commit.

Each figure is the best of several rounds, ours and the peer's in turn: another process disturbs some
of them, hardly all.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from benchmarks.event_peers import SCRIPT
from benchmarks.hashing import index_on
from benchmarks.lab import STORES, Lab
from benchmarks.listeners import Listener, Waits, steadily
from benchmarks.live import RATE, burst_of, hearing, recording
from benchmarks.measure import in_turn, run, seconds_of
from benchmarks.peers import FIND, SUMS
from benchmarks.report import Row, missing, timed
from benchmarks.scans import first_index, scan_again

_WRITTEN = 150  # files in one round
_UNSTEADY = 2.0  # what waits for events and locks varies more than what computes


def start(lab: Lab) -> Iterator[Row]:
    """Short commands, as whole processes."""
    store = lab.prepared("sqlite")
    version, status, bare = in_turn(
        2 * lab.runs,
        lambda: lab.treeledger(store, "--version").wall,
        lambda: lab.treeledger(store, "status").wall,
        lambda: run([sys.executable, "-c", "import sqlite3"]).wall,
        pick=min,
    )
    yield timed("--version", version, "python -c 'import sqlite3'", bare)
    yield timed("status", status, "python -c 'import sqlite3'", bare)


def index(lab: Lab) -> Iterator[Row]:
    """First index of 20,000 small files."""
    root = lab.trees.small(20_000)
    SUMS.index(root, lab.folder)  # warms the cache
    sqlite, postgres, sums = in_turn(
        lab.runs,
        partial(first_index, lab, "sqlite", root),
        partial(first_index, lab, "postgres", root),
        lambda: SUMS.index(root, lab.folder).wall,
        pick=min,
    )
    yield timed("first index of 20k files, sqlite", sqlite, SUMS.name, sums)
    yield timed("first index of 20k files, postgres", postgres, SUMS.name, sums)


def rescan(lab: Lab) -> Iterator[Row]:
    """Rescan of 100,000 files (PostgreSQL: 20,000) of which none changed."""
    for kind, files in zip(STORES, (100_000, 20_000), strict=True):
        root = lab.trees.small(files)
        again = partial(scan_again, lab, lab.indexed(kind, root), root)
        find = partial(seconds_of, partial(FIND.index, root, lab.folder))
        ours, theirs = in_turn(lab.runs, again, find, pick=min)
        yield timed(f"unchanged rescan of {files:,} files, {kind}", ours, FIND.name, theirs)


def large(lab: Lab) -> Iterator[Row]:
    """Two files of 512 MiB, indexed for the first time."""
    root = lab.trees.large(2)
    sums = ["sha256sum", *sorted(map(str, root.iterdir()))]
    run(sums)  # warms the cache
    ours, theirs = in_turn(2, partial(index_on, lab, root, ()), lambda: run(sums).wall, pick=min)
    yield timed("2 files of 512 MiB", ours, "sha256sum, one core", theirs)


def latency(lab: Lab) -> Iterator[Row]:
    """From the close of a file to its record, hash included; 100 files a second."""
    for kind in STORES:
        what = f"close to record, p50, {kind}"
        if not SCRIPT.prepare(lab.tools):
            yield missing(what, "-", SCRIPT.name, "cannot be had here")
            continue
        with recording(lab, kind) as ours, hearing(lab, SCRIPT) as theirs:
            figures = in_turn(lab.runs, partial(_p50, *ours), partial(_p50, *theirs), pick=min)
        yield timed(what, figures[0], SCRIPT.name, figures[1], noise=_UNSTEADY)


def _p50(listener: Listener, root: Path) -> float:
    return Waits.of(listener.waits(steadily(listener, root, _WRITTEN, RATE)), _WRITTEN).p50


def burst(lab: Lab) -> Iterator[Row]:
    """10,000 files copied with `cp` into a watched tree, to the last record; against the copy alone."""
    tree = lab.trees.small(10_000)

    def alone() -> float:
        with lab.passing() as root:
            return run(["cp", "-r", str(tree), str(root / "copied")]).wall

    ours, theirs = in_turn(lab.runs, lambda: sum(burst_of(lab, "sqlite", tree)), alone, pick=min)
    yield timed("10,000 files copied in, sqlite", ours, "cp -r, nobody watching", theirs, noise=_UNSTEADY)
