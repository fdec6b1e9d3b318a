"""What a store promises about reading records: order, prefixes, pages, and what scans have seen."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from treeledger.model import (
    Change,
    ChangeKind,
    Counts,
    FileRecord,
    HashState,
    OperationType,
    RecordState,
    ScanScope,
)
from treeledger.names import range_below, successor, within
from treeledger.protocols import FileQuery, Store
from treeledger.testing.examples import examples
from treeledger.testing.store_shelf import Shelf, all_files, change, hashed, paths_of, quiet, stat

DELETED, MISSING, IGNORED = RecordState.DELETED, RecordState.MISSING, RecordState.IGNORED
PAST, FUTURE = datetime(2020, 1, 1, tzinfo=UTC), datetime(2120, 1, 1, tzinfo=UTC)
ADVERSARIAL = ["a", "a b", "a!", "a-", "a.txt", "a/b", "a/b/c", "a0", "aA", "ab", "b", "B", "_", "%", "é"]
names = st.text(
    st.sampled_from("aAbé_%.!-0 \\\x01\ud7ff\ue000\uffff\U00010000\U0010ff80\U0010ffff"),
    min_size=1,
    max_size=4,
)
trees = st.lists(st.lists(names, min_size=1, max_size=3).map("/".join), min_size=1, max_size=12, unique=True)


@pytest.mark.anyio
class RecordsContract:
    @given(paths=trees, prefix=st.one_of(st.just(""), names))
    @example(paths=ADVERSARIAL, prefix="a")
    @example(paths=["_/x", "a/x", "%/x", "\\/x"], prefix="_")
    @example(paths=["\U0010ffff", "\U0010ffff/a", "\U0010ffff\U0010ffff"], prefix="\U0010ffff")
    @examples(40)
    async def test_keys_follow_byte_order(self, store: Store, paths: Sequence[str], prefix: str) -> None:
        shelf = await Shelf.new(store)
        await shelf.add(*paths)
        everything = sorted(paths, key=str.encode)
        assert await shelf.paths() == everything
        assert await shelf.paths(prefix) == [path for path in everything if path >= prefix]
        assert await shelf.paths("", prefix or None) == [p for p in everything if p < prefix or not prefix]
        below = [path for path in everything if within(prefix, path) and path != prefix]
        assert await shelf.paths(*range_below(prefix)) == below
        starting = sorted((path for path in paths if path.startswith(prefix)), key=str.encode)
        assert paths_of(await shelf.files(prefix=prefix)) == starting

    async def test_keys_of_a_range_with_its_lower_end(self, shelf: Shelf) -> None:
        await shelf.add(*ADVERSARIAL)
        assert await shelf.paths(*range_below("a")) == ["a/b", "a/b/c"]
        assert await shelf.paths("a/b", "a/b/c") == ["a/b"]
        assert await shelf.paths("a", successor("a")) == ["a"]
        assert await shelf.paths(*range_below("nothing")) == []
        assert await shelf.paths("a", "a") == await shelf.paths("a", "") == []
        one = await shelf.store.keys(shelf.id, "a", None, 1)
        assert [key.path for key in one] == ["a"]

    async def test_keys_tell_what_a_merge_needs_of_live_records(self, shelf: Shelf) -> None:
        a, b, c = await shelf.add("a", "b", "c")
        await shelf.write(change(a, state=MISSING), change(c, state=DELETED))
        first, second = await shelf.keys()
        assert first == ("a", *a.stat, "missing")
        assert second == ("b", *b.stat, "present")

    async def test_long_and_short_paths_in_one_order(self, shelf: Shelf) -> None:
        """An index may hold the beginning of a path only."""
        base = "d" * 598
        paths = [
            base + tail for tail in ("", "a", "ab", "abc", "abd", "ac", "a/b", "\U0010ffff" * 9, "a" * 400)
        ]
        await shelf.add(*paths)
        assert await shelf.paths() == sorted(paths, key=str.encode)
        assert await shelf.paths(*range_below(base + "a")) == [base + "a/b"]
        assert await shelf.paths(base + "abc", base + "ac") == [base + "abc", base + "abd"]
        found = await shelf.files(prefix=base + "ab")
        assert paths_of(found) == [base + "ab", base + "abc", base + "abd"]

    async def test_records_at_prefers_the_living(self, shelf: Shelf) -> None:
        a = await shelf.put("a")
        [first] = await shelf.write(change(a, state=DELETED))
        assert await shelf.at("a") == first
        b = await shelf.put("a")
        [second] = await shelf.write(change(b, state=DELETED))
        assert await shelf.at("a") == second
        c = await shelf.put("a")
        found = await shelf.store.records_at(shelf.id, ["a", "nothing"])
        assert found == {"a": c}
        assert await shelf.store.records_at(shelf.id, []) == {}

    async def test_records_by_inode_of_any_state(self, shelf: Shelf, store: Store) -> None:
        a, b = await shelf.add("a", "b")
        await (await Shelf.new(store)).put("a", stat=a.stat)
        await shelf.put("c", stat=a.stat._replace(file_system=2))
        [gone] = await shelf.write(change(b, state=DELETED))
        wanted = [record.stat[3:5] for record in (a, b)]
        found = await store.records_by_inode(shelf.id, [*wanted, (1, 2**62)])
        assert sorted(found) == [a, gone]
        assert await store.records_by_inode(shelf.id, []) == []

    async def test_newest_is_hashed_first_and_priority_folders_before(self, shelf: Shelf) -> None:
        paths = ["old", "new", "first", "first/old", "first/new", "first.txt", "second/x"]
        times = [1, 9, 3, 2, 4, 8, 7]
        for path, time in zip(paths, times, strict=True):
            await shelf.put(path, stat=stat(mtime_ns=time))
        everything = await shelf.store.records_to_hash(shelf.id, verify=False, priority=[], limit=99)
        assert paths_of(everything) == [
            "new",
            "first.txt",
            "second/x",
            "first/new",
            "first",
            "first/old",
            "old",
        ]
        urgent = await shelf.store.records_to_hash(
            shelf.id, verify=False, priority=["second", "first"], limit=5
        )
        assert paths_of(urgent) == ["second/x", "first/new", "first", "first/old", "new"]
        skip = [record.id for record in urgent]
        rest = await shelf.store.records_to_hash(
            shelf.id, verify=False, priority=["second", "first"], skip=skip, limit=99
        )
        assert paths_of(rest) == ["first.txt", "old"]

    async def test_files_up_to_a_size_are_hashed_past_larger_ones(self, shelf: Shelf) -> None:
        for number, path in enumerate(("in/large", "in/small", "large", "small", "empty"), 1):
            size = {"large": 11, "small": 10, "empty": 0}[path.rpartition("/")[2]]
            await shelf.put(path, stat=stat(size=size, mtime_ns=number))
        failed = HashState.FAILED
        await shelf.put("failed/large", stat=stat(size=11), hash_state=failed, hash_retry_at=PAST)
        await shelf.put("failed/small", stat=stat(size=10), hash_state=failed, hash_retry_at=PAST)
        found = await shelf.store.records_to_hash(
            shelf.id, verify=False, priority=["in"], largest=10, limit=99
        )
        assert paths_of(found) == ["in/small", "empty", "small", "failed/small"]

    async def test_only_present_records_that_are_due_are_hashed(self, shelf: Shelf) -> None:
        await shelf.put("done", hash_state=HashState.DONE)
        await shelf.put("skipped", hash_state=HashState.SKIPPED)
        await shelf.put("due", hash_state=HashState.FAILED, hash_retry_at=PAST)
        await shelf.put("later", hash_state=HashState.FAILED, hash_retry_at=FUTURE)
        await shelf.put("pending")
        gone = await shelf.put("gone")
        await shelf.write(change(gone, state=MISSING))
        found = await shelf.store.records_to_hash(shelf.id, verify=False, priority=[], limit=99)
        assert paths_of(found) == ["pending", "due"]

    async def test_oldest_verified_first(self, shelf: Shelf) -> None:
        verify = HashState.VERIFY
        await shelf.put("new", hash_state=verify, last_verified=PAST + timedelta(days=1))
        await shelf.put("old", hash_state=verify, last_verified=PAST)
        never = await shelf.put("never", hash_state=verify)
        await shelf.put("done", hash_state=HashState.DONE)
        found = await shelf.store.records_to_hash(shelf.id, verify=True, priority=[], limit=99)
        assert paths_of(found) == ["never", "old", "new"]
        found = await shelf.store.records_to_hash(
            shelf.id, verify=True, priority=[], skip=[never.id], limit=1
        )
        assert paths_of(found) == ["old"]

    async def test_files_of_the_states_asked_for(self, shelf: Shelf) -> None:
        present, missing, deleted, ignored = await shelf.add("a", "b", "c", "d")
        await shelf.write(
            change(missing, state=MISSING), change(deleted, state=DELETED), change(ignored, state=IGNORED)
        )
        assert paths_of(await shelf.store.files(FileQuery(shelf.id))) == ["a"]
        assert paths_of(await shelf.files(states=(MISSING, IGNORED))) == ["b", "d"]
        assert paths_of(await shelf.files(states=(DELETED,))) == ["c"]
        assert paths_of(await shelf.files()) == ["a", "b", "c", "d"]
        assert await shelf.files(states=()) == []
        assert (await shelf.files())[0] == present

    async def test_pages_lose_none_of_many_records_at_one_path(self, shelf: Shelf) -> None:
        for _ in range(5):
            await shelf.write(change(await shelf.put("a"), state=DELETED))
        await shelf.add("a", "b")
        for limit in (1, 2, 4, 7):
            found = await shelf.files(limit=limit)
            assert paths_of(found) == ["a"] * 6 + ["b"]
            assert len({record.id for record in found}) == 7

    async def test_files_of_all_repositories(self, store: Store) -> None:
        shelves = sorted([await Shelf.new(store) for _ in range(3)], key=lambda shelf: shelf.id)
        for shelf in shelves:
            await shelf.add("b", "a")
        expected = [(shelf.id, path) for shelf in shelves for path in ("a", "b")]
        for limit in (1, 2, 3, 99):
            found = await all_files(store, FileQuery(limit=limit))
            assert [(record.repository_id, record.path) for record in found] == expected

    async def test_duplicates_within_and_across_repositories(self, shelf: Shelf, store: Store) -> None:
        neighbour = await Shelf.new(store)
        a, b, c = await shelf.add("a", "b", "c")
        [d] = await neighbour.add("d")
        await shelf.write(hashed(a, "11"), hashed(b, "11"), hashed(c, "22"))
        assert paths_of(await shelf.files(duplicates=True)) == ["a", "b"]
        await neighbour.write(hashed(d, "22"))
        everywhere = await all_files(store, FileQuery(duplicates=True, limit=1))
        assert sorted(paths_of(everywhere)) == ["a", "b", "c", "d"]
        await shelf.write(change(await shelf.at("b"), state=MISSING))
        assert paths_of(await shelf.files(duplicates=True)) == ["c"]

    async def test_files_as_they_were(self, shelf: Shelf) -> None:
        a, b = await shelf.add("a", "b")
        before = (await shelf.store.changes(0, limit=1, newest=True))[0].at
        await shelf.write(change(a, path="c", stat=stat(size=5)), change(b, state=MISSING))
        await shelf.put("d")
        then = await shelf.files(at=before)
        assert [(record.id, record.path, record.stat) for record in then] == [
            (a.id, "a", a.stat),
            (b.id, "b", b.stat),
        ]
        now = await shelf.files(at=FUTURE)
        assert [(record.path, record.state) for record in now] == [
            ("b", MISSING),
            ("c", RecordState.PRESENT),
            ("d", RecordState.PRESENT),
        ]
        assert await shelf.files(at=PAST) == []

    async def test_completed_scans_tell_when_a_file_was_last_seen(self, shelf: Shelf) -> None:
        a, deep, hidden = await shelf.add("a", "d/x", "d/secret/y")
        first = await _scan(shelf, ScanScope("", 1, ("d/secret",)))
        assert await _seen(shelf) == {"a": 1, "d/secret/y": 0, "d/x": 1}
        record = await shelf.store.record(a.id)
        assert record
        assert record.last_scanned == first
        await _scan(shelf, ScanScope("d", 2, ()))
        assert await _seen(shelf) == {"a": 1, "d/secret/y": 2, "d/x": 2}
        assert (await shelf.at("a")).scan_generation == 0, "the record itself is not written"
        await shelf.write(change(deep, state=MISSING))
        late = await shelf.put("late")
        assert await _seen(shelf) == {"a": 1, "d/secret/y": 2, "d/x": 0, "late": 0}
        assert (await shelf.files(states=(MISSING,)))[0].last_scanned != first
        assert late.last_scanned
        assert hidden.version == 1

    async def test_failed_scan_covers_nothing(self, shelf: Shelf) -> None:
        await shelf.put("a")
        begun = await shelf.store.begin_operation(shelf.lease, OperationType.MANUAL, "", scan=True)
        await shelf.store.finish_operation(
            begun.id, Counts(), error="disk", scopes=[ScanScope("", begun.generation, ())]
        )
        assert await _seen(shelf) == {"a": 0}

    async def test_scope_of_a_file_and_its_namesakes(self, shelf: Shelf) -> None:
        await shelf.add("d", "d.txt", "d/x", "dx", "_/x", "a/x")
        await _scan(shelf, ScanScope("d", 1, ()), ScanScope("_", 1, ()))
        assert await _seen(shelf) == {"_/x": 1, "a/x": 0, "d": 1, "d.txt": 0, "d/x": 1, "dx": 0}

    async def test_many_scans_of_many_places(self, shelf: Shelf) -> None:
        await shelf.add("a/x", "b/x")
        for generation in range(1, 6):
            await _scan(shelf, ScanScope("a", generation, ("a/hidden",)))
        await _scan(shelf, ScanScope("", 6, ("b",)))
        assert await _seen(shelf) == {"a/x": 6, "b/x": 0}
        await _scan(shelf, ScanScope("", 7, ("a",)))
        assert await _seen(shelf) == {"a/x": 6, "b/x": 7}

    async def test_purge_ends_what_was_deleted_long_ago(self, shelf: Shelf, store: Store) -> None:
        records = await shelf.add("a", "b", "c", "d")
        deleted = await shelf.write(*(change(record, state=DELETED) for record in records[:3]))
        assert await store.purge(shelf.lease, timedelta(hours=1), 10) == 0
        assert await store.purge(shelf.lease, timedelta(seconds=-1), 2) == 2
        assert await store.purge(shelf.lease, timedelta(seconds=-1), 2) == 1
        assert paths_of(await shelf.files()) == ["d"]
        new = await shelf.put("e")
        assert new.id not in {record.id for record in deleted}

    async def test_ids_of_purged_records_are_never_given_again(self, shelf: Shelf, store: Store) -> None:
        last = await shelf.put("a")
        await shelf.write(change(last, state=DELETED))
        assert await store.purge(shelf.lease, timedelta(seconds=-1), 10) == 1
        assert (await shelf.put("a")).id > last.id

    async def test_what_is_not_there(self, shelf: Shelf, store: Store) -> None:
        assert await store.record(2**40) is None
        assert await shelf.keys() == []
        assert await shelf.files() == []

    async def test_restored_record_is_found_by_its_path(self, shelf: Shelf) -> None:
        [deleted] = await shelf.write(change(await shelf.put("a"), state=DELETED))
        before = await shelf.at("a")
        assert before == deleted
        back = Change(ChangeKind.RESTORED, before, before._replace(state=RecordState.PRESENT))
        [restored] = await shelf.write(back)
        assert await shelf.files() == [restored]
        assert (await shelf.write(quiet(restored, stat=stat())))[0].version == 4


async def _scan(shelf: Shelf, *scopes: ScanScope) -> datetime:
    """A completed scan; returns when it ended."""
    begun = await shelf.store.begin_operation(shelf.lease, OperationType.MANUAL, "", scan=True)
    done = await shelf.store.finish_operation(begun.id, Counts(), scopes=scopes)
    assert done.end_time
    return done.end_time


async def _seen(shelf: Shelf) -> dict[str, int]:
    """The generation of each record as readers see it."""
    records: list[FileRecord] = await shelf.files()
    return {record.path: record.scan_generation for record in records}
