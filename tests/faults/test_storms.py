"""Storms and clocks: much at once, without a pause, while the store is away, or while clocks jump."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest
from matrix import fault
from support import WITHIN, Tree, until
from truth import Heard, assert_in_order, until_equal

from treeledger import worker
from treeledger.engine.hub import RepositoryState
from treeledger.errors import StoreUnavailable
from treeledger.ledger import Ledger
from treeledger.model import HashState, OperationType, RecordState
from treeledger.plugins.sqlite import session as sqlite_session
from treeledger.settle import Settle
from treeledger.survey import Surveyed, Task
from treeledger.wall_clock import local_now

pytestmark = pytest.mark.anyio
WATCHING = RepositoryState.WATCHING
HOUR = 3600


@pytest.fixture(autouse=True)
def quiet_log(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    yield
    assert [record.getMessage() for record in caplog.records if record.exc_info] == []


@pytest.fixture
async def polled(tmp_path: Path, store_url: str) -> AsyncIterator[Tree]:
    """A tree whose events are polled for."""
    config = tmp_path / "plugins.toml"
    config.write_text('[plugins.polling]\ninterval = "1s"\n')
    root = tmp_path / "tree"
    root.mkdir()
    environ = {**os.environ, "TREELEDGER_CONFIG": str(config)}
    async with Ledger.open(store=store_url, environ=environ) as ledger:
        tree = Tree(root, ledger)
        tree.repository = await ledger.add_repository(root, settings={"file_watcher": {"source": "polling"}})
        yield tree


class Reads:
    """Counts the contents that workers read, by path."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, seconds: float = 0.0) -> None:
        self.paths: list[str] = []
        self._read = worker.read
        self._seconds = seconds
        monkeypatch.setattr(worker, "read", self)

    def __call__(self, spec: Any, wanted: Sequence[Any], *rest: Any) -> Any:
        self.paths += [path for path, _ in wanted]
        time.sleep(self._seconds)
        return self._read(spec, wanted, *rest)


