"""The ignore rules of a watched tree, kept true while its ignore files come and go."""

from __future__ import annotations

import os
import stat as modes
from collections.abc import Sequence
from typing import Final

from treeledger.ignoring import Rules, is_ignore_file
from treeledger.names import os_from_stored, parent, stored_from_bytes, within
from treeledger.plugins.watchdog_source.descent import Descent
from treeledger.protocols import PartRef
from treeledger.worker import build_part

_FLAGS: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_LONGEST: Final = 2**20  # bytes of an ignore file


class TreeRules:
    """Says what is ignored in the tree at a root (absolute, stored form). Belongs to one thread.

    Whoever asks closes `descent` when there is nothing more to ask for now.
    """

    def __init__(self, root: str, filters: Sequence[PartRef]) -> None:
        """Builds the filters. Raises what building them raises."""
        self.descent = Descent(root)
        self._rules = Rules([build_part(ref) for ref in filters], self._read)
        self._with_file: set[str] = set()  # the directories whose known rules come from an ignore file

    def ignores(self, path: str, is_directory: bool) -> bool:
        verdict = self._rules.verdict(path, is_directory)
        return verdict is not None and verdict.ignored

    def changed(self) -> None:
        """An ignore file changed: every one is read again when it is next needed."""
        self._rules.forget()
        self._with_file.clear()

    def left(self, directory: str) -> None:
        """A directory is no longer at this path; another may come, with an ignore file of its own or none."""
        if any(within(directory, known) for known in self._with_file):
            self.changed()

    def has_file(self, directory: str) -> None:
        """A listing of a directory showed an ignore file."""
        if directory not in self._with_file:
            self.changed()

    def _read(self, path: str) -> str | None:
        above, _, name = path.rpartition("/")
        try:
            descriptor = os.open(os_from_stored(name), _FLAGS, dir_fd=self.descent.open(above))
        except (FileNotFoundError, NotADirectoryError):
            return None
        with open(descriptor, "rb") as file:
            if not modes.S_ISREG(os.fstat(descriptor).st_mode):
                return None
            text = file.read(_LONGEST)
        if is_ignore_file(path):
            self._with_file.add(parent(path))
        return stored_from_bytes(text)
