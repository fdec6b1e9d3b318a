"""How much a scrub may read: limits of several kinds, of which the first that is reached ends it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Final

from treeledger.errors import UsageError
from treeledger.model import Counts
from treeledger.units import show_duration, show_number, show_size


@dataclass(frozen=True, slots=True)
class Budget:
    """None: no limit of this kind. `percent` is of the repository's bytes, so that each run takes about
    as long as the last. Raises UsageError for a limit that would let nothing be read.
    """

    percent: float | None = None
    files: int | None = None
    bytes: int | None = None
    seconds: float | None = None

    def __post_init__(self) -> None:
        for name in ("percent", "files", "bytes", "seconds"):
            limit = getattr(self, name)
            if limit is not None and not limit > 0:
                raise UsageError(f"a budget of {limit:g} {name} lets nothing be read")

    def __str__(self) -> str:
        words = [
            f"{self.percent:g} % of the bytes" if self.percent is not None else "",
            show_number(self.files, "file") if self.files is not None else "",
            show_size(self.bytes) if self.bytes is not None else "",
            show_duration(self.seconds) if self.seconds is not None else "",
        ]
        return " or ".join(word for word in words if word) or "everything"

    def most_bytes(self, total: int) -> float:
        """The limit in bytes for a repository of so many."""
        share = float("inf")
        if self.percent is not None and self.percent < 100 and total:
            share = total * self.percent / 100
        return min(share, float("inf") if self.bytes is None else self.bytes)


DEFAULT_BUDGET: Final = Budget(seconds=3600.0)


class Purse:
    """What is left of a budget: a file may be begun while anything is, however large it is.

    So a file larger than the whole budget has its turn, too, and a run exceeds its budget by one file
    at most. What was taken but could not be read does not count.
    """

    def __init__(self, budget: Budget, total: int) -> None:
        self.deadline = None if budget.seconds is None else time.monotonic() + budget.seconds
        self._files = float("inf") if budget.files is None else budget.files
        self._bytes = budget.most_bytes(total)
        self._taken_files = 0  # and not given back yet
        self._taken_bytes = 0

    def ended(self, counts: Counts) -> str | None:
        """The kind of limit that was reached by what was read and what is being read; None: go on."""
        if counts.files_hashed + self._taken_files >= self._files:
            return "files"
        if counts.bytes_hashed + self._taken_bytes >= self._bytes:
            return "bytes"
        if self.deadline is not None and time.monotonic() >= self.deadline:
            return "time"
        return None

    def take(self, size: int) -> None:
        self._taken_files += 1
        self._taken_bytes += size

    def give_back(self, files: int, size: int) -> None:
        """What was taken is read and counted now, or was not read."""
        self._taken_files -= files
        self._taken_bytes -= size
