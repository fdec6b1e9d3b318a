"""Running an action: a step of its cursor commits together with the jobs it calls for."""

from __future__ import annotations

import logging
import random
from collections.abc import Sequence
from typing import Final

import anyio

from treeledger.engine.patience import patiently
from treeledger.errors import CursorExpired
from treeledger.model import Cursor, Job
from treeledger.protocols import Action, Store

log = logging.getLogger(__name__)

_PAGE: Final = 1000  # journal entries in one step
_JOBS: Final = 50
_LEASE: Final = 300.0  # seconds
_MOST_TRIES: Final = 8
_FIRST_RETRY: Final = 5.0
_LONGEST_RETRY: Final = 3600.0


class ActionRunner:
    """Plans and works off the jobs of one action. Nothing in the engine waits for it."""

    def __init__(self, store: Store, action: Action, owner: str) -> None:
        self._store = store
        self._action = action
        self._owner = owner

    async def run(self) -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._plan_loop)
            tasks.start_soon(self._work_loop)

    async def _plan_loop(self) -> None:
        cursor = await patiently(self._start, None)
        while True:
            try:
                entries = await patiently(lambda at=cursor.n: self._store.changes(at, limit=_PAGE), None)  # type: ignore[misc]
            except CursorExpired:
                cursor = await patiently(self._start_afresh, None)
                continue
            if not entries:
                await self._store.wait(cursor.n, 60.0)
                continue
            step = Cursor(cursor.epoch, entries[-1].n)
            jobs = self._action.plan(entries)
            await patiently(lambda: self._store.plan_jobs(self._action.name, step, jobs), None)
            cursor = step

    async def _start(self) -> Cursor:
        """Where the action left off; at the head for a new one, or if the ledger's history is another."""
        head = await self._store.head()
        cursor = await self._store.action_cursor(self._action.name)
        if cursor is not None and cursor.epoch == head.epoch and cursor.n <= head.n:
            return cursor
        return await self._start_afresh()

    async def _start_afresh(self) -> Cursor:
        head = await self._store.head()
        log.warning("%s: starts at the head of the journal, %s", self._action.name, head)
        await self._store.plan_jobs(self._action.name, head, [])
        return head

    async def _work_loop(self) -> None:
        while True:
            jobs = await patiently(self._claim, None)
            if not jobs:
                await anyio.sleep(1.0)
            for job in jobs:
                await self._work(job)

    async def _claim(self) -> Sequence[Job]:
        return await self._store.claim_jobs(self._action.name, self._owner, limit=_JOBS, seconds=_LEASE)

    async def _work(self, job: Job) -> None:
        try:
            await self._action.run(job)
        except Exception as error:
            await self._failed(job, error)
            return
        await patiently(lambda: self._store.finish_jobs([job]), None)

    async def _failed(self, job: Job, error: Exception) -> None:
        is_dead = job.tries >= _MOST_TRIES
        backoff = min(_FIRST_RETRY * 2 ** (job.tries - 1), _LONGEST_RETRY) * random.uniform(0.5, 1.0)
        log.warning("%s: %s failed: %s", self._action.name, job.key, error)
        words = f"{type(error).__name__}: {error}"
        await patiently(
            lambda: self._store.fail_job(job, words, retry_in=None if is_dead else backoff), None
        )
