"""`treeledger jobs`: the work of actions that waits, runs or is dead."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any, Final

from treeledger.cli.options import Options
from treeledger.cli.places import say
from treeledger.cli.render import print_json, table, when
from treeledger.cli.run import with_unlocked
from treeledger.errors import UsageError
from treeledger.model import Job, JobState
from treeledger.names import shown
from treeledger.units import show_count
from treeledger.unlocked import UnlockedLedger

_ALL: Final = 1_000_000
_STATE_FIRST: Final = {JobState.DEAD: 0, JobState.RUNNING: 1, JobState.WAITING: 2}


def run(options: Options) -> int:
    actions = {"list": _list, "show": _show, "retry": _retry, "clear": _clear}
    return with_unlocked(options, actions[options.given.action])


async def _list(ledger: UnlockedLedger, options: Options) -> int:
    limit = options.given.n
    if limit < 1:
        raise UsageError("-n: write a number from 1 on")
    jobs = await ledger.store.jobs(action=options.given.of, limit=limit)
    jobs.sort(key=lambda job: (_STATE_FIRST[job.state], job.id))
    if options.json:
        for job in jobs:
            print_json(job_json(job))
    elif jobs:
        now = datetime.now(UTC)
        headers = ("Id", "Action", "Job", "State", "Tries", "Not before", "Error")
        table(headers, [_row(job, now) for job in jobs], right=(0, 4))
        if len(jobs) == limit:
            say(options, f"perhaps more: only {show_count(limit)} were asked for (-n)")
    else:
        say(options, "no jobs")
    return 0


def _row(job: Job, now: datetime) -> tuple[str, ...]:
    error = (job.last_error or "").partition("\n")[0]
    state = job.state.value
    return (
        str(job.id),
        job.action,
        shown(job.key),
        state,
        str(job.tries),
        when(job.not_before, now),
        shown(error),
    )


def job_json(job: Job) -> dict[str, Any]:
    """A job as `jobs --json` gives it."""
    return {
        "id": job.id,
        "action": job.action,
        "key": job.key,
        "state": job.state.value,
        "priority": job.priority,
        "tries": job.tries,
        "not_before": job.not_before,
        "lease_until": job.lease_until,
        "last_error": job.last_error,
        "created_at": job.created_at,
        "payload": job.payload,
    }


async def _show(ledger: UnlockedLedger, options: Options) -> int:
    jobs = await ledger.store.jobs(limit=_ALL)
    job = next((job for job in jobs if job.id == options.given.id), None)
    if job is None:
        raise UsageError(f"there is no job {options.given.id}; done ones are not kept. See: treeledger jobs")
    if options.json:
        print_json(job_json(job))
        return 0
    for name, value in job_json(job).items():
        if isinstance(value, dict):
            value = json.dumps(value, ensure_ascii=False)
        if value is not None:
            print(f"{name + ':':<12} {shown(str(value))}")
    return 0


async def _retry(ledger: UnlockedLedger, options: Options) -> int:
    ids = await _ids(ledger, options)
    return _say_done(options, "tried again now", ids, await ledger.store.retry_jobs(ids) if ids else 0)


async def _clear(ledger: UnlockedLedger, options: Options) -> int:
    ids = await _ids(ledger, options)
    return _say_done(options, "dropped", ids, await ledger.store.clear_jobs(ids) if ids else 0)


async def _ids(ledger: UnlockedLedger, options: Options) -> list[int]:
    """The jobs that were named; all that are dead if none was."""
    if options.given.ids:
        return list(dict.fromkeys(options.given.ids))
    return [job.id for job in await ledger.store.jobs(state=JobState.DEAD, limit=_ALL)]


def _say_done(options: Options, what: str, ids: list[int], done: int) -> int:
    if options.json:
        print_json({"asked": len(ids), "done": done})
    elif not ids:
        say(options, "no dead jobs")
    elif not options.quiet:
        running = f"; {show_count(len(ids) - done)} are running, or gone" if done < len(ids) else ""
        print(f"{show_count(done)} {what}{running}")
    return 1 if options.given.ids and not done else 0
