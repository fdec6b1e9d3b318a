"""What holds after any sequence of changes: unique live paths, true counters, a journal that replays."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treeledger.model import Change, ChangeKind, FileRecord, HashState, JournalEntry, RecordState
from treeledger.protocols import Applied, Store
from treeledger.testing.examples import examples
from treeledger.testing.store_shelf import Shelf, change, stat

PATHS = ("a", "a/b", "b", "c", "\U0010ff80")
_LEFT_BY = {
    ChangeKind.MISSING: RecordState.MISSING,
    ChangeKind.DELETED: RecordState.DELETED,
    ChangeKind.IGNORED: RecordState.IGNORED,
}

# A step is a number that picks a record, or a new one, and what becomes of it.
steps = st.tuples(
    st.integers(0, 7), st.sampled_from(PATHS), st.sampled_from(tuple(RecordState)), st.integers(0, 9)
)
batches = st.lists(st.lists(steps, min_size=1, max_size=6), min_size=1, max_size=6)


@pytest.mark.anyio
class LawContract:
    @given(plan=batches)
    @examples(40)
    async def test_any_sequence_of_batches(self, store: Store, plan: Any) -> None:
        shelf = await Shelf.new(store)
        start = (await store.head()).n
        for batch in plan:
            before = {record.id: record for record in await shelf.files()}
            changes = [_change(shelf, sorted(before.values()), *step) for step in batch]
            applied = await shelf.apply(*changes)
            after = {record.id: record for record in await shelf.files()}
            _check_batch(changes, applied, before, after)
            _check_paths(list(after.values()))
            await _check_counters(shelf, list(after.values()))
            entries = await store.changes(start, limit=1000)
            assert _replayed(entries) == {
                record.id: (record.path, record.state, record.stat) for record in after.values()
            }


def _change(
    shelf: Shelf, records: Sequence[FileRecord], pick: int, path: str, state: RecordState, size: int
) -> Change:
    if pick >= len(records):
        return shelf.new_file(path, stat=stat(size=size), **_content(size))
    before = records[pick]
    return change(before, path=path, state=state, stat=stat(size=size), **_content(size))


def _content(size: int) -> dict[str, object]:
    """Every other size is that of a file whose content is known."""
    if size % 2:
        return {"hash_state": HashState.PENDING, "hash_algorithm": None, "content_hash": None}
    return {"hash_state": HashState.DONE, "hash_algorithm": "sha256", "content_hash": f"{size:064}"}


def _check_batch(
    changes: Sequence[Change],
    applied: Applied,
    before: dict[int, FileRecord],
    after: dict[int, FileRecord],
) -> None:
    """Each change is applied or a conflict, in order, and a conflict changes nothing."""
    kept = [change for change in changes if not any(change is refused for refused in applied.conflicts)]
    assert len(kept) + len(applied.conflicts) == len(changes)
    assert [record.path for record in applied.records] == [change.after.path for change in kept]
    expected = before | {record.id: record for record in applied.records}
    assert after == expected
    if not _may_conflict(changes, before):
        assert applied.conflicts == []


def _may_conflict(changes: Sequence[Change], before: dict[int, FileRecord]) -> bool:
    """Whether a path is wanted twice, a record changed twice, or a path held by one that stays."""
    ids = [change.before.id for change in changes if change.before]
    targets = [change.after.path for change in changes if change.after.state is not RecordState.DELETED]
    untouched = {
        record.path
        for record in before.values()
        if record.state is not RecordState.DELETED and record.id not in ids
    }
    return len(set(ids)) < len(ids) or len(set(targets)) < len(targets) or bool(untouched & set(targets))


def _check_paths(records: Sequence[FileRecord]) -> None:
    live = Counter(record.path for record in records if record.state is not RecordState.DELETED)
    assert all(number == 1 for number in live.values())


async def _check_counters(shelf: Shelf, records: Sequence[FileRecord]) -> None:
    states = Counter(record.state for record in records)
    repository = await shelf.repository()
    present = [record for record in records if record.state is RecordState.PRESENT]
    size = sum(record.stat.size for record in present)
    hashed = sum(record.content_hash is not None for record in present)
    assert (repository.files, repository.bytes, repository.hashed) == (len(present), size, hashed)
    assert (repository.missing, repository.ignored) == (
        states[RecordState.MISSING],
        states[RecordState.IGNORED],
    )


def _replayed(entries: Sequence[JournalEntry]) -> dict[int, tuple[object, ...]]:
    """Path, state and stat of every record, as the journal alone tells."""
    found: dict[int, tuple[object, ...]] = {}
    for entry in entries:
        known = found.get(entry.record_id)
        assert (entry.stat_before is None) == (known is None)
        if known:
            assert (entry.path_before or entry.path, entry.stat_before) == (known[0], known[2])
        state = _LEFT_BY.get(entry.kind, RecordState.PRESENT)
        found[entry.record_id] = (entry.path, state, entry.stat)
    return found
