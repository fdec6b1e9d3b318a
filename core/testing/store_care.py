"""What a store promises about repositories, leases, operations and file systems."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from uuid import uuid4

import pytest

from treeledger.errors import EngineLocked, LeaseLost, RepositoryNotFound, UsageError
from treeledger.model import (
    Counts,
    FileSystemIdentity,
    OperationStatus,
    OperationType,
    RecordState,
    ScanScope,
    SyncOperation,
)
from treeledger.protocols import FileQuery, LastOperations, Store
from treeledger.testing.store_shelf import LONG, OWNER, Shelf, change, repository

ACTS: dict[str, Callable[[Shelf], Awaitable[object]]] = {
    "apply": lambda shelf: shelf.apply(shelf.new_file("a")),
    "begin_operation": lambda shelf: shelf.store.begin_operation(
        shelf.lease, OperationType.MANUAL, "", scan=True
    ),
    "open_hold": lambda shelf: shelf.store.open_hold(shelf.lease, gone=1, live=1, reason=""),
    "purge": lambda shelf: shelf.store.purge(shelf.lease, timedelta(0), 10),
    "renumber": lambda shelf: shelf.store.renumber_file_system(shelf.lease, 1, 2),
    "release": lambda shelf: shelf.store.release(shelf.lease, clean=True),
    "update_repository": lambda shelf: shelf.store.update_repository(
        shelf.id, health={"x": 1}, lease=shelf.lease
    ),
}


@pytest.mark.anyio
class CareContract:
    async def test_repository_is_kept_as_it_was_given(self, store: Store) -> None:
        given = repository(
            "ü {photos}", settings={"a": {"b": [1, None, "é"]}}, declared=True, health={"x": 1}
        )
        added = await store.add_repository(given)
        assert (added.id, added.name, added.root) == (given.id, given.name, given.root)
        assert (added.settings, added.health, added.declared) == (given.settings, given.health, True)
        assert added.created_at
        assert added.clean
        assert (added.files, added.fence, added.owner) == (0, 0, None)
        assert await store.repositories() == [added]

    async def test_repositories_come_by_name(self, store: Store) -> None:
        for name in ("b", "C", "a"):
            await store.add_repository(repository(name))
        assert [found.name for found in await store.repositories()] == ["C", "a", "b"]

    async def test_name_and_root_are_taken_once(self, store: Store) -> None:
        first = await store.add_repository(repository("a"))
        with pytest.raises(UsageError, match="a already"):
            await store.add_repository(repository("a", root="/elsewhere"))
        with pytest.raises(UsageError, match="/data/a"):
            await store.add_repository(repository("b", root=first.root))
        with pytest.raises(UsageError):
            await store.add_repository(repository("c", id=first.id))
        await store.add_repository(repository("b", root=first.root, host="elsewhere"))

    async def test_longest_root(self, store: Store) -> None:
        root = "/" + "é漢" * 2000
        assert (await store.add_repository(repository("a", root=root))).root == root

    async def test_update_sets_what_is_given(self, store: Store) -> None:
        old = await store.add_repository(repository("a", settings={"x": 1}))
        await store.update_repository(old.id, name="b", paused=True, root_identity=(3, 2**62))
        await store.update_repository(old.id, health={"state": "watching"})
        [new] = await store.repositories()
        assert (new.name, new.paused, new.root, new.settings) == ("b", True, old.root, {"x": 1})
        assert (new.root_file_system, new.root_inode, new.health) == (3, 2**62, {"state": "watching"})
        await store.update_repository(old.id, paused=False, settings={}, root="/moved", declared=True)
        [new] = await store.repositories()
        assert (new.paused, new.settings, new.root, new.declared) == (False, {}, "/moved", True)

    async def test_update_of_a_stranger(self, store: Store) -> None:
        await store.add_repository(repository("a"))
        b = await store.add_repository(repository("b"))
        with pytest.raises(UsageError):
            await store.update_repository(b.id, name="a")
        with pytest.raises(UsageError):
            await store.update_repository(b.id, root="/data/a")
        with pytest.raises(RepositoryNotFound):
            await store.update_repository(uuid4(), paused=True)

    async def test_removed_repository_keeps_its_records(self, shelf: Shelf, store: Store) -> None:
        before = await shelf.repository()
        record = await shelf.put("a")
        await store.remove_repository(shelf.id, purge=False)
        assert await store.repositories() == []
        assert await store.files(FileQuery()) == []
        with pytest.raises(LeaseLost):
            await shelf.put("b")
        with pytest.raises(RepositoryNotFound):
            await store.claim(shelf.id, OWNER, LONG)
        revived = await store.add_repository(before)
        assert revived.files == 1
        assert await shelf.at("a") == record

    async def test_purged_repository_leaves_the_journal_only(self, shelf: Shelf, store: Store) -> None:
        await shelf.add("a", "b")
        await store.mark_dirty(shelf.id, [("", "test")])
        neighbour = await Shelf.new(store)
        await neighbour.put("a")
        await store.remove_repository(shelf.id, purge=True)
        assert await shelf.files() == []
        assert await store.dirty(shelf.id) == []
        assert len(await store.changes(0, limit=9, repository_id=shelf.id)) == 2
        assert await neighbour.paths() == ["a"]
        with pytest.raises(RepositoryNotFound):
            await store.remove_repository(uuid4(), purge=True)

    async def test_claim_marks_unclean_and_release_says_how_it_ended(
        self, shelf: Shelf, store: Store
    ) -> None:
        claimed = await shelf.repository()
        assert (claimed.clean, claimed.owner, claimed.fence) == (False, OWNER, shelf.lease.fence)
        assert claimed.lease_until
        await store.release(shelf.lease, clean=True)
        released = await shelf.repository()
        assert (released.clean, released.owner, released.lease_until) == (True, None, None)
        again = await store.claim(shelf.id, "other", LONG)
        assert again.fence > shelf.lease.fence

    async def test_a_running_lease_is_respected(self, shelf: Shelf, store: Store) -> None:
        with pytest.raises(EngineLocked, match=OWNER):
            await store.claim(shelf.id, "other", LONG)
        await shelf.put("a")

    async def test_a_lease_that_ended_is_free(self, shelf: Shelf, store: Store) -> None:
        assert await store.renew([shelf.lease], OWNER, -1.0) == []
        taken = await store.claim(shelf.id, "other", LONG)
        assert await store.renew([shelf.lease], OWNER, LONG) == [shelf.lease]
        assert await store.renew([taken], "other", LONG) == []

    @pytest.mark.parametrize("act", ACTS.values(), ids=ACTS)
    async def test_lost_lease(
        self, shelf: Shelf, store: Store, act: Callable[[Shelf], Awaitable[object]]
    ) -> None:
        await shelf.taken_over()
        with pytest.raises(LeaseLost):
            await act(shelf)

    async def test_operations_left_running_are_closed_by_the_next_claim(
        self, shelf: Shelf, store: Store
    ) -> None:
        left = await store.begin_operation(shelf.lease, OperationType.STARTUP, "", scan=True)
        await shelf.taken_over()
        [found] = await store.operations(shelf.id, limit=5)
        assert (found.id, found.status) == (left.id, OperationStatus.FAILED)
        assert found.error_message
        late = await store.finish_operation(left.id, Counts(9), scopes=[ScanScope("", left.generation, ())])
        assert late == found

    async def test_operation_and_its_counts(self, shelf: Shelf, store: Store) -> None:
        begun = await store.begin_operation(shelf.lease, OperationType.MANUAL, "2024\n2025", scan=True)
        assert (begun.status, begun.end_time, begun.duration_ms) == (OperationStatus.RUNNING, None, None)
        assert (begun.generation, begun.scope) == (1, "2024\n2025")
        counts = Counts(1, 2, 3, 4, 5, 6, 7, 2**40, 0)
        done = await store.finish_operation(begun.id, counts)
        assert (done.status, done.counts, done.error_message) == (OperationStatus.COMPLETED, counts, None)
        assert done.end_time
        assert done.duration_ms == (done.end_time - done.start_time) // timedelta(milliseconds=1)
        assert await store.operations(None, limit=5) == [done]
        with pytest.raises(UsageError):
            await store.finish_operation(begun.id + 1, counts)

    async def test_operations_newest_first_and_those_with_trouble(self, shelf: Shelf, store: Store) -> None:
        neighbour = await Shelf.new(store)
        ids = []
        for place, error, problems in ((shelf, None, 0), (neighbour, "disk", 0), (shelf, None, 2)):
            begun = await store.begin_operation(place.lease, OperationType.REALTIME, "", scan=False)
            assert begun.generation == 0
            await store.finish_operation(begun.id, Counts(problems=problems), error=error)
            ids.append(begun.id)
        assert [found.id for found in await store.operations(None, limit=2)] == ids[:0:-1]
        assert [found.id for found in await store.operations(shelf.id, limit=5)] == [ids[2], ids[0]]
        assert [found.id for found in await store.operations(None, limit=1, before=ids[2])] == [ids[1]]
        assert [found.id for found in await store.operations(shelf.id, limit=5, before=ids[2])] == [ids[0]]
        assert await store.operations(None, limit=5, before=ids[0]) == []
        trouble = await store.operations(None, limit=5, problems_only=True)
        assert [found.id for found in trouble] == ids[:0:-1]
        scan = await store.begin_operation(shelf.lease, OperationType.MANUAL, "", scan=True)
        assert [found.id for found in await store.operations(None, limit=5, bursts=False)] == [scan.id]

    async def test_of_each_repository_the_last_operation_and_when_all_of_it_was_scanned_last(
        self, shelf: Shelf, store: Store
    ) -> None:
        other, quiet = await Shelf.new(store), await Shelf.new(store)

        async def run(
            shelf: Shelf, type: OperationType, scope: str = "", error: str | None = None
        ) -> SyncOperation:
            is_scan = type not in (OperationType.SCRUB, OperationType.REALTIME)
            begun = await store.begin_operation(shelf.lease, type, scope, scan=is_scan)
            scopes = [ScanScope(scope, begun.generation, ())] if is_scan else []
            return await store.finish_operation(begun.id, Counts(), error=error, scopes=scopes)

        await run(shelf, OperationType.STARTUP, error="it is not mounted")
        part = await run(shelf, OperationType.MANUAL, "2024")
        assert await store.last_operations() == {shelf.id: LastOperations(part, None)}
        await run(shelf, OperationType.STARTUP)
        scan = await run(shelf, OperationType.RECONCILIATION)
        await run(shelf, OperationType.MANUAL, "2024")
        await run(shelf, OperationType.RECONCILIATION, error="it is not mounted")
        await run(shelf, OperationType.SCRUB)
        for _ in range(30):
            await run(shelf, OperationType.REALTIME)
        burst = await run(other, OperationType.REALTIME)
        running = await store.begin_operation(shelf.lease, OperationType.SCRUB, "", scan=False)
        found = {shelf.id: LastOperations(running, scan.end_time), other.id: LastOperations(burst, None)}
        assert await store.last_operations() == found
        assert await store.last_operations(shelf.id) == {shelf.id: found[shelf.id]}
        assert await store.last_operations(quiet.id) == {}

    async def test_generations_count_up_per_repository(self, shelf: Shelf, store: Store) -> None:
        neighbour = await Shelf.new(store)
        for expected in (1, 2, 3):
            begun = await store.begin_operation(shelf.lease, OperationType.MANUAL, "", scan=True)
            assert begun.generation == expected
        theirs = await store.begin_operation(neighbour.lease, OperationType.MANUAL, "", scan=True)
        assert theirs.generation == 1
        assert (await shelf.repository()).generation == 3

    async def test_file_systems_are_known_again(self, store: Store, other: Store) -> None:
        disk = FileSystemIdentity("here", "/mnt/a", "ext4", "uuid-1", 2049)
        number = await store.file_system(disk)
        moved = FileSystemIdentity("here", "/mnt/b", "ext4", "uuid-1", 2050)
        assert await other.file_system(moved) == number
        assert await store.file_system_identity(number) == moved
        others = {
            await store.file_system(FileSystemIdentity("here", "/mnt/a", "ext4", "uuid-2", 2049)),
            await store.file_system(FileSystemIdentity("there", "/mnt/a", "ext4", "uuid-1", 2049)),
            await store.file_system(FileSystemIdentity("here", "/mnt/a", "nfs", "", 77)),
            await store.file_system(FileSystemIdentity("here", "/mnt/b", "nfs", "", 77)),
        }
        assert len(others | {number}) == 5
        share = FileSystemIdentity("here", "/mnt/a", "nfs", "", 99)
        assert await store.file_system(share) in others
        assert await store.file_system_identity(max(others) + 1) is None

    async def test_records_go_along_to_another_file_system(self, shelf: Shelf, store: Store) -> None:
        a, b = await shelf.add("a", "b")
        elsewhere = await shelf.put("c", stat=a.stat._replace(file_system=7, inode=99))
        await shelf.write(change(b, state=RecordState.DELETED))
        await store.renumber_file_system(shelf.lease, 1, 2)
        assert [record.stat.file_system for record in await shelf.files()] == [2, 2, 7]
        assert (await shelf.apply(change(a, state=RecordState.MISSING))).conflicts
        assert await shelf.at("c") == elsewhere
