"""Scheduled work of a running engine: persisted, one scan at a time, within the limits of the disk."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import anyio
import pytest
from configured import written
from support import Tree, until

from treeledger.engine.hub import Committed, Event, ManyCommitted
from treeledger.ledger import Ledger
from treeledger.model import (
    HashState,
    OperationStatus,
    OperationType,
    ProblemCode,
    RecordState,
    SyncOperation,
)
from treeledger.scheduling import Schedule, ScheduleKind

pytestmark = pytest.mark.anyio

HOUR = timedelta(hours=1)
MB = 1_000_000
DEAF = {"file_watcher": {"source": "polling"}}
POLLING = '[plugins.polling]\ninterval = "1d"\n'  # later than any test ends


@asynccontextmanager
async def tree_with(root: Path, store_url: str, **settings: Any) -> AsyncIterator[Tree]:
    """A tree that hears of nothing, under some settings, its files scanned once."""
    await anyio.Path(root).mkdir(exist_ok=True)
    file = root.with_name("plugins.toml")
    written(file, POLLING)
    async with Ledger.open(store=store_url, config=file) as ledger:
        tree = Tree(root, ledger)
        tree.repository = await ledger.add_repository(root, settings=DEAF | settings)
        yield tree


async def noted(tree: Tree, kind: ScheduleKind) -> Schedule:
    schedules = {one.kind: one for one in await tree.ledger.store.schedules(tree.repository.id)}
    return schedules.get(kind, Schedule(tree.repository.id, kind))


async def operations(tree: Tree, type: OperationType) -> list[SyncOperation]:
    return [one for one in await tree.ledger.sync_operations(limit=1000) if one.type is type]


async def until_ran(tree: Tree, type: OperationType, times: int) -> None:
    async def is_so() -> bool:
        ended = [one for one in await operations(tree, type) if one.end_time is not None]
        return len(ended) >= times

    await until(is_so, f"{times} times {type}")


async def test_an_interval_counts_from_the_last_full_scan_across_restarts(
    tmp_path: Path, store_url: str
) -> None:
    settings = {"interval": "24h", "startup_scan": False}
    async with tree_with(tmp_path / "tree", store_url, reconciliation=settings) as tree:
        tree.write("a")
        async with tree.watched():
            await until_ran(tree, OperationType.RECONCILIATION, 1)  # it was never scanned
            await tree.until_status("watching")
        first = await noted(tree, ScheduleKind.FULL)
        assert first.ended_at is not None
        assert first.due_at == first.ended_at + 24 * HOUR
        async with tree.watched():

            async def is_planned() -> bool:
                upcoming = (await tree.ledger.sync_status(tree.repository.id)).next_reconciliation
                assert upcoming in (None, first.due_at)
                return upcoming is not None

            await until(is_planned, "the next scan is to come")
        assert len(await operations(tree, OperationType.RECONCILIATION)) == 1
        await tree.ledger.scan(tree.repository)  # a person's counts as well
        assert (await noted(tree, ScheduleKind.FULL)).ended_at > first.ended_at


@pytest.mark.parametrize(("hours", "runs"), [(22, 0), (25, 1), (240, 1)])
async def test_what_was_missed_while_nothing_ran_is_done_once(
    tmp_path: Path, store_url: str, hours: int, runs: int
) -> None:
    settings = {"interval": "24h", "startup_scan": False}
    async with tree_with(tmp_path / "tree", store_url, reconciliation=settings) as tree:
        await tree.ledger.scan(tree.repository)
        last = datetime.now(UTC) - hours * HOUR
        await tree.ledger.store.note_schedule(
            replace(await noted(tree, ScheduleKind.FULL), started_at=last, ended_at=last)
        )
        async with tree.watched():

            async def is_planned() -> bool:
                upcoming = (await tree.ledger.sync_status(tree.repository.id)).next_reconciliation
                return upcoming is not None and upcoming > datetime.now(UTC)

            await until(is_planned, "the next scan is to come")
        assert len(await operations(tree, OperationType.RECONCILIATION)) == runs


async def test_a_scan_of_a_part_is_no_full_scan(tmp_path: Path, store_url: str) -> None:
    async with tree_with(tmp_path / "tree", store_url) as tree:
        tree.write("a/b")
        async with tree.watched():
            before = await noted(tree, ScheduleKind.FULL)
            assert before.ended_at is not None  # the scan at the start is one
            await tree.ledger.trigger_reconciliation(tree.repository.id, prefixes=("a",))
            assert (await noted(tree, ScheduleKind.FULL)).ended_at == before.ended_at


async def test_a_quick_scan_finds_what_is_in_folders_that_changed(tmp_path: Path, store_url: str) -> None:
    settings = {"quick_scan_interval": "1s"}
    async with tree_with(tmp_path / "tree", store_url, reconciliation=settings) as tree:
        for path in ("busy/old", "busy/gone", "busy/deep/known", "busy/away/known", "calm/old"):
            tree.write(path)
        await tree.ledger.scan(tree.repository)
        async with tree.watched():
            tree.write("busy/heard")
            await tree.ledger.trigger_reconciliation(tree.repository.id, prefixes=("busy/heard",))
            (tree.root / "busy/gone").unlink()
            (tree.root / "busy/away/known").unlink()
            (tree.root / "busy/away").rmdir()
            for path in ("busy/new", "busy/folder/below/new", "busy/deep/unseen", "calm/unseen"):
                tree.write(path)
            tree.write("busy/old", "other text")
            await tree.until_present("busy/new")
            await tree.until_present("busy/folder/below/new")
            await tree.until_present("busy/old", size=10)
            await tree.until_state("busy/gone", RecordState.DELETED)
            await tree.until_state("busy/away/known", RecordState.DELETED)
            await until_ran(tree, OperationType.RECONCILIATION, 1)
            ran = await operations(tree, OperationType.RECONCILIATION)
        paths = set(await tree.present())
        assert "calm/unseen" not in paths  # nothing had changed there
        quick = [one for one in ran if one.end_time is not None]
        assert {one.status for one in quick} == {OperationStatus.COMPLETED}
        assert quick[-1].scope == "quick scan of 1 folder"
        await tree.check_sound()


async def test_without_changes_a_quick_scan_does_nothing(tmp_path: Path, store_url: str) -> None:
    settings = {"quick_scan_interval": "1s"}
    async with tree_with(tmp_path / "tree", store_url, reconciliation=settings) as tree:
        tree.write("a/b")
        async with tree.watched():

            async def has_run_twice() -> bool:
                quick, full = await noted(tree, ScheduleKind.QUICK), await noted(tree, ScheduleKind.FULL)
                ends = quick.ended_at, full.ended_at
                return None not in ends and quick.ended_at - full.ended_at > timedelta(seconds=2)

            await until(has_run_twice, "two quick scans")
        assert await operations(tree, OperationType.RECONCILIATION) == []


async def test_one_scan_runs_at_a_time_and_a_persons_is_not_kept_waiting(
    tmp_path: Path, store_url: str
) -> None:
    settings = {"quick_scan_interval": "1s", "interval": "1s"}
    async with tree_with(tmp_path / "tree", store_url, reconciliation=settings) as tree:
        for n in range(50):
            tree.write(f"d{n % 5}/f{n}")
        async with tree.watched():
            for n in range(3):
                tree.write(f"d0/new{n}")
                done = await tree.ledger.trigger_reconciliation(tree.repository.id)
                assert done.status is OperationStatus.COMPLETED
                await until_ran(tree, OperationType.RECONCILIATION, n + 1)
        ran = [
            one
            for one in await tree.ledger.sync_operations(limit=1000)
            if one.type in (OperationType.RECONCILIATION, OperationType.MANUAL)
        ]
        ran.sort(key=lambda one: one.id)
        assert len(ran) >= 6
        for before, after in pairwise(ran):
            assert before.end_time is not None
            assert before.end_time <= after.start_time


async def test_a_paused_repository_has_no_scheduled_work(tmp_path: Path, store_url: str) -> None:
    async with tree_with(tmp_path / "tree", store_url, reconciliation={"interval": "1s"}) as tree:
        async with tree.watched():
            await until_ran(tree, OperationType.RECONCILIATION, 1)
            await tree.ledger.pause_repository(tree.repository.id, paused=True)
            before = await operations(tree, OperationType.RECONCILIATION)
        async with tree.ledger.started(command="test"):
            await tree.until_status("paused")
            assert await operations(tree, OperationType.RECONCILIATION) == before
            await tree.ledger.pause_repository(tree.repository.id, paused=False)
            await until_ran(tree, OperationType.RECONCILIATION, len(before) + 1)


async def test_the_engine_scrubs_by_itself(tmp_path: Path, store_url: str) -> None:
    settings = {"change_key": "size-mtime", "scrub": {"interval": "1s", "files": 2}}
    async with tree_with(tmp_path / "tree", store_url, **settings) as tree:
        for n in range(5):
            tree.write(f"f{n}", "1234")
        await tree.ledger.scan(tree.repository)
        file = tree.root / "f3"
        status = file.stat()
        file.write_text("12E4")
        os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
        async with tree.watched():

            async def is_found() -> bool:
                known = await tree.ledger.store.problems(tree.repository.id, notes=False, limit=9)
                return [one.problem.code for one in known] == [ProblemCode.CORRUPTED]

            await until(is_found, "the rotten file")
            await until_ran(tree, OperationType.SCRUB, 2)
        scrubs = await operations(tree, OperationType.SCRUB)
        assert {one.counts.files_hashed for one in scrubs if one.status is OperationStatus.COMPLETED} == {2}
        schedule = await noted(tree, ScheduleKind.SCRUB)
        assert schedule.ended_at is not None
        assert schedule.due_at is not None


async def test_a_scrub_ends_where_quiet_hours_begin_and_waits_for_their_end(
    tmp_path: Path, store_url: str
) -> None:
    now = datetime.now()
    quiet = f"{now - HOUR:%H:%M}-{now + HOUR:%H:%M}"
    settings = {"scrub": {"interval": "1s"}, "reconciliation": {"quiet_hours": quiet, "interval": "1s"}}
    async with tree_with(tmp_path / "tree", store_url, **settings) as tree:
        tree.write("a")
        async with tree.watched():

            async def are_noted() -> bool:
                return all([(await noted(tree, k)).due_at for k in (ScheduleKind.FULL, ScheduleKind.SCRUB)])

            await until(are_noted, "both are planned")
            for kind in (ScheduleKind.FULL, ScheduleKind.SCRUB):
                schedule = await noted(tree, kind)
                assert schedule.due_at is not None
                assert timedelta(minutes=50) < schedule.due_at - datetime.now(UTC) < timedelta(minutes=70)
        assert await operations(tree, OperationType.SCRUB) == []
        assert await operations(tree, OperationType.RECONCILIATION) == []


class Reading:
    """How many bytes were read by when, as the ledger has it."""

    def __init__(self, sizes: Callable[[str], int]) -> None:
        self.points: list[tuple[float, int]] = []
        self.total = 0
        self._sizes = sizes

    def __call__(self, event: Event) -> None:
        assert not isinstance(event, ManyCommitted)
        if isinstance(event, Committed):
            self.total += sum(self._sizes(entry.path) for entry in event.entries if entry.hash is not None)
            self.points.append((time.monotonic(), self.total))


async def test_a_rate_holds_for_all_readers_and_listing_is_as_fast_as_ever(
    tmp_path: Path, store_url: str
) -> None:
    rate, seconds = MB // 5, 60  # all that it would take
    async with tree_with(tmp_path / "tree", store_url, reconciliation={"max_rate": "200kB/s"}) as tree:
        for n in range(seconds):
            tree.write(f"large/{n}", f"{n:05}" * (rate // 5))
        for n in range(2000):
            tree.write(f"small/{n % 20}/{n}", str(n))
        reading = Reading(lambda path: (tree.root / path).stat().st_size)
        tree.ledger.hub.listen(reading)
        began = time.monotonic()
        async with tree.watched():
            present = await tree.present()
            assert len(present) == seconds + 2000
            unread = [one.stat.size for one in present.values() if one.hash_state is HashState.PENDING]
            assert sum(unread) > rate * seconds / 2  # so long did listing not take

            async def is_read() -> bool:
                return reading.total >= 2 * rate

            await until(is_read, "what two seconds are for is read")
        for moment, total in reading.points:
            assert total <= rate * (moment - began + 0.2)
        await tree.ledger.store.update_repository(tree.repository.id, settings=DEAF)
        await tree.ledger.scan(await tree.ledger.repository(tree.repository.id))
        assert all(one.hash_state is HashState.DONE for one in (await tree.present()).values())
