"""The ledger as another process reads it, through the public API."""

from __future__ import annotations

import math
import os
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from time import perf_counter
from typing import Final, TypeVar

import anyio

from treeledger.ledger import Ledger
from treeledger.model import FileRecord, HashState

T = TypeVar("T")
Records = Mapping[str, FileRecord]

_QUIET: Final = 1.0  # seconds without a change, after which it is asked whether all is done
_PATIENCE: Final = 30.0  # seconds without a change, after which it never will be
_START: Final = 600.0  # seconds that a startup scan may take


def ask(store: str, question: Callable[[Ledger], Awaitable[T]]) -> T:
    """What the ledger answers."""

    async def asked() -> T:
        async with Ledger.open(store=store) as ledger:
            return await question(ledger)

    return anyio.run(asked)


def wait_watching(store: str, root: Path, is_alive: Callable[[], bool]) -> None:
    """Until the repository is watched, its startup scan done. Raises RuntimeError if that fails."""

    async def watching(ledger: Ledger) -> None:
        begun = perf_counter()
        while is_alive() and perf_counter() - begun < _START:
            for repository in await ledger.repositories():
                status = await ledger.sync_status(repository.id)
                if repository.root == str(root) and status.state == "watching":
                    return
            await anyio.sleep(0.02)
        raise RuntimeError(f"{root} is not watched")

    ask(store, watching)


def records(store: str) -> dict[str, FileRecord]:
    """The present records of the one repository, by path."""
    return ask(store, _records)


async def _records(ledger: Ledger) -> dict[str, FileRecord]:
    [repository] = await ledger.repositories()
    return {record.path: record async for record in ledger.list_file_records(repository.id)}


def wait_complete(store: str, is_complete: Callable[[Records], bool]) -> float:
    """When (`perf_counter`) the last entry of the journal could be read that made the ledger complete.

    Asked for only when the journal was quiet for a second; infinite if it stays incomplete.
    """

    async def wait(ledger: Ledger) -> float:
        last, moved = (await ledger.store.head()).n, perf_counter()
        is_asked = False
        while perf_counter() - moved < _PATIENCE:
            await anyio.sleep(0.005)
            n = (await ledger.store.head()).n
            if n != last:
                last, moved, is_asked = n, perf_counter(), False
            elif not is_asked and perf_counter() - moved > _QUIET:
                if is_complete(await _records(ledger)):
                    return moved
                is_asked = True
        return math.inf

    return ask(store, wait)


def is_equal(root: Path, known: Records) -> bool:
    """Whether the ledger holds every file below a folder as it is on disk, with its hash, and no other."""
    return on_disk(root) == {
        path: (record.stat.size, record.stat.mtime_ns)
        for path, record in known.items()
        if record.hash_state is HashState.DONE
    } and all(record.hash_state is HashState.DONE for record in known.values())


def on_disk(root: Path) -> dict[str, tuple[int, int]]:
    """Size and modification time (ns) of each file, by its path below the root."""
    found: dict[str, tuple[int, int]] = {}
    folders = [str(root)]
    start = len(str(root)) + 1
    while folders:
        with os.scandir(folders.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.path)
                else:
                    stat = entry.stat(follow_symlinks=False)
                    found[entry.path[start:]] = (stat.st_size, stat.st_mtime_ns)
    return found
