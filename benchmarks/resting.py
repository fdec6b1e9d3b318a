"""Watching while nothing happens."""

from __future__ import annotations

import time
from collections.abc import Iterator

from benchmarks.lab import Lab
from benchmarks.measure import cpu_seconds, proportional_memory
from benchmarks.report import Row, small

_REST = 30.0  # seconds


def rest(lab: Lab) -> Iterator[Row]:
    """Watching 80,000 files in 5,000 folders: memory of all processes (PSS) after 30 idle seconds, and the
    CPU time of the next 30."""
    root = lab.trees.wide(80_000)
    with lab.watching(lab.indexed("sqlite", root), root) as watch:
        time.sleep(_REST)
        memory, before = proportional_memory(watch.pid), cpu_seconds(watch.pid)
        time.sleep(_REST)
        share = (cpu_seconds(watch.pid) - before) / _REST
    yield small("memory at rest", memory, 60_000_000)
    yield Row("CPU at rest, of a core", f"{share:.2%}", "a limit", "0.20%", share / 0.002, 1.0)
