"""Which file the connections of a store have open."""

from __future__ import annotations

import os
from pathlib import Path

from treeledger.errors import StoreUnavailable


class LedgerFile:
    """The file that a path led to at first. One that was deleted or replaced is never gone on with: what is
    written to the old file would be lost, what is written to a new one would begin a second history."""

    def __init__(self, path: Path, known: tuple[int, int] | None = None) -> None:
        self.path = path
        self.known = known  # device and inode

    def check(self) -> None:
        """Looks where the path leads now. Raises StoreUnavailable if that is not where it led at first."""
        try:
            found = os.stat(self.path)
        except OSError as error:
            if self.known is None:
                return  # it was never there: opening it says why
            raise StoreUnavailable(
                f"the ledger {self.path} was removed, or its disk unmounted, while it was in use"
                f" ({error.strerror}). Nothing was written since. Put it back, and I go on;"
                " else stop treeledger and start it on a backup"
            ) from error
        now = (found.st_dev, found.st_ino)
        self.known = self.known or now
        if now != self.known:
            raise StoreUnavailable(
                f"the ledger {self.path} is another file now than the one in use. Nothing was written since."
                " If that is meant, stop treeledger and start it again; else put the old file back"
            )
