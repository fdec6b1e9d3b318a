"""The journal replayed: what it says happened to each record, and whether that can have happened."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from typing import Final, NamedTuple

from treeledger.model import ChangeKind, FileRecord, JournalEntry, RecordState


class Told(NamedTuple):
    """A record as the journal tells of it."""

    path: str
    state: RecordState
    size: int
    mtime_ns: int
    hash: str | None


_P, _M, _D, _I = RecordState.PRESENT, RecordState.MISSING, RecordState.DELETED, RecordState.IGNORED
_FROM: Final = {
    ChangeKind.MODIFIED: (_P,),
    ChangeKind.HASHED: (_P,),
    ChangeKind.MOVED: (_P, _M, _D, _I),
    ChangeKind.MISSING: (_P, _I),
    ChangeKind.DELETED: (_M,),
    ChangeKind.RESTORED: (_M, _D, _I),
    ChangeKind.IGNORED: (_P, _M),
}
_TO: Final = {ChangeKind.MISSING: _M, ChangeKind.DELETED: _D, ChangeKind.IGNORED: _I}


class Replay:
    """A model of the records that knows nothing but the journal. Nothing is held for a person in it.

    `take` returns what was told that cannot have happened, in words, and goes on from what was told.
    """

    def __init__(self) -> None:
        self.n = 0
        self.records: dict[int, Told] = {}
        self._live: dict[str, set[int]] = {}

    def take(self, entries: Iterable[JournalEntry]) -> list[str]:
        """Goes on with entries in order, whole transactions: within one, records may pass each other."""
        wrong: list[str] = []
        for _, together in groupby(entries, lambda entry: (entry.at, entry.operation_id)):
            paths = []
            for entry in together:
                wrong += [f"{words}: {_shown(entry)}" for words in self._take(entry)]
                paths.append(entry.path)
            wrong += [f"two records are live at {path}" for path in paths if len(self._live[path]) > 1]
        return wrong

    def present(self, prefix: str = "") -> dict[str, tuple[int, Told]]:
        """The present records by path, with their ids."""
        return {
            told.path: (id, told)
            for id, told in self.records.items()
            if told.state is _P and told.path.startswith(prefix)
        }

    def _take(self, entry: JournalEntry) -> list[str]:
        wrong = [] if entry.n == self.n + 1 else [f"after {self.n}, out of order"]
        before = self.records.get(entry.record_id)
        wrong += _impossible(entry, before)
        after = Told(entry.path, _TO.get(entry.kind, _P), entry.stat.size, entry.stat.mtime_ns, entry.hash)
        self.n = entry.n
        if before is not None:
            self._live[before.path].discard(entry.record_id)
        self.records[entry.record_id] = after
        at_path = self._live.setdefault(after.path, set())
        if after.state is not _D:
            at_path.add(entry.record_id)
        return wrong


def _impossible(entry: JournalEntry, before: Told | None) -> list[str]:
    if entry.kind is ChangeKind.ADDED:
        return [] if before is None else ["added, but it is known"]
    if before is None or entry.kind not in _FROM:
        return ["of a record that was never added, or of a kind that cannot be"]
    stat, old = entry.stat, entry.stat_before
    wrong = []
    if before.state not in _FROM[entry.kind]:
        wrong.append(f"it was {before.state}")
    if before.path != (entry.path_before or entry.path):
        wrong.append(f"it was at {before.path}")
    if (entry.path_before is not None) != (entry.kind is ChangeKind.MOVED):
        wrong.append("its path changed, but it did not move, or the reverse")
    if old is None or (old.size, old.mtime_ns, entry.hash_before) != before[2:]:
        wrong.append(f"before, it was {before}")
    same_stat = (stat.size, stat.mtime_ns) == before[2:4]
    is_same = same_stat and entry.hash == before.hash
    if entry.kind is ChangeKind.MODIFIED and is_same:
        wrong.append("nothing was modified")
    if entry.kind is ChangeKind.HASHED and not (same_stat and before.hash is None and entry.hash):
        wrong.append("it was not hashed for the first time")
    if entry.kind is ChangeKind.MOVED and not same_stat:
        wrong.append("another file, by its stat")  # what was rewritten unseen and moved has another hash
    if entry.kind in (ChangeKind.MISSING, ChangeKind.DELETED) and not is_same:
        wrong.append("its content changed by that")
    return wrong


def _shown(entry: JournalEntry) -> str:
    moved = f"{entry.path_before} -> " if entry.path_before else ""
    hashes = f"{str(entry.hash_before)[:6]} -> {str(entry.hash)[:6]}"
    old = entry.stat_before and entry.stat_before[:5]
    return f"{entry.n} {entry.kind} #{entry.record_id} {moved}{entry.path} {old} -> {entry.stat[:5]} {hashes}"


def story(entries: Iterable[JournalEntry]) -> str:
    """Entries for people, one a line."""
    return "\n".join(_shown(entry) for entry in entries)


def disagreement(replay: Replay, records: Iterable[FileRecord], prefix: str = "") -> list[str]:
    """Where present records of the ledger and those of the journal differ, at paths with a prefix."""
    told = replay.present(prefix)
    wrong = []
    for record in records:
        id, one = told.pop(record.path, (None, None))
        known = Told(record.path, _P, record.stat.size, record.stat.mtime_ns, record.content_hash)
        if (id, one) != (record.id, known):
            wrong.append(f"the ledger has #{record.id} {known}, the journal #{id} {one}")
    return wrong + [f"only the journal has #{id} {one}" for id, one in told.values()]
