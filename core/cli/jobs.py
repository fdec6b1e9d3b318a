"""`treeledger jobs`: the work of actions that waits, runs or is dead."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Final

from treeledger import wire
from treeledger.answers import JobsHandled
from treeledger.cli.options import Options
from treeledger.cli.places import say
from treeledger.cli.render import print_json, table, when
from treeledger.cli.run import with_unlocked
from treeledger.errors import UsageError
from treeledger.jobs import Handled, clear, job_of, retry
from treeledger.model import Job, JobState
from treeledger.names import shown
from treeledger.units import show_count
from treeledger.unlocked import UnlockedLedger

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
            print_json(wire.Job.of(job).fields())
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


async def _show(ledger: UnlockedLedger, options: Options) -> int:
    told = wire.Job.of(await job_of(ledger.store, options.given.id)).fields()
    if options.json:
        print_json(told)
        return 0
    for name, value in told.items():
        if isinstance(value, dict):
            value = json.dumps(value, ensure_ascii=False)
        if value is not None:
            print(f"{name + ':':<12} {shown(str(value))}")
    return 0


async def _retry(ledger: UnlockedLedger, options: Options) -> int:
    return _say_done(options, "tried again now", await retry(ledger.store, options.given.ids))


async def _clear(ledger: UnlockedLedger, options: Options) -> int:
    return _say_done(options, "dropped", await clear(ledger.store, options.given.ids))


def _say_done(options: Options, what: str, handled: Handled) -> int:
    asked, done = handled
    if options.json:
        print_json(JobsHandled.of(handled).fields())
    elif not asked:
        say(options, "no dead jobs")
    elif not options.quiet:
        running = f"; {show_count(asked - done)} are running, or gone" if done < asked else ""
        print(f"{show_count(done)} {what}{running}")
    return 1 if options.given.ids and not done else 0
