"""Opening the directories of a watched tree, so that whoever owns it can lead nobody out of it."""

from __future__ import annotations

import os
from typing import Final

from treeledger.fs.root import open_directory
from treeledger.names import os_from_stored, parent

_DIRECTORY: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_MOST: Final = 32  # descriptors held at once


class Descent:
    """Opens each directory relative to the one above, never through a symlink, and holds the last ones.

    `root` is absolute, in stored form; paths are relative to it. Not for use by several threads at once.
    """

    def __init__(self, root: str) -> None:
        self._root = root
        self._held: dict[str, int] = {}

    def open(self, path: str) -> int:
        """A descriptor of a directory, valid until the next call. Raises OSError."""
        below: list[str] = []
        while path and path not in self._held:
            below.append(path)
            path = parent(path)
        if path not in self._held:
            self._hold(path, open_directory(self._root))
        descriptor = self._held[path]
        for path in reversed(below):
            name = os_from_stored(path.rpartition("/")[2])
            descriptor = self._hold(path, os.open(name, _DIRECTORY, dir_fd=descriptor))
        return descriptor

    def close(self) -> None:
        """Lets go of all, so that no disk is kept from being unmounted and no moved directory is believed."""
        while self._held:
            os.close(self._held.popitem()[1])

    def _hold(self, path: str, descriptor: int) -> int:
        if len(self._held) >= _MOST:
            os.close(self._held.pop(next(iter(self._held))))
        self._held[path] = descriptor
        return descriptor
