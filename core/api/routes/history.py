"""What ran, and what is wrong with single files."""

from __future__ import annotations

from uuid import UUID

from treeledger import model, wire
from treeledger.api.routes.common import by_id, id_in, wanted_id
from treeledger.api.routes.paging import Text, page, place
from treeledger.api.routing import Asked, Page, Paged, Route
from treeledger.api.service import Service
from treeledger.errors import NotFound
from treeledger.protocols import FIRST_PROBLEM, ProblemPlace
from treeledger.wire_asked import Number


class OperationsQuery(Paged, frozen=True, kw_only=True):
    """`bursts`: the bursts of changes, too."""

    repository: str | None = None
    bursts: bool = True


class ProblemsQuery(Paged, frozen=True, kw_only=True):
    """`notes`: also what is no trouble."""

    repository: str | None = None
    notes: bool = False


async def operations(service: Service, asked: Asked) -> Page[wire.Operation]:
    query: OperationsQuery = asked.query
    wanted = await wanted_id(service, query.repository)
    names = await by_id(service)
    before = place(query, Number)
    found = await service.ledger.store.operations(
        wanted, limit=query.limit + 1, before=before, bursts=query.bursts
    )

    def form(operation: model.SyncOperation) -> wire.Operation:
        return wire.Operation.of(operation, wire.name_of(operation.repository_id, names))

    return page(found, query, form, lambda operation: operation.id)


async def operation(service: Service, asked: Asked) -> wire.Operation:
    id = id_in(asked)
    for found in await service.ledger.store.operations(None, limit=1, before=id + 1):
        if found.id == id:
            return wire.Operation.of(found, wire.name_of(found.repository_id, await by_id(service)))
    raise NotFound(f"there is no operation {id}")


async def problems(service: Service, asked: Asked) -> Page[wire.Problem]:
    query: ProblemsQuery = asked.query
    wanted = await wanted_id(service, query.repository)
    names = await by_id(service)
    after = place(query, tuple[UUID, Text, Text])
    found = await service.ledger.store.problems(
        wanted,
        notes=query.notes,
        limit=query.limit + 1,
        after=FIRST_PROBLEM if after is None else ProblemPlace(*after),
    )

    def form(known: model.KnownProblem) -> wire.Problem:
        return wire.Problem.of(known, wire.name_of(known.repository_id, names))

    return page(found, query, form, ProblemPlace.of)


ROUTES = (
    Route(
        "GET",
        "/api/operations",
        "What ran, newest first",
        operations,
        Page[wire.Operation],
        query=OperationsQuery,
        tag="history",
    ),
    Route("GET", "/api/operations/{id:int}", "One operation", operation, wire.Operation, tag="history"),
    Route(
        "GET",
        "/api/problems",
        "Trouble with single files, by repository and path",
        problems,
        Page[wire.Problem],
        query=ProblemsQuery,
        tag="history",
    ),
)
