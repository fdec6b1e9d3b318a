"""The queue: the jobs of actions that wait, run or are dead."""

from __future__ import annotations

from treeledger import wire
from treeledger.answers import JobsHandled
from treeledger.api.routes.common import id_in
from treeledger.api.routes.paging import page, place
from treeledger.api.routing import Asked, Page, Paged, Right, Route
from treeledger.api.service import Service
from treeledger.jobs import Handled, clear, job_of, retry
from treeledger.model import JobState
from treeledger.wire_asked import Jobs, JobsPriority, Number


class QueueQuery(Paged, frozen=True, kw_only=True):
    action: str | None = None
    state: JobState | None = None
    brief: bool = False


async def listed(service: Service, asked: Asked) -> Page[wire.Job]:
    query: QueueQuery = asked.query
    found = await service.ledger.store.jobs(
        action=query.action,
        state=query.state,
        limit=query.limit + 1,
        after=place(query, Number) or 0,
        brief=query.brief,
    )
    return page(found, query, wire.Job.of, lambda job: job.id)


async def one(service: Service, asked: Asked) -> wire.Job:
    return wire.Job.of(await job_of(service.ledger.store, id_in(asked)))


async def retry_jobs(service: Service, asked: Asked) -> JobsHandled:
    handled = await retry(service.ledger.store, asked.body.ids)
    service.job_counts.forget()
    service.engine.wake_actions()
    return JobsHandled.of(handled)


async def clear_jobs(service: Service, asked: Asked) -> JobsHandled:
    handled = await clear(service.ledger.store, asked.body.ids)
    service.job_counts.forget()
    return JobsHandled.of(handled)


async def prioritize(service: Service, asked: Asked) -> JobsHandled:
    ids = set(asked.body.ids)
    done = await service.ledger.store.prioritize_jobs(sorted(ids), asked.body.priority)
    return JobsHandled.of(Handled(len(ids), done))


ROUTES = (
    Route(
        "GET",
        "/api/queue",
        "The jobs of actions, oldest first",
        listed,
        Page[wire.Job],
        query=QueueQuery,
        tag="queue",
    ),
    Route("GET", "/api/queue/{id:int}", "One job", one, wire.Job, tag="queue"),
    Route(
        "POST",
        "/api/queue/retry",
        "Has dead jobs tried again now",
        retry_jobs,
        JobsHandled,
        body=Jobs,
        right=Right.ADMIN,
        tag="queue",
    ),
    Route(
        "POST",
        "/api/queue/clear",
        "Drops jobs",
        clear_jobs,
        JobsHandled,
        body=Jobs,
        right=Right.ADMIN,
        tag="queue",
    ),
    Route(
        "POST",
        "/api/queue/priority",
        "Gives waiting jobs another priority",
        prioritize,
        JobsHandled,
        body=JobsPriority,
        right=Right.ADMIN,
        tag="queue",
    ),
)
