"""What is asked of a ledger whose engine runs: done by that engine, beside watching."""

from __future__ import annotations

from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path

import anyio
import pytest
from support import Tree, tree_on, until

from treeledger.engine.budget import Budget
from treeledger.engine.hub import Finished
from treeledger.engine.scrub import ScrubRequest
from treeledger.errors import LeaseLost, RootOffline, UsageError
from treeledger.model import OperationStatus, OperationType, RecordState

pytestmark = pytest.mark.anyio
ALL = ScrubRequest(budget=Budget(percent=100))


@pytest.fixture
async def kept(tmp_path: Path, store_url: str) -> AsyncIterator[Tree]:
    """A tree with a hundred files whose engine runs and has scanned it."""
    async with tree_on(tmp_path / "tree", store_url) as tree:
        for n in range(100):
            tree.write(f"{n % 10}/{n}", f"content {n}")
        async with tree.ledger.started() as engine:
            tree.engine = engine
            await until(lambda: is_scanned(tree), "the startup scan has ended")
            yield tree


async def is_scanned(tree: Tree) -> bool:
    operations = await tree.ledger.sync_operations()
    return any(one.type is OperationType.STARTUP and one.end_time for one in operations)


async def test_a_scan_counts_what_it_found_and_hashed(kept: Tree) -> None:
    told = []
    operation = await kept.ledger.scan(kept.repository, rehash=True, told=lambda run: told.append(run.counts))
    assert operation.type is OperationType.MANUAL
    assert operation.counts.files_scanned == 100
    assert operation.counts.files_hashed == 100
    assert told


async def test_a_scrub_reads_all_and_watching_goes_on(kept: Tree) -> None:
    done = await kept.ledger.scrub(kept.repository, ALL)
    assert (done.files, done.corrupted, done.ended) == (100, 0, None)
    kept.write("new")
    await until(lambda: is_present(kept, "new"), "a change is heard after a scrub")


async def is_present(tree: Tree, path: str) -> bool:
    return await tree.state(path) is RecordState.PRESENT


async def test_what_is_asked_at_once_is_done_one_after_another(kept: Tree) -> None:
    ended: list[OperationType] = []
    kept.ledger.hub.listen(
        lambda event: ended.append(event.operation.type) if isinstance(event, Finished) else None
    )
    async with anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(kept.ledger.scrub, kept.repository, ALL)
        tasks.start_soon(kept.ledger.scan, kept.repository)
    assert ended.count(OperationType.SCRUB) == 3
    operations = [o for o in await kept.ledger.sync_operations() if o.type is OperationType.SCRUB]
    assert all(o.status is OperationStatus.COMPLETED for o in operations)
    times = sorted((o.start_time, o.end_time) for o in operations)
    assert all(before[1] <= after[0] for before, after in pairwise(times) if before[1])


async def test_a_scan_that_nobody_waits_for_any_more_stops_and_the_watch_goes_on(kept: Tree) -> None:
    with anyio.CancelScope() as scope:
        await kept.ledger.scan(kept.repository, rehash=True, told=lambda run: scope.cancel())
    assert scope.cancelled_caught
    assert (await kept.ledger.scan(kept.repository)).status is OperationStatus.COMPLETED
    kept.write("new")
    await until(lambda: is_present(kept, "new"), "a change is heard after a scan that was stopped")


async def test_a_scrub_that_nobody_waits_for_any_more_stops(kept: Tree) -> None:
    with anyio.CancelScope() as scope:
        await kept.ledger.scrub(kept.repository, ALL, told=lambda run: scope.cancel())
    assert scope.cancelled_caught
    assert (await kept.ledger.scrub(kept.repository, ALL)).files == 100


async def test_who_is_left_without_the_repository_is_told(kept: Tree) -> None:
    with pytest.raises(LeaseLost, match="stopped or taken up anew"):
        await hold(kept)


async def hold(tree: Tree) -> None:
    """Has the session for as long as it may, while the engine is told to leave the repository."""
    async with (
        tree.engine.in_hand(tree.repository, tree.ledger.settings_of(tree.repository), 1.0),
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(tree.engine.leave, tree.repository.id)
        await anyio.sleep_forever()


async def test_of_one_that_is_offline_it_is_said(kept: Tree) -> None:
    kept.root.rename(kept.root.with_name("away"))
    with pytest.raises(RootOffline):
        await kept.ledger.scrub(kept.repository)
    with pytest.raises(RootOffline):
        await kept.ledger.scan(kept.repository)


async def test_who_has_it_as_it_goes_offline_is_told_why(kept: Tree) -> None:
    with pytest.raises(RootOffline):
        await hold_while_it_goes(kept)


async def hold_while_it_goes(tree: Tree) -> None:
    """Has the session for as long as it may, while the root is moved away."""
    async with tree.engine.in_hand(tree.repository, tree.ledger.settings_of(tree.repository), 1.0):
        tree.root.rename(tree.root.with_name("away"))
        await anyio.sleep_forever()


async def test_one_that_is_paused_is_taken_in_hand_for_it(kept: Tree) -> None:
    await kept.ledger.pause_repository(kept.repository.id, paused=True)
    kept.write("new")
    assert (await kept.ledger.scan(kept.repository)).counts.files_added == 1
    assert (await kept.ledger.scrub(kept.repository, ALL)).files == 101
    await kept.ledger.pause_repository(kept.repository.id, paused=False)
    kept.write("newer")
    await until(lambda: is_present(kept, "newer"), "it is watched again")


async def test_only_what_is_corrupted_is_accepted_and_the_watch_goes_on(kept: Tree) -> None:
    with pytest.raises(UsageError, match="not corrupted"):
        await kept.ledger.accept(kept.repository, ["1/1"])
    kept.write("new")
    await until(lambda: is_present(kept, "new"), "a change is heard after a refusal")


async def test_hashes_are_taken_from_a_list(tmp_path: Path, store_url: str) -> None:
    settings = {"reconciliation": {"calculate_hashes": False}}
    async with tree_on(tmp_path / "tree", store_url) as tree:
        other = tmp_path / "other"
        other.mkdir()
        (other / "a").write_text("a")
        repository = await tree.ledger.add_repository(other, settings=settings)
        async with tree.ledger.started():
            await tree.ledger.scan(repository, wait=False)
            async with tree.ledger.seeding(repository, "sha256") as seeder:
                done = await seeder.seed({"a": "0" * 64, "b": "1" * 64})
            assert (done.seeded + done.unknown, done.differing) == (2, [])


async def test_a_relocated_repository_is_kept_where_it_is_now(kept: Tree, tmp_path: Path) -> None:
    there = tmp_path / "there"
    kept.root.rename(there)
    moved = await kept.ledger.relocate_repository(kept.repository.id, there)
    assert moved.root == str(there)
    kept.root = there
    kept.write("new")
    await until(lambda: is_present(kept, "new"), "a change is heard at the new place")
    assert (await kept.ledger.scan(moved)).counts.files_added == 0


async def test_a_relocation_to_another_tree_is_refused_and_the_watch_goes_on(
    kept: Tree, tmp_path: Path
) -> None:
    (tmp_path / "there").mkdir()
    with pytest.raises(UsageError, match="holds none"):
        await kept.ledger.relocate_repository(kept.repository.id, tmp_path / "there")
    kept.write("new")
    await until(lambda: is_present(kept, "new"), "it is watched as before")
