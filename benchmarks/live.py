"""While it watches: how soon a change is in the ledger, one among many, bursts and renames."""

from __future__ import annotations

import math
import os
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

from benchmarks import ledgers
from benchmarks.event_peers import EVENT_PEERS, EventPeer
from benchmarks.lab import STORES, Lab
from benchmarks.ledgers import Records
from benchmarks.listeners import Listener, Waits, following, listening, steadily
from benchmarks.measure import cpu_seconds, run
from benchmarks.report import Row, missing, show_seconds, timed, within
from treeledger.model import FileRecord

RATE: Final = 100  # files a second
_FILES: Final = 1500
_FLAT: Final = 1.3  # times the cost in the smallest tree


def latency(lab: Lab) -> Iterator[Row]:
    """From the close of a file to its record, hash included, readable by another connection; 100 files a
    second. The peers deliver the bare event; only the script reads the file and commits a row."""
    ours = {kind: record_waits(lab, kind, _FILES) for kind in STORES}
    for kind, waits in ours.items():
        lost = f" ({waits.lost} LOST)" if waits.lost else ""
        yield within(f"close to record, p50, {kind}{lost}", waits.p50, 0.010)
        yield within(f"close to record, p99, {kind}{lost}", waits.p99, 0.050)
    for peer in EVENT_PEERS:
        what = f"close to record, p50, sqlite; {peer.name}: to {peer.delivers}"
        if not peer.prepare(lab.tools):
            yield missing(what, show_seconds(ours["sqlite"].p50), peer.name, "cannot be had here")
            continue
        with hearing(lab, peer) as (listener, root):
            waits = Waits.of(listener.waits(steadily(listener, root, _FILES, RATE)), _FILES)
        name = f"{peer.name} ({waits.lost} lost)" if waits.lost else peer.name
        yield timed(what, ours["sqlite"].p50, name, waits.p50)


def record_waits(lab: Lab, kind: str, files: int) -> Waits:
    """Files written at an even pace into a watched folder."""
    with recording(lab, kind) as (listener, root):
        return Waits.of(listener.waits(steadily(listener, root, files, RATE)), files)


@contextmanager
def recording(lab: Lab, kind: str) -> Iterator[tuple[Listener, Path]]:
    """A folder that is watched into a new store, and who reads that store's journal."""
    store = lab.prepared(kind)
    with lab.passing() as root, lab.watching(store, root), following(lab, store, root) as listener:
        yield listener, root
    lab.drop(store)


@contextmanager
def hearing(lab: Lab, peer: EventPeer) -> Iterator[tuple[Listener, Path]]:
    """A folder that a peer watches."""
    with lab.passing() as root:
        command = [*peer.command(lab.tools), str(root)]
        with listening(lab, command, root, lambda line: Path(line.strip()).name) as listener:
            yield listener, root


class OneChange(NamedTuple):
    """What one change costs: seconds of CPU of all processes, server included, and to the record."""

    cpu: float
    wait: float


def one_change(lab: Lab) -> Iterator[Row]:
    """One changed file among 10,000, 100,000 and 1,000,000, found by events: no walk, and no query that
    grows with the tree."""
    for kind in STORES:
        costs = {files: _one_change(lab, kind, files) for files in (10_000, 100_000, 1_000_000)}
        base = costs.pop(10_000)
        for files, cost in costs.items():
            what = f"one change among {files:,} files, {kind}"
            yield timed(f"{what}: CPU", cost.cpu, "among 10,000", base.cpu, _FLAT)
            yield timed(f"{what}: close to record", cost.wait, "among 10,000", base.wait, _FLAT)


