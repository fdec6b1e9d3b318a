"""The ledger's own files, as they are met in a tree: below its root, or by another name of theirs."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence

from treeledger.names import os_from_stored, within

Inode = tuple[int, int]  # file system, by the number the store gives, and inode


def own_paths(absolute: Sequence[str], root: str) -> tuple[str, ...]:
    """Those of the ledger's own files that lie below a root, relative to it."""
    start = root.rstrip("/")
    return tuple(path[len(start) + 1 :] for path in absolute if path != start and within(start, path))


def own_inodes(absolute: Sequence[str], devices: Iterable[tuple[int, int]]) -> tuple[Inode, ...]:
    """The ledger's own files that are on file systems of a tree, whatever they are called there.

    By a hard link or a bind mount they have more names, and none may be opened: closing any descriptor
    of an SQLite file ends the locks that its process has on it (https://sqlite.org/howtocorrupt.html, 2.2).
    """
    numbers = dict(devices)
    return tuple({inode for path in absolute for inode in _inodes(os_from_stored(path), numbers)})


def _inodes(start: str, numbers: Mapping[int, int]) -> Iterable[Inode]:
    """Of the file at a path, and of those beside it whose names begin with its name."""
    folder, name = os.path.split(start)
    try:
        with os.scandir(folder) as entries:
            stats = [entry.stat(follow_symlinks=False) for entry in entries if entry.name.startswith(name)]
    except OSError:
        return []  # it is not made yet, or was removed: then the store says so
    return [(numbers[stat.st_dev], stat.st_ino) for stat in stats if stat.st_dev in numbers]