@fault(
    "chmod -R and cp -al change the ctime of 5,000 files",
    "every stat is recorded, no content is read, and a real change meanwhile is recorded at once",
)
async def test_ctime_storm(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("treeledger.engine.chores._VERIFY_REST", HOUR)  # what is read in the end is read then
    await anyio.to_thread.run_sync(_many, tree.root, 5000)
    one = Heard(tree)
    async with one.running():
        await one.until(WATCHING)
        await until_equal(tree)
        known = len(await tree.journal())
        reads = Reads(monkeypatch)
        outside = tree.root.parent / "outside"
        storm = f"cp -al {tree.root} {outside}; chmod -R o-r {tree.root}"
        process = await anyio.open_process(["sh", "-c", storm])
        tree.write("real", "change")
        await tree.until_present("real")
        await process.wait()
        await process.aclose()

        async def is_noted() -> bool:
            last = await tree.record("d49/4999")
            if last is None or last.stat.mode & 0o004:
                return False
            records = (await tree.present()).values()
            return all(record.stat.mode & 0o004 == 0 for record in records if record.path != "real")

        await until(is_noted, "all modes", 2 * WITHIN)
        await until_equal(tree)
        assert set(reads.paths) == {"real"}
        assert {entry.path for entry in (await tree.journal())[known:]} == {"real"}
        states = {record.hash_state for record in (await tree.present()).values() if record.path != "real"}
        assert states == {HashState.VERIFY}
    await assert_in_order(tree)


def _many(root: Path, count: int) -> None:
    for number in range(count):
        folder = root / f"d{number // 100}"
        if number % 100 == 0:
            folder.mkdir(parents=True)
        (folder / str(number)).write_bytes(b"%d" % number)


@fault(
    "a log whose hashing takes long is appended to without a pause",
    "it is hashed at growing intervals, not at every append, and rightly in the end",
)
async def test_busy_log(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("treeledger.engine.hashes.SMALL_FILE", 1000)
    monkeypatch.setattr("treeledger.engine.inspector.SMALL_FILE", 1000)
    log = tree.write("log", "x" * 2000)
    one = Heard(tree)
    async with one.running():
        await one.until(WATCHING)
        await until_equal(tree)
        reads, appends = Reads(monkeypatch, seconds=0.2), 0
        begun, took = anyio.current_time(), 0.0
        with anyio.fail_after(2 * WITHIN):
            while took < 2.5 or appends <= 50 or not reads.paths:
                _append(log)
                appends += 1
                await anyio.sleep(0.01)
                took = anyio.current_time() - begun
        assert len(reads.paths) <= max(5, 2 * took)
        await until_equal(tree)
    await assert_in_order(tree)


def _append(file: Path) -> None:
    with file.open("a") as opened:
        opened.write("one more line\n")


class Away:
    """A store whose `apply` fails until it is back."""

    def __init__(self, tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
        self.is_away, self.refused = False, 0
        self._apply = tree.ledger.store.apply
        monkeypatch.setattr(tree.ledger.store, "apply", self._call)

    async def _call(self, *arguments: Any, **options: Any) -> Any:
        if self.is_away:
            self.refused += 1
            raise StoreUnavailable("the store is away")
        return await self._apply(*arguments, **options)


@fault(
    "the store is away while more happens than may wait",
    "what is heard is kept, collapses into dirty subtrees, and is all recorded once it is back",
)
async def test_store_away(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("treeledger.engine.hearing.Settle", partial(Settle, limit=100))
    waiting: list[int] = []  # after each batch that was heard
    observe = Settle.observe

    def observed(settle: Settle, *arguments: Any) -> None:
        observe(settle, *arguments)
        waiting.append(len(settle))

    monkeypatch.setattr(Settle, "observe", observed)
    await anyio.to_thread.run_sync(_many, tree.root, 500)
    one, away = Heard(tree), Away(tree, monkeypatch)
    async with one.running():
        await one.until(WATCHING)
        await until_equal(tree)
        away.is_away = True
        tree.write("first")
        await until(_so(lambda: away.refused), "the store refusing")
        await anyio.to_thread.run_sync(_change_all, tree.root)
        await until(_so(lambda: one.reader()._events >= 1000 and waiting), "all heard")
        assert max(waiting) <= 200
        away.is_away = False
        await until_equal(tree)
    await assert_in_order(tree)


def _change_all(root: Path) -> None:
    for path in sorted(root.rglob("*")):
        if path.is_file():
            path.write_text(f"changed {path.name}")
    (root / "d0/0").unlink()
    os.rename(root / "d1", root / "moved")


def _so(condition: Any) -> Any:
    async def ask() -> bool:
        return bool(condition())

    return ask


@fault(
    "new folders come while a scan of the whole tree is running",
    "they are scanned and recorded before it ends",
)
async def test_a_subtree_does_not_wait_for_a_full_scan(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    tree.write("known")
    begun, go_on, survey = threading.Event(), threading.Event(), worker.survey

    def slow(spec: Any, task: Task, ledger: Any) -> Surveyed:
        found = survey(spec, task, ledger)
        if not task.prefix:
            begun.set()
            go_on.wait(60)
        return found

    one = Heard(tree)
    async with one.running():
        await one.until(WATCHING)
        monkeypatch.setattr(worker, "survey", slow)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(tree.ledger.trigger_reconciliation, tree.repository.id)
            try:
                await until(_so(begun.is_set), "the scan, which covers what was dirty before it")
                await tree.ledger.store.mark_dirty(tree.repository.id, [("", "a loss")])
                subtrees = one.keeper._watching._subtrees
                await until(_so(lambda: subtrees.whole_is_dirty), "the whole tree left to the next full scan")
                tree.write("new/deep/file")
                await tree.until_present("new/deep/file")
                assert one.keeper.state is RepositoryState.SCANNING
            finally:
                go_on.set()
        await one.until(WATCHING)
        await until(_unmarked(tree), "no mark left")
        await until_equal(tree)
    await assert_in_order(tree)


def _unmarked(tree: Tree) -> Any:
    async def ask() -> bool:
        return not await tree.ledger.store.dirty(tree.repository.id)

    return ask


@fault(
    "a polled tree whose scan takes longer than the interval",
    "one scan runs at a time, and every change is recorded",
)
async def test_slow_polling(polled: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = _Steps()
    monkeypatch.setattr("treeledger.plugins.polling.time", clock)
    running, most = 0, 0
    survey = worker.survey

    def slow(spec: Any, task: Task, ledger: Any) -> Surveyed:
        nonlocal running, most
        running += 1
        most = max(most, running)
        clock.step(5)  # five intervals
        found = survey(spec, task, ledger)
        running -= 1
        return found

    monkeypatch.setattr(worker, "survey", slow)
    one = Heard(polled)
    async with one.running():
        await one.until(WATCHING)
        for number in range(3):
            polled.write(f"d/{number}", str(number))
            clock.step(100)
            await until_equal(polled)
    operations = await polled.ledger.sync_operations(polled.repository.id, limit=100)
    assert most == 1
    assert len([one for one in operations if one.type is OperationType.REALTIME]) <= 8
    await assert_in_order(polled)


class _Steps:
    """A monotonic clock that can be moved on."""

    def __init__(self) -> None:
        self._ahead = 0.0

    def step(self, seconds: float) -> None:
        self._ahead += seconds

    def monotonic(self) -> float:
        return time.monotonic() + self._ahead


class _Wall:
    """A wall clock that jumps; the machine's own is left alone.

    It begins in the middle of an hour: nothing becomes due but by its jumps.
    """

    def __init__(self) -> None:
        self.offset = timedelta(minutes=30 - local_now().minute)
        self.asked = 0

    def __call__(self) -> datetime:
        self.asked += 1
        return local_now() + self.offset

    async def until_asked(self) -> None:
        """Until somebody has looked at it a few times more."""
        before = self.asked
        await until(_so(lambda: self.asked > before + 5), "a look at the clock")


@fault(
    "the wall clock jumps by hours, forward and back, while a scan is scheduled",
    "the scan runs once at its time: none is left out, and none follows another",
)
@pytest.mark.parametrize(
    "schedule", [{"interval": "3h"}, {"schedule": "0 */3 * * *"}], ids=["interval", "cron"]
)
async def test_clock_and_schedule(
    tmp_path: Path, store_url: str, schedule: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    wall = _Wall()
    monkeypatch.setattr("treeledger.engine.planner.local_now", wall)
    monkeypatch.setattr("treeledger.engine.scans._CLOCK_CHECK", 0.02)
    root = tmp_path / "tree"
    root.mkdir()
    async with Ledger.open(store=store_url, environ={**os.environ, "TREELEDGER_CONFIG": ""}) as ledger:
        tree = Tree(root, ledger)
        tree.repository = await ledger.add_repository(root, settings={"reconciliation": schedule})

        async def reconciliations() -> int:
            operations = await ledger.sync_operations(tree.repository.id, limit=100)
            return len([one for one in operations if one.type is OperationType.RECONCILIATION])

        async def until_ran(times: int) -> None:
            await until(partial(_equals, reconciliations, times), f"{times} reconciliations")
            await wall.until_asked()
            assert await reconciliations() == times

        one = Heard(tree)
        async with one.running():
            await one.until(WATCHING)
            wall.offset += timedelta(hours=50)
            await until_ran(1)
            wall.offset -= timedelta(hours=40)
            await until_ran(1)
            wall.offset += timedelta(hours=4)
            await until_ran(2)
        await assert_in_order(tree)


async def _equals(number: Any, wanted: int) -> bool:
    return bool(await number() == wanted)


@fault(
    "the clock of the store jumps by hours, forward and back",
    "the engine keeps its lease, records what happens, and deletes what is gone",
)
@pytest.mark.parametrize("hours", [5, -5])
async def test_clock_of_the_store(tmp_path: Path, hours: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("treeledger.engine.engine.LEASE_SECONDS", 3.0)  # renewed every second
    clock = _StoreClock()
    monkeypatch.setattr(sqlite_session, "time", clock)
    root = tmp_path / "tree"
    root.mkdir()
    environ = {**os.environ, "TREELEDGER_CONFIG": ""}
    async with Ledger.open(store=f"sqlite:{tmp_path / 'state/ledger.db'}", environ=environ) as ledger:
        tree = Tree(root, ledger)
        tree.repository = await ledger.add_repository(root)
        for name in ("kept", "gone before", "gone after"):
            tree.write(name)
        one = Heard(tree)
        async with one.running():
            await one.until(WATCHING)
            (root / "gone before").unlink()
            await until(partial(_is_noticed, tree, "gone before"), "that it is gone is noticed")
            clock.offset = hours * HOUR * 10**9
            tree.write("new")
            await tree.until_present("new")
            await tree.until_state("gone before", RecordState.DELETED)
            (root / "gone after").unlink()
            await tree.until_state("gone after", RecordState.DELETED)
            await until_equal(tree)
            assert [said for said in one.said if said.state is RepositoryState.DEGRADED] == []
        await assert_in_order(tree)


async def _is_noticed(tree: Tree, path: str) -> bool:
    return await tree.state(path) is not RecordState.PRESENT


class _StoreClock:
    def __init__(self) -> None:
        self.offset = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(time, name)

    def time_ns(self) -> int:
        return time.time_ns() + self.offset
