"""Whole scans as processes: the first index, the rescan of what did not change, its memory, starting up."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Final

from benchmarks.lab import STORES, Lab
from benchmarks.measure import CommandFailed, in_turn, largest_peak, run
from benchmarks.peers import FIND, INDEXERS, SUMS, Peer
from benchmarks.report import Row, missing, show_megabytes, show_seconds, small, timed, within

_SLOW: Final = 12.0  # seconds; a peer that takes longer is run once, any other three times
_RESCANS: Final = {"restic": 1 / 3, "borg": 1 / 3, "AIDE": 1 / 10}


def index(lab: Lab) -> Iterator[Row]:
    """First index of a source tree of 79,000 files (1.5 GB): all listed, hashed and in the ledger."""
    root = lab.trees.source()
    SUMS.index(root, lab.folder)  # warms the cache
    sqlite, postgres, sums = in_turn(
        lab.runs,
        partial(first_index, lab, "sqlite", root),
        partial(first_index, lab, "postgres", root),
        lambda: SUMS.index(root, lab.folder).wall,
    )
    yield timed("first index, sqlite", sqlite, SUMS.name, sums, 0.7)
    yield timed("first index, postgres", postgres, SUMS.name, sums, 0.9)
    for peer in INDEXERS:
        yield beside("first index, sqlite", sqlite, peer, partial(_learn, lab, peer, root), 1.0)


def first_index(lab: Lab, kind: str, root: Path) -> float:
    """Seconds that one takes, from no store at all."""
    store = lab.store(kind)
    seconds = lab.treeledger(store, "-q", "scan", root).wall
    lab.drop(store)
    return seconds


def scan_again(lab: Lab, store: str, root: Path) -> float:
    """Seconds of a scan of what the store knows."""
    return lab.treeledger(store, "-q", "scan", root).wall


def _learn(lab: Lab, peer: Peer, root: Path) -> float:
    with lab.passing() as state:
        return peer.index(root, state).wall


def rescan(lab: Lab) -> Iterator[Row]:
    """Rescan of 1,000,000 files of which none changed: every one is looked at, nothing is read or written."""
    root = lab.trees.small(1_000_000)
    sqlite, postgres, find = _rescans(lab, root)
    what = "unchanged rescan of 1M files"
    yield timed(f"{what}, sqlite", sqlite, FIND.name, find, 1.7)
    yield timed(f"{what}, postgres", postgres, FIND.name, find, 2.2)
    for peer in INDEXERS:
        if peer.rescan is not None:
            yield beside(
                f"{what}, sqlite", sqlite, peer, partial(_again, lab, peer, root), _RESCANS[peer.name]
            )


def _again(lab: Lab, peer: Peer, root: Path) -> float:
    """What a peer learnt of the tree is kept beside it: that takes some of them many minutes."""
    assert peer.rescan is not None
    return peer.rescan(root, lab.trees.kept(f"{peer.name}-{root.name}", partial(peer.index, root))).wall


def short_rescan(lab: Lab) -> Iterator[Row]:
    """Rescan of 100,000 files of which none changed: what a person waits for, start-up included."""
    sqlite, postgres, find = _rescans(lab, lab.trees.small(100_000))
    what = "unchanged rescan of 100k files"
    yield within(f"{what}, sqlite", sqlite, 1.0)
    yield within(f"{what}, postgres", postgres, 1.0)
    yield timed(f"{what}, sqlite", sqlite, FIND.name, find)


def _rescans(lab: Lab, root: Path) -> list[float]:
    """Seconds of both stores' rescans, SQLite's first, and of `find`, in turn."""
    stores = {kind: lab.indexed(kind, root) for kind in STORES}
    return _in_turn_warmed(
        lab.runs,
        partial(scan_again, lab, stores["sqlite"], root),
        partial(scan_again, lab, stores["postgres"], root),
        lambda: FIND.index(root, lab.folder).wall,
    )


def peak(lab: Lab) -> Iterator[Row]:
    """Peak memory of a rescan: the largest of its processes, resident, shared pages included."""
    peaks = {}
    for files in (100_000, 1_000_000):
        root = lab.trees.small(files)
        store = lab.indexed("sqlite", root)
        scan_again(lab, store, root)
        peaks[files] = _peak(lab.command(store, "-q", "scan", root))
    few, many = peaks[100_000], peaks[1_000_000]
    what = "peak of the rescan of 1M files, largest process"
    yield small(what, many, 80_000_000)
    yield Row(what, show_megabytes(many), "that of 100k files", show_megabytes(few), many / few, 1.2)


def _peak(command: Sequence[str]) -> int:
    seen: list[int] = []
    run(command, each=lambda pid: seen.append(largest_peak(pid)))
    return max(seen)


def start(lab: Lab) -> Iterator[Row]:
    """Short commands, as whole processes."""
    root = lab.trees.small(10_000)
    store = lab.indexed("sqlite", root)
    version, status = _in_turn_warmed(
        max(lab.runs, 10),
        lambda: lab.treeledger(store, "--version").wall,
        lambda: lab.treeledger(store, "status").wall,
    )
    yield within("--version", version, 0.10)
    yield within("status", status, 0.25)


def _in_turn_warmed(runs: int, *measured: Callable[[], float]) -> list[float]:
    """After a first round that does not count."""
    in_turn(1, *measured)
    return in_turn(runs, *measured)


def beside(what: str, ours: float, peer: Peer, work: Callable[[], float], most: float | None = None) -> Row:
    """Our seconds against those of a peer that may be missing, or slow."""
    if not peer.is_here():
        return missing(what, show_seconds(ours), peer.name, "not installed here")
    try:
        seconds = [work()]
        if seconds[0] < _SLOW:
            seconds += [work(), work()]
    except CommandFailed as error:
        print(error, file=sys.stderr)
        return missing(what, show_seconds(ours), peer.name, "failed here")
    return timed(what, ours, peer.name, statistics.median(seconds), most)
