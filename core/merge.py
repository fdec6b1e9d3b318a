"""The merge of a scan: two streams sorted by path, the ledger's and the tree's, in step.

It only nominates paths to be inspected; what became of each, a fresh lstat decides.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from treeledger.diff import SameStat, same_strictly
from treeledger.model import File, FileStat, Ignored, RecordKey, RecordState, Seen, Unknown


@dataclass(slots=True)
class Nominations:
    """What to inspect: `new` files have no record, `changed` paths were seen and differ, `replaced` likewise,
    by another file than on record (which may be elsewhere now), `vanished` have a record and were not seen,
    `ignored` have a record that a rule hides now."""

    new: list[File] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    replaced: list[str] = field(default_factory=list)
    vanished: list[str] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)
    unchanged: int = 0

    def add(self, other: Nominations) -> None:
        self.new += other.new
        self.changed += other.changed
        self.replaced += other.replaced
        self.vanished += other.vanished
        self.ignored += other.ignored
        self.unchanged += other.unchanged


def position(item: Seen) -> str:
    """Where an item of a walk stands in the order of paths."""
    if isinstance(item, File) or not item.subtree:
        return item.path
    return item.path + "/" if item.path else ""


class Merge:
    """Merges batch by batch.

    `same` says which stats mean the same file (see `treeledger.diff.same_stat`); with
    `everything`, every file seen is nominated.
    """

    def __init__(self, *, same: SameStat = same_strictly, everything: bool = False) -> None:
        self._same = None if same is same_strictly else same
        self._everything = everything
        self._cover: Unknown | Ignored | None = None

    def step(self, seen: Sequence[Seen], keys: Iterable[RecordKey]) -> Nominations:
        """Compares one batch of the walk with all records up to the position of its last item.

        At the end, one more step with an empty batch takes the records that are left.
        """
        found = Nominations()
        remaining = iter(keys)
        key = next(remaining, None)
        for item in seen:
            at = position(item)
            while key is not None and key.path < at:
                self._unseen(key, found)
                key = next(remaining, None)
            has_key = key is not None and key.path == item.path
            if isinstance(item, File):
                self._file(item, key if has_key else None, found)
            elif item.subtree:
                self._cover = item
                continue
            elif has_key and isinstance(item, Ignored) and key is not None:
                self._ignored(key, found)
            if has_key:
                key = next(remaining, None)
        while key is not None:
            self._unseen(key, found)
            key = next(remaining, None)
        return found

    def passed(self, seen: Sequence[Seen]) -> None:
        """Says that a batch of the walk is as recorded: that it need not be compared."""
        for item in reversed(seen):
            if not isinstance(item, File) and item.subtree:
                self._cover = item
                break

    def _file(self, item: File, key: RecordKey | None, found: Nominations) -> None:
        if key is None:
            found.new.append(item)
        elif self._everything or key.state != RecordState.PRESENT or self._differs(key, item.stat):
            is_other = key[4:6] != item.stat[3:5]
            (found.replaced if is_other else found.changed).append(item.path)
        else:
            found.unchanged += 1

    def _differs(self, key: RecordKey, stat: FileStat) -> bool:
        if self._same is None:  # most files of most scans come by here
            return key[1:6] != stat[:5]
        return not self._same(FileStat._make(key[1:7]), stat)

    def _unseen(self, key: RecordKey, found: Nominations) -> None:
        cover = self._cover
        if cover is not None and (not cover.path or key.path.startswith(cover.path + "/")):
            if isinstance(cover, Ignored):
                self._ignored(key, found)
        elif key.state != RecordState.MISSING:
            found.vanished.append(key.path)

    def _ignored(self, key: RecordKey, found: Nominations) -> None:
        if key.state != RecordState.IGNORED:
            found.ignored.append(key.path)
