"""Running an action: a step of its cursor commits together with the jobs it calls for."""

from __future__ import annotations

import logging
import random
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Final, TypeVar
from uuid import UUID

import anyio
from anyio.abc import TaskStatus

from treeledger.config.reading import did_you_mean
from treeledger.engine.alarm import Alarm
from treeledger.engine.patience import delays, patiently, unsaid
from treeledger.errors import CursorExpired, PermanentFailure, RetryLater, StoreError, TreeledgerError
from treeledger.model import Cursor, Job, JournalEntry, Repository
from treeledger.names import shown
from treeledger.plugin_answers import ANYTHING
from treeledger.protocols import Action, Store

log = logging.getLogger(__name__)

_PAGE: Final = 1000  # journal entries in one step
_GRACE: Final = 1.0  # seconds to give back a job when the engine stops
_LONGEST_WISH: Final = 86400.0  # seconds that a job may put itself off
_LONGEST_ERROR: Final = 500  # characters kept of an error

T = TypeVar("T")
Outcome = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Pace:
    """How patient a runner is, in seconds. The defaults try a job for about a day."""

    lease: float = 60.0  # of a job; after a crash an ordered action waits as long
    nap: float = 10.0  # until a job that nobody announced is found
    first_retry: float = 5.0  # doubled with each further try
    longest_retry: float = 3600.0
    most_tries: int = 40

    def delay(self, tries: int, wish: float = 0.0) -> float:
        """Until the next try, the last half of it at random; longer if the job wishes so."""
        doublings = min(tries - 1, 60)
        backoff: float = min(self.first_retry * 2**doublings, self.longest_retry) * random.uniform(0.5, 1.0)
        return max(backoff, min(wish, _LONGEST_WISH))


_PACE: Final = Pace()