def _one_change(lab: Lab, kind: str, files: int, changes: int = 100) -> OneChange:
    """Writes some files of the tree anew, one after another, and at the end what they held before."""
    root = lab.trees.small(files)
    store = lab.indexed(kind, root)
    paths = sorted((root / "000/00").iterdir()) + sorted((root / "000/01").iterdir())
    before = {path: path.read_bytes() for path in paths}
    waits: list[float] = []
    try:
        with lab.watching(store, root) as watch, following(lab, store, root / "000/00") as listener:
            begun = cpu_seconds(watch.pid) + lab.server_cpu(store)
            for number in range(changes):
                path = paths[number % len(paths)]
                listener.write(path, os.urandom(len(before[path])))
                waits += listener.waits([path.name])
                time.sleep(0.05)
            cpu = cpu_seconds(watch.pid) + lab.server_cpu(store) - begun
    finally:
        for path, content in before.items():
            path.write_bytes(content)
        for probe in (root / "000/00").glob("probe*"):
            probe.unlink()
    return OneChange(cpu / changes, statistics.median(waits) if len(waits) == changes else math.inf)


def burst(lab: Lab) -> Iterator[Row]:
    """80,000 files copied into a watched tree with `cp`: from the end of the copy to the last record, hash
    included. Afterwards the ledger is compared with the disk, file by file."""
    for kind, limit in zip(STORES, (2.0, 5.0), strict=True):
        took = [burst_of(lab, kind, lab.trees.wide(80_000)).after for _ in range(min(lab.runs, 3))]
        lost = ": THE LEDGER DIFFERS FROM THE DISK" if math.inf in took else ""
        yield within(f"80,000 files copied in, {kind}{lost}", statistics.median(took), limit)


class Burst(NamedTuple):
    """Seconds that a copy took, and from its end to the complete ledger; infinite if that never comes."""

    copy: float
    after: float


def burst_of(lab: Lab, kind: str, files: Path) -> Burst:
    """Files copied into a watched tree that is empty but for them."""
    store = lab.prepared(kind)
    with lab.passing() as root, lab.watching(store, root):
        copy = run(["cp", "-r", str(files), str(root / "copied")]).wall
        ended = time.perf_counter()
        complete = ledgers.wait_complete(store, partial(ledgers.is_equal, root))
    lab.drop(store)
    return Burst(copy, max(0.0, complete - ended))


def rename(lab: Lab) -> Iterator[Row]:
    """A directory of 100,000 files gets another name: to the last record, its id and hash what they were.
    Then how many files were read again, or are marked to be."""
    for kind in STORES:
        renames = renames_of(lab, kind, lab.trees.small(100_000), min(lab.runs, 3))
        what = f"rename of a directory of 100,000 files, {kind}"
        lost = ": IDS OR HASHES CHANGED" if math.inf in renames.seconds else ""
        yield within(f"{what}{lost}", statistics.median(renames.seconds), 1.5)
        yield Row(f"{what}: read again", f"{renames.read_again:,}", "a limit", "0", renames.read_again, 0)


class Renames(NamedTuple):
    """Seconds that each took, infinite if records did not survive it; and how many files cost a reading."""

    seconds: list[float]
    read_again: int


def renames_of(lab: Lab, kind: str, tree: Path, times: int) -> Renames:
    """A directory with the files of a tree, renamed so many times while it is watched."""
    seconds = []
    store = lab.store(kind)
    with lab.passing() as root:
        place = root / "name0"
        run(["cp", "-r", str(tree), str(place)])
        lab.treeledger(store, "-q", "scan", root)
        with lab.watching(store, root):
            before = ledgers.records(store)
            for number in range(1, times + 1):
                begun = time.perf_counter()
                place = place.rename(root / f"name{number}")
                is_complete = partial(_is_renamed, before, place.name)
                seconds.append(ledgers.wait_complete(store, is_complete) - begun)
            after = {record.id: record for record in ledgers.records(store).values()}
    lab.drop(store)
    return Renames(seconds, sum(not _is_unread(after.get(one.id), one) for one in before.values()))


def _is_renamed(before: Records, name: str, known: Records) -> bool:
    """Whether every record is below the new name, and is what it was."""
    was = {path.partition("/")[2]: (one.id, one.content_hash) for path, one in before.items()}
    now = {path.partition("/")[2]: (one.id, one.content_hash) for path, one in known.items()}
    return was == now and all(path.startswith(f"{name}/") for path in known)


def _is_unread(now: FileRecord | None, before: FileRecord) -> bool:
    return now is not None and now.hash_state is before.hash_state and now.read_at == before.read_at
