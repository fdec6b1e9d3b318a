"""Actions are given every change at least once, ordered ones in order, whatever dies or is away meanwhile."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from queue import Queue
from typing import Any, cast
from uuid import UUID, uuid4

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st
from receiver import Receiver, receiving
from support import tree_on

from treeledger.engine import actions
from treeledger.engine.actions import ActionRunner, Pace
from treeledger.engine.alarm import Alarm
from treeledger.errors import CursorExpired, PermanentFailure, RetryLater, StoreUnavailable
from treeledger.model import (
    Change,
    ChangeKind,
    Cursor,
    FileRecord,
    FileStat,
    Job,
    JobState,
    JournalEntry,
    NewJob,
    Repository,
)
from treeledger.plugins.sqlite import stores
from treeledger.plugins.webhook import Options, Webhook
from treeledger.protocols import Action, Store, StoreOptions

pytestmark = pytest.mark.anyio

FAST = Pace(nap=3600, first_retry=0.01)  # so that nothing is found by chance
HERE = "this-host:1"
LONG = 60.0  # seconds that anything may take on a busy machine; what is put off is put off for longer


class Ledger:
    """A real store with some repositories to which files are added."""

    def __init__(self, store: Store, path: Path) -> None:
        self.store = store
        self.path = path
        self._leases: dict[str, Any] = {}

    async def add(self, *paths: str, repository: str = "photos") -> None:
        if repository not in self._leases:
            new = Repository(uuid4(), repository, "this-host", f"/data/{repository}")
            made = await self.store.add_repository(new)
            self._leases[repository] = await self.store.claim(made.id, HERE, 600)
        lease = self._leases[repository]
        stat = FileStat(1, 1, 1, 1, 1, 0o100644)
        records = [FileRecord(0, lease.repository_id, path, stat) for path in paths]
        await self.store.apply(lease, [Change(ChangeKind.ADDED, None, record) for record in records])

    async def jobs(self, state: JobState | None = None) -> list[Job]:
        return await self.store.jobs(state=state, limit=100)

    async def is_worked_off(self) -> bool:
        """Whether the journal is read to its end and no job is left but dead ones."""
        head, cursor = await self.store.head(), await self.store.action_cursor("phone")
        return cursor == head and all(job.state is JobState.DEAD for job in await self.jobs())


@pytest.fixture
async def ledger(tmp_path: Path) -> AsyncIterator[Ledger]:
    made = stores(StoreOptions(f"sqlite:{tmp_path}/ledger.db"))
    assert made is not None
    await made.open()
    try:
        yield Ledger(made, tmp_path / "ledger.db")
    finally:
        await made.aclose()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    with anyio.fail_after(LONG):
        while not await condition():  # noqa: ASYNC110 (nobody is told of jobs)
            await anyio.sleep(0.005)


async def until_true(condition: Callable[[], bool]) -> None:
    async def check() -> bool:
        return condition()

    await until(check)


@asynccontextmanager
async def running(
    store: Store, action: Action, pace: Pace = FAST, before: Callable[[str], object] = str
) -> AsyncIterator[None]:
    """An action under way, past its start: what is added from now on is its concern.

    `before` is called with the name of each method of the store that the runner calls.
    """

    async def has_started() -> bool:
        return await store.action_cursor("phone") is not None

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ActionRunner(cast(Store, Fronted(store, before)), action, HERE, pace).run)
        await until(has_started)
        yield
        tasks.cancel_scope.cancel()


async def test_a_new_action_has_its_place_in_the_journal_before_anything_is_kept(tmp_path: Path) -> None:
    config = tmp_path / "plugins.toml"
    config.write_text('[plugins.phone]\nuse = "webhook"\nurl = "http://127.0.0.1:9/"\n')
    config.chmod(0o600)
    async with tree_on(tmp_path / "tree", f"sqlite:{tmp_path}/ledger.db", config=config) as tree:
        head = await tree.ledger.store.head()
        async with tree.ledger.started():
            assert await tree.ledger.store.action_cursor("phone") == head


def phone(receiver: Receiver, **options: Any) -> Webhook:
    repositories = options.pop("repositories", ())
    return Webhook("phone", Options(url=receiver.url, **options), repositories)


def paths(receiver: Receiver) -> list[str]:
    return [change["path"] for delivery in receiver.deliveries for change in delivery.json["changes"]]


class Probe:
    """An action that does what a test tells it."""

    name = "phone"

    def __init__(self, do: Callable[[Job], Awaitable[None]], *, ordered: bool = False) -> None:
        self.do = do
        self.ordered = ordered

    async def run(self, job: Job) -> None:
        await self.do(job)

    def plan(self, entries: Sequence[JournalEntry], known: Mapping[UUID, Repository]) -> list[NewJob]:
        return [NewJob(entry.path, {}) for entry in entries]


class Fronted:
    """A store in front of which something is done before each call."""

    def __init__(self, store: Store, before: Callable[[str], object]) -> None:
        self._store = store
        self._before = before

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._store, name)

        async def call(*args: Any, **kwargs: Any) -> Any:
            self._before(name)
            return await method(*args, **kwargs)

        return call


# --- delivery ------------------------------------------------------------------------------------


async def test_changes_arrive_in_order_with_the_name_of_their_repository(
    ledger: Ledger, receiver: Receiver
) -> None:
    async with running(ledger.store, phone(receiver, batch=2)):
        await ledger.add("a", "b", "c")
        await ledger.add("d", repository="documents")
        await until(ledger.is_worked_off)
    assert paths(receiver) == ["a", "b", "c", "d"]
    ns = [n for delivery in receiver.deliveries for n in delivery.ns]
    assert ns == sorted(ns)
    names = [change["repository"] for delivery in receiver.deliveries for change in delivery.json["changes"]]
    assert names == ["photos", "photos", "photos", "documents"]


async def test_a_new_action_starts_with_the_next_change_and_then_where_it_left_off(
    ledger: Ledger, receiver: Receiver
) -> None:
    await ledger.add("old")
    async with running(ledger.store, phone(receiver)):
        await ledger.add("new")
        await until(ledger.is_worked_off)
    await ledger.add("meanwhile")
    async with running(ledger.store, phone(receiver)):
        await until(ledger.is_worked_off)
    assert paths(receiver) == ["new", "meanwhile"]


async def test_it_is_given_only_the_repositories_that_it_names(
    ledger: Ledger, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    await ledger.add("0")
    async with running(ledger.store, phone(receiver, repositories=("photos", "document"))):
        await ledger.add("d", repository="documents")
        await ledger.add("p")
        await ledger.add("e", repository="documents")
        await until(ledger.is_worked_off)
    assert paths(receiver) == ["p"]
    assert "phone: there is no repository 'document'" in caplog.text


# --- failures ------------------------------------------------------------------------------------


async def test_later_changes_wait_while_a_delivery_is_tried_again(ledger: Ledger, receiver: Receiver) -> None:
    receiver.answers.extend([(204, {}), (503, {}), (500, {})])
    async with running(ledger.store, phone(receiver, batch=1)):
        await ledger.add("a", "b", "c", "d")
        await until(ledger.is_worked_off)
    assert paths(receiver) == ["a", "b", "b", "b", "c", "d"]


async def test_what_is_refused_for_good_is_dead_at_once_and_lets_the_rest_pass(
    ledger: Ledger, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    receiver.answers.append((410, {}))
    async with running(ledger.store, phone(receiver, batch=1)):
        await ledger.add("a", "b")
        await until(ledger.is_worked_off)
        assert paths(receiver) == ["a", "b"]
        [dead] = await ledger.jobs()
        assert (dead.state, dead.tries) == (JobState.DEAD, 1)
        assert dead.last_error is not None
        assert "answered 410 Gone" in dead.last_error
        assert dead.last_error in caplog.text


async def test_a_dead_delivery_can_be_tried_again(ledger: Ledger, receiver: Receiver) -> None:
    receiver.answers.append((401, {}))
    async with running(ledger.store, phone(receiver), Pace(nap=0.01)):
        await ledger.add("a")
        await until(ledger.is_worked_off)
        [dead] = await ledger.jobs()
        assert await ledger.store.retry_jobs([dead.id]) == 1
        await until(ledger.is_worked_off)
    assert paths(receiver) == ["a", "a"]
    assert await ledger.jobs() == []


async def test_after_the_last_try_a_job_is_dead(ledger: Ledger, receiver: Receiver) -> None:
    receiver.answers.extend([(503, {})] * 3)
    async with running(ledger.store, phone(receiver), Pace(nap=3600, first_retry=0.01, most_tries=3)):
        await ledger.add("a")
        await until(ledger.is_worked_off)
    [dead] = await ledger.jobs(JobState.DEAD)
    assert dead.tries == len(receiver.deliveries) == 3


async def test_a_job_of_an_action_without_order_is_overtaken(ledger: Ledger) -> None:
    done: list[str] = []

    async def run(job: Job) -> None:
        if job.key == "a" and len(done) < 2:
            raise OSError("not yet")
        done.append(job.key)

    async with running(ledger.store, Probe(run)):
        await ledger.add("a", "b", "c")
        await until(ledger.is_worked_off)
    assert done == ["b", "c", "a"]


async def test_whatever_an_action_raises_is_kept_in_one_safe_line(ledger: Ledger) -> None:
    async def run(job: Job) -> None:
        raise PermanentFailure("\udcff\0\nx" * 1000)

    async with running(ledger.store, Probe(run)):
        await ledger.add("a")
        await until(ledger.is_worked_off)
    [dead] = await ledger.jobs()
    assert dead.last_error is not None
    assert dead.last_error.startswith(r"\udcff\x00\x0ax")
    assert len(dead.last_error) <= 500


async def test_a_plan_that_fails_is_made_again_and_nothing_is_left_out(
    ledger: Ledger, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    failures = iter([ValueError("first"), KeyError("second")])

    class Forgetful(Webhook):
        def plan(self, entries: Sequence[JournalEntry], known: Mapping[UUID, Repository]) -> list[NewJob]:
            for error in failures:
                raise error
            return super().plan(entries, known)

    async with running(ledger.store, Forgetful("phone", Options(url=receiver.url))):
        await ledger.add("a", "b")
        await until(ledger.is_worked_off)
    assert paths(receiver) == ["a", "b"]
    assert caplog.text.count("phone: cannot plan") == 2


# --- what dies or is away ------------------------------------------------------------------------


CHILD = """
import sys, anyio
from treeledger.engine.actions import ActionRunner, Pace
from treeledger.plugins.sqlite import stores
from treeledger.plugins.webhook import Options, Webhook
from treeledger.protocols import StoreOptions