class ActionRunner:
    """Plans and works off the jobs of one action. Once it has begun nothing in the engine waits for it.

    Jobs are done at least once. One that fails is tried again with a growing delay; in the end it is
    dead and waits for a person. While a job of an ordered action is tried again, those after it wait; a
    dead one lets them pass.
    """

    def __init__(self, store: Store, action: Action, owner: str, pace: Pace = _PACE) -> None:
        self._store = store
        self._action = action
        self._owner = owner
        self._pace = pace
        self._alarm = Alarm()
        self._repositories: tuple[str, ...] = getattr(action, "repositories", ())
        self._ordered: bool = getattr(action, "ordered", False)
        self._known: dict[UUID, Repository] = {}

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Without end; `task_status` is told once every change from now on is passed on."""
        cursor = await self._start()
        task_status.started()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._plan_loop, cursor)
            tasks.start_soon(self._work_loop)

    def wake(self) -> None:
        """Looks for jobs at once."""
        self._alarm.set(0.0)

    # planning

    async def _plan_loop(self, cursor: Cursor) -> None:
        await self._check_names()
        while True:
            try:
                entries = await _insist(partial(self._store.changes, cursor.n, limit=_PAGE))
            except CursorExpired:
                cursor = await self._start_at_head(cursor)
                continue
            if entries:
                after, cursor = cursor, Cursor(cursor.epoch, entries[-1].n)
                if not await self._plan(entries, cursor, after):
                    cursor = await self._start()  # another engine planned these
            else:
                await _insist(partial(self._store.wait, cursor.n, 60.0))

    async def _check_names(self) -> None:
        names = {repository.name for repository in await _insist(self._store.repositories)}
        for name in self._repositories:
            if name not in names:
                hint = did_you_mean(name, names)
                log.warning("%s: there is no repository %r yet%s", self._action.name, name, hint)

    async def _start(self) -> Cursor:
        """Where the action left off; at the head for a new one, or if the ledger's history is another."""
        head = await _insist(self._store.head)
        cursor = await _insist(partial(self._store.action_cursor, self._action.name))
        if cursor is not None and cursor.epoch == head.epoch and cursor.n <= head.n:
            return cursor
        return await self._start_at_head(cursor)

    async def _start_at_head(self, lost: Cursor | None) -> Cursor:
        head = await _insist(self._store.head)
        if not await _insist(partial(self._store.plan_jobs, self._action.name, head, [], after=lost)):
            return await self._start()
        if lost is None:
            log.info("%s: is new; it starts with the change after %s", self._action.name, head)
        else:
            log.warning(
                "%s: the journal cannot be read on from %s; what was between is not passed on, "
                "it goes on after %s",
                *(self._action.name, lost, head),
            )
        return head

    async def _plan(self, entries: Sequence[JournalEntry], cursor: Cursor, after: Cursor) -> bool:
        """Has the action plan its jobs, until it can: nothing may be left out.

        False if the cursor is no longer where this engine had it.
        """
        for delay in delays(self._pace.first_retry, self._pace.longest_retry):
            try:
                return await self._plan_once(entries, cursor, after)
            except Exception:  # the plugin's own code, and data, may do anything
                log.exception("%s: cannot plan; trying again in %.0f s", self._action.name, delay)
            await anyio.sleep(delay)
        raise AssertionError("unreachable")

    async def _plan_once(self, entries: Sequence[JournalEntry], cursor: Cursor, after: Cursor) -> bool:
        repositories = await _insist(self._store.repositories)
        self._known |= {repository.id: repository for repository in repositories}
        wanted = [entry for entry in entries if self._wants(entry)]
        jobs = self._action.plan(wanted, self._known) if wanted else []
        planned = await _insist(partial(self._store.plan_jobs, self._action.name, cursor, jobs, after=after))
        for delay in {job.delay for job in jobs}:
            self._alarm.set(delay)
        return planned

    def _wants(self, entry: JournalEntry) -> bool:
        if not self._repositories:
            return True
        repository = self._known.get(entry.repository_id)
        return repository is not None and repository.name in self._repositories

    # working

    async def _work_loop(self) -> None:
        claim = partial(
            self._store.claim_jobs,
            *(self._action.name, self._owner),
            limit=1,
            seconds=self._pace.lease,
            ordered=self._ordered,
        )
        while True:
            jobs = await _insist(claim)
            for job in jobs:
                await self._work(job)
            if not jobs:
                await self._alarm.wait(self._pace.nap)

    async def _work(self, job: Job) -> None:
        """Does a job and notes what became of it; if the engine stops meanwhile, the job is given back."""
        outcome: Outcome = partial(self._store.fail_job, job, "interrupted", retry_in=0.0)
        try:
            outcome = await self._do(job)
            await _insist(outcome)
        except anyio.get_cancelled_exc_class():
            # If that fails too, the lease ends by itself.
            with anyio.move_on_after(_GRACE, shield=True), suppress(StoreError):
                await outcome()
            raise

    async def _do(self, job: Job) -> Outcome:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._keep, job)
            outcome = await self._try(job)
            tasks.cancel_scope.cancel()
        return outcome

    async def _keep(self, job: Job) -> None:
        while True:
            await anyio.sleep(self._pace.lease / 3)
            await _insist(partial(self._store.renew_jobs, [job], self._pace.lease))

    async def _try(self, job: Job) -> Outcome:
        try:
            await self._action.run(job)
        except ANYTHING as error:  # the plugin's own code ran: anything may come out
            return self._failed(job, error)
        return partial(self._store.finish_jobs, [job])

    def _failed(self, job: Job, error: Exception | SystemExit) -> Outcome:
        known = isinstance(error, TreeledgerError)
        words = shown(str(error) if known else f"{type(error).__name__}: {error}")[:_LONGEST_ERROR]
        if isinstance(error, PermanentFailure) or job.tries >= self._pace.most_tries:
            log.error("%s: %s is dead: %s", self._action.name, job.key, words)
            return partial(self._store.fail_job, job, words, retry_in=None)
        wait = self._pace.delay(job.tries, error.seconds if isinstance(error, RetryLater) else 0.0)
        log.warning("%s: %s failed, try %d: %s", self._action.name, job.key, job.tries, words)
        return partial(self._give_back, job, words, wait)

    async def _give_back(self, job: Job, words: str, wait: float) -> None:
        await self._store.fail_job(job, words, retry_in=wait)
        self._alarm.set(wait)


async def _insist(call: Callable[[], Awaitable[T]]) -> T:
    """The result of a store call, however long the store is away."""
    return await patiently(call, None, unsaid())
