"""First figures: index and rescan of many small files, in turn with `find` and `sha256sum`.

Prints medians and ratios of whole processes, warm cache, from the same run.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

TREELEDGER = [sys.executable, "-m", "treeledger"]


def make_tree(root: Path, files: int) -> None:
    """Files of 100 B to 4 kB, forty to a folder, a hundred folders to a folder."""
    source = random.Random(1)
    for number in range(files):
        folder = root / f"{number // 4000:03d}" / f"{number // 40 % 100:02d}"
        if number % 40 == 0:
            folder.mkdir(parents=True, exist_ok=True)
        (folder / f"file_{number % 40:03d}.txt").write_bytes(source.randbytes(source.randint(100, 4000)))


def timed(command: list[str] | str) -> float:
    """Seconds of wall time of one process, output thrown away."""
    started = time.perf_counter()
    subprocess.run(command, shell=isinstance(command, str), check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def first_index(root: Path, state: Path) -> float:
    shutil.rmtree(state, ignore_errors=True)
    return rescan(root, state)


def rescan(root: Path, state: Path) -> float:
    return timed([*TREELEDGER, "--store", f"sqlite:{state}/ledger.db", "-q", "scan", str(root)])


def measure(runs: int, ours: Callable[[], float], peer: Callable[[], float]) -> tuple[float, float]:
    """Medians of ours and the peer's, run in turn."""
    pairs = [(ours(), peer()) for _ in range(runs)]
    return statistics.median(a for a, _ in pairs), statistics.median(b for _, b in pairs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="treeledger-bench-") as folder:
        root, state = Path(folder) / "tree", Path(folder) / "state"
        make_tree(root, options.files)
        find = f"find {root} -printf '%p %s %T@ %i\\n'"
        sums = f"find {root} -type f -print0 | xargs -0 -P2 -n500 sha256sum"
        timed(sums)  # warms the cache
        rows = [
            (
                "first index with SHA-256, SQLite",
                "xargs -P2 sha256sum",
                *measure(options.runs, lambda: first_index(root, state), lambda: timed(sums)),
            ),
            (
                "unchanged rescan, SQLite",
                "find -printf",
                *measure(options.runs, lambda: rescan(root, state), lambda: timed(find)),
            ),
        ]
    print(f"{options.files:,} files, medians of {options.runs} runs in turn, {os.cpu_count()} cores\n")
    print(f"{'what':<34}{'treeledger':>12}{'peer':>10}{'ratio':>8}  peer")
    for what, peer, ours, theirs in rows:
        print(f"{what:<34}{ours:>10.2f} s{theirs:>8.2f} s{ours / theirs:>8.2f}  {peer}")


if __name__ == "__main__":
    main()