async def main(url, path):
    store = stores(StoreOptions(f"sqlite:{path}"))
    await store.open()
    await ActionRunner(store, Webhook("phone", Options(url=url, batch=1)), "dead:1", Pace(lease=1.0)).run()

anyio.run(main, *sys.argv[1:])
"""


async def test_a_kill_between_delivery_and_note_repeats_it_and_loses_nothing(
    ledger: Ledger, receiver: Receiver
) -> None:
    await ledger.store.plan_jobs("phone", await ledger.store.head(), [], after=None)
    await ledger.add("a", "b", "c")
    pids: Queue[int] = Queue()
    receiver.answers.extend([(204, {}), lambda: os.kill(pids.get(timeout=LONG), signal.SIGKILL)])
    command = [sys.executable, "-c", CHILD, receiver.url, str(ledger.path)]
    async with await anyio.open_process(command, stdout=None, stderr=None) as child:
        pids.put(child.pid)
        with anyio.fail_after(LONG):
            assert await child.wait() == -signal.SIGKILL
    assert paths(receiver) == ["a", "b"]
    async with running(ledger.store, phone(receiver, batch=1), Pace(nap=0.05)):
        await until(ledger.is_worked_off)
    assert paths(receiver) == ["a", "b", "b", "c"]


async def test_a_job_that_is_interrupted_in_order_is_given_back(
    ledger: Ledger, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(actions, "_GRACE", LONG)
    answer = threading.Event()
    receiver.answers.append(lambda: answer.wait(LONG))
    async with running(ledger.store, phone(receiver)):
        await ledger.add("a")
        await until_true(lambda: len(receiver.deliveries) == 1)
    answer.set()
    [job] = await ledger.jobs()
    assert (job.state, job.last_error) == (JobState.WAITING, "interrupted")
    async with running(ledger.store, phone(receiver)):
        await until(ledger.is_worked_off)
    assert paths(receiver) == ["a", "a"]


async def test_a_store_that_is_away_now_and_then_costs_no_change(ledger: Ledger, receiver: Receiver) -> None:
    called: dict[str, int] = {}

    def before(name: str) -> None:
        called[name] = called.get(name, 0) + 1
        if called[name] % 2:
            raise StoreUnavailable(f"{name}: away")

    receiver.answers.append((503, {}))
    async with running(ledger.store, phone(receiver, batch=1), before=before):
        await ledger.add("a", "b")
        await until(ledger.is_worked_off)
        every = {"head", "changes", "wait", "plan_jobs", "claim_jobs", "finish_jobs", "fail_job"}
        await until_true(lambda: called.keys() >= every)
    assert paths(receiver) == ["a", "a", "b"]


async def test_a_cursor_of_another_history_starts_afresh_and_says_so(
    ledger: Ledger, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    await ledger.add("old")
    await ledger.store.plan_jobs("phone", Cursor("another", 0), [], after=None)
    async with running(ledger.store, phone(receiver)):
        await until(ledger.is_worked_off)
        await ledger.add("new")
        await until(ledger.is_worked_off)
    assert paths(receiver) == ["new"]
    assert "phone: the journal cannot be read on from another:0" in caplog.text


async def test_a_cursor_that_expires_starts_afresh_and_says_so(
    ledger: Ledger, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    expired = iter([CursorExpired("gone")])

    def before(name: str) -> None:
        if name == "changes":
            for error in expired:
                raise error

    async with running(ledger.store, phone(receiver), before=before):
        await until_true(lambda: "the journal cannot be read on" in caplog.text)
        await until(ledger.is_worked_off)
        await ledger.add("new")
        await until(ledger.is_worked_off)
    assert paths(receiver) == ["new"]


async def test_a_long_job_keeps_its_lease(ledger: Ledger) -> None:
    async def run(job: Job) -> None:
        renewed = 0
        until_then = job.lease_until
        while renewed < 3:
            [now] = await ledger.jobs(JobState.RUNNING)
            assert (now.tries, now.key) == (1, "a")
            renewed += now.lease_until != until_then
            until_then = now.lease_until
            await anyio.sleep(0.005)

    async with running(ledger.store, Probe(run), Pace(nap=3600, lease=0.3)):
        await ledger.add("a")
        await until(ledger.is_worked_off)


# --- pace ----------------------------------------------------------------------------------------


async def test_it_looks_for_jobs_only_when_there_may_be_one(ledger: Ledger, receiver: Receiver) -> None:
    calls: list[str] = []
    receiver.answers.append((503, {}))
    async with running(ledger.store, phone(receiver, batch=1), before=calls.append):
        for path in "abc":
            await ledger.add(path)
            await until(ledger.is_worked_off)
    claims, finished = calls.count("claim_jobs"), calls.count("finish_jobs")
    assert finished == 3
    assert claims <= 1 + 2 * 3 + 2  # at the start; each job and then none; the retry and a look before it


@given(st.integers(1, 10_000), st.floats(0, 1e9))
def test_a_delay_grows_within_bounds_and_heeds_wishes(tries: int, wish: float) -> None:
    pace = Pace()
    delay = pace.delay(tries, wish)
    backoff = min(pace.first_retry * 2 ** min(tries - 1, 60), pace.longest_retry)
    assert min(wish, 86400) <= delay or wish < backoff
    assert backoff / 2 <= delay <= max(backoff, min(wish, 86400))


def test_the_default_pace_tries_for_about_a_day() -> None:
    pace = Pace()
    seconds = sum(pace.delay(tries) for tries in range(1, pace.most_tries))
    assert 16 * 3600 < seconds < 32 * 3600


async def test_a_wish_to_be_tried_later_is_heeded(ledger: Ledger) -> None:
    async def run(job: Job) -> None:
        raise RetryLater("busy", 1000)

    async def has_failed() -> bool:
        return any(job.last_error for job in await ledger.jobs(JobState.WAITING))

    async with running(ledger.store, Probe(run, ordered=True)):
        await ledger.add("a")
        await until(has_failed)
    [job] = await ledger.jobs()
    assert job.last_error == "busy"
    assert (job.not_before - job.created_at).total_seconds() >= 1000


class TestAlarm:
    async def test_it_wakes_at_once_for_a_time_that_came_while_nobody_slept(self) -> None:
        alarm = Alarm()
        alarm.set(0)
        with anyio.fail_after(LONG):
            await alarm.wait(3600)
        with anyio.move_on_after(0.02) as scope:
            await alarm.wait(3600)
        assert scope.cancelled_caught  # once only

    async def test_it_wakes_for_each_of_several_times_the_next_one_first(self) -> None:
        alarm = Alarm()
        start = anyio.current_time()
        woke: list[float] = []

        async def sleep() -> None:
            while not woke or woke[-1] < 0.03:  # once is enough for times that are over together
                await alarm.wait(3600)
                woke.append(anyio.current_time() - start)

        with anyio.fail_after(LONG):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(sleep)
                await anyio.wait_all_tasks_blocked()
                alarm.set(1000)
                alarm.set(0.01)
                alarm.set(0.03)
        assert woke[0] >= 0.01
        assert len(woke) <= 2

    async def test_it_is_at_rest_until_then(self) -> None:
        alarm = Alarm()
        alarm.set(1000)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(alarm.wait, 3600)
            with anyio.fail_after(LONG):
                await anyio.wait_all_tasks_blocked()
            tasks.cancel_scope.cancel()

    async def test_it_sleeps_no_longer_than_it_may(self) -> None:
        alarm = Alarm()
        alarm.set(1000)
        with anyio.fail_after(LONG):
            await alarm.wait(0.01)


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "treeledger")
