"""The work of actions: a durable cursor in the journal, and jobs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from itertools import chain
from operator import itemgetter

from treeledger.model import Cursor, Job, JobState, NewJob
from treeledger.plugins.sql.values import job_from, json_text
from treeledger.plugins.sql.work import Part, Query, Row, Work, ask, ask_together, each, run
from treeledger.protocols import JobCount


class Jobs(Part):
    async def action_cursor(self, action: str) -> Cursor | None:
        return await self.session.read(_cursor(action))

    async def plan_jobs(
        self, action: str, cursor: Cursor, jobs: Sequence[NewJob], *, after: Cursor | None
    ) -> bool:
        return await self.session.write(_plan(action, cursor, jobs, after))

    async def claim_jobs(
        self, action: str, owner: str, *, limit: int, seconds: float, ordered: bool = False
    ) -> list[Job]:
        ways = ("claim_oldest",) if ordered else ("claim_expired", "claim_waiting")
        return await self.session.write(_claim(ways, action, owner, limit, timedelta(seconds=seconds)))

    async def renew_jobs(self, jobs: Sequence[Job], seconds: float) -> list[Job]:
        return await self.session.write(_renew(jobs, timedelta(seconds=seconds))) if jobs else []

    async def finish_jobs(self, jobs: Sequence[Job]) -> None:
        if jobs:
            await self.session.write(
                each("finish_job", ("id", "tries"), [(job.id, job.tries) for job in jobs])
            )

    async def fail_job(self, job: Job, error: str, *, retry_in: float | None) -> None:
        work = _bury(job, error) if retry_in is None else _give_back(job, error, timedelta(seconds=retry_in))
        await self.session.write(work)

    async def jobs(
        self,
        *,
        action: str | None = None,
        state: JobState | None = None,
        limit: int,
        after: int = 0,
        brief: bool = False,
    ) -> list[Job]:
        return await self.session.read(_jobs(action, state, limit, after, brief))

    async def count_jobs(self) -> list[JobCount]:
        return await self.session.read(_count())

    async def retry_jobs(self, ids: Sequence[int]) -> int:
        return await self.session.write(_retry(ids))

    async def clear_jobs(self, ids: Sequence[int]) -> int:
        return await self.session.write(_clear(ids))

    async def prioritize_jobs(self, ids: Sequence[int], priority: int) -> int:
        return await self.session.write(_prioritize(ids, priority)) if ids else 0


def _cursor(action: str) -> Work[Cursor | None]:
    rows = yield from ask("action_cursor", action=action)
    return Cursor._make(rows[0]) if rows else None


def _plan(action: str, cursor: Cursor, jobs: Sequence[NewJob], after: Cursor | None) -> Work[bool]:
    given = {"action": action, "epoch": cursor.epoch, "n": cursor.n}
    if after is None:
        moved = yield from ask("new_cursor", **given)
    else:
        moved = yield from ask("move_cursor", **given, old_epoch=after.epoch, old_n=after.n)
    if not moved:
        return False
    rows = [
        (action, job.key, json_text(job.payload), job.priority, timedelta(seconds=job.delay)) for job in jobs
    ]
    yield from each("plan_job", ("action", "key", "payload", "priority", "delay"), rows)
    return True


def _claim(ways: Sequence[str], action: str, owner: str, limit: int, lease: timedelta) -> Work[list[Job]]:
    """What another owner let run out comes first, then what waits, highest priority first."""
    claimed: list[Job] = []
    for name in ways:
        if len(claimed) < limit:
            rows = yield from ask(name, action=action, owner=owner, limit=limit - len(claimed), lease=lease)
            claimed += map(job_from, rows)
    return sorted(claimed, key=lambda job: (-job.priority, job.not_before, job.id))


def _renew(jobs: Sequence[Job], lease: timedelta) -> Work[list[Job]]:
    renewed: list[Row] = []
    for job in jobs:
        renewed += yield from ask("renew_job", id=job.id, tries=job.tries, lease=lease)
    return [job_from(row) for row in renewed]


def _bury(job: Job, error: str) -> Work[None]:
    yield from run("bury_job", id=job.id, tries=job.tries, error=error)


def _give_back(job: Job, error: str, wait: timedelta) -> Work[None]:
    """A newer job with the same key replaces one that failed."""
    yield from run("lock_action", action=job.action)
    rows = yield from ask(
        "give_back_job",
        id=job.id,
        tries=job.tries,
        action=job.action,
        key=job.key,
        error=error,
        wait=wait,
    )
    if not rows:
        yield from run("finish_job", id=job.id, tries=job.tries)


def _jobs(action: str | None, state: JobState | None, limit: int, after: int, brief: bool) -> Work[list[Job]]:
    given = {"limit": limit, "after": after, "brief": brief}
    if state is None:
        rows = yield from ask("jobs", action=action, in_any_state=action is not None, **given)
        return [job_from(row) for row in rows]
    actions = [action] if action is not None else [name for (name,) in (yield from ask("actions"))]
    # those of each action: that is what there are indexes of
    queries = [Query("jobs", {"action": one, state.value: True, **given}) for one in actions]
    found = (yield from ask_together(*queries)) if queries else ()
    return [job_from(row) for row in sorted(chain.from_iterable(found), key=itemgetter(0))[:limit]]


def _count() -> Work[list[JobCount]]:
    rows = yield from ask("count_jobs")
    return sorted(JobCount(action, JobState(state), count) for action, state, count in rows)


def _retry(ids: Sequence[int]) -> Work[int]:
    """Of several dead jobs with one key the newest is tried again; the others are superseded and end."""
    yield from run("lock_action", action=None)
    retried = 0
    for id in sorted(ids, reverse=True):
        for action, key in (yield from ask("dead_job", id=id)):
            rows = yield from ask("revive_job", id=id, action=action, key=key)
            if not rows:
                yield from run("clear_job", id=id)
            retried += 1
    return retried


def _clear(ids: Sequence[int]) -> Work[int]:
    cleared = 0
    for id in ids:
        cleared += len((yield from ask("clear_job", id=id)))
    return cleared


def _prioritize(ids: Sequence[int], priority: int) -> Work[int]:
    return len((yield from ask("prioritize_jobs", ids=list(ids), priority=priority)))
