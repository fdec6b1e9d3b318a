"""The engine at a glance, what waits for a person, and what is scheduled."""

from __future__ import annotations

from collections import Counter
from datetime import datetime

from treeledger import __version__, scheduling, waiting, wire
from treeledger.answers import Status
from treeledger.api.routes.common import by_id, wanted_id
from treeledger.api.routes.paging import Text, sorted_page
from treeledger.api.routes.repositories import told
from treeledger.api.routing import Asked, Page, Paged, Route
from treeledger.api.service import Service


class SchedulesQuery(Paged, frozen=True, kw_only=True):
    repository: str | None = None


async def status(service: Service, asked: Asked) -> Status:
    ledger = service.ledger
    queue: dict[str, dict[str, int]] = {}
    for action, state, count in await service.job_counts.now():
        queue.setdefault(action, {})[state.value] = count
    repositories = await told(service, await ledger.repositories())
    return Status(
        version=__version__,
        command=service.command,
        started_at=service.started_at,
        host=ledger.host,
        store=ledger.store.url,
        repositories=dict(Counter(one.state for one in repositories)),
        queue=queue,
        waiting=len(await ledger.store.waiting()),
    )


async def attention(service: Service, asked: Asked) -> Page[wire.Waiting]:
    names = await by_id(service)

    def form(one: waiting.Waiting) -> wire.Waiting:
        id = one.repository_id
        return wire.Waiting.of(one, None if id is None else wire.name_of(id, names))

    items = await service.ledger.store.waiting()
    return sorted_page(items, asked.query, form, lambda one: (one.since, one.key), tuple[datetime, Text])


async def schedules(service: Service, asked: Asked) -> Page[wire.Schedule]:
    names = await by_id(service)
    wanted = await wanted_id(service, asked.query.repository)

    def form(one: scheduling.Schedule) -> wire.Schedule:
        return wire.Schedule.of(one, wire.name_of(one.repository_id, names))

    def key(one: scheduling.Schedule) -> tuple[str, str]:
        return wire.name_of(one.repository_id, names), one.kind.value

    items = await service.ledger.store.schedules(wanted)
    return sorted_page(items, asked.query, form, key, tuple[Text, Text])


ROUTES = (
    Route("GET", "/api/status", "The engine that answers, and its ledger at a glance", status, Status),
    Route(
        "GET",
        "/api/attention",
        "What waits for a person, longest first",
        attention,
        Page[wire.Waiting],
        query=Paged,
    ),
    Route(
        "GET",
        "/api/schedules",
        "When scheduled work ran, and when it is due",
        schedules,
        Page[wire.Schedule],
        query=SchedulesQuery,
    ),
)
