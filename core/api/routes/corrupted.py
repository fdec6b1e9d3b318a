"""Corrupted files, and where good copies of them are."""

from __future__ import annotations

from uuid import UUID

from treeledger import corrupted
from treeledger.api.routes.common import by_id, wanted_id
from treeledger.api.routes.paging import Text, page, place
from treeledger.api.routing import Asked, Page, Paged, Route
from treeledger.api.service import Service
from treeledger.matter_answers import CorruptedFile
from treeledger.protocols import ProblemPlace


class CorruptedQuery(Paged, frozen=True, kw_only=True):
    """`copies`: also where files are that have the good content."""

    repository: str | None = None
    copies: bool = False


async def listed(service: Service, asked: Asked) -> Page[CorruptedFile]:
    query: CorruptedQuery = asked.query
    wanted = await wanted_id(service, query.repository)
    after = place(query, tuple[UUID, Text, Text])
    found = await corrupted.corrupted_files(
        service.ledger.store,
        wanted,
        after=None if after is None else ProblemPlace(*after),
        limit=query.limit + 1,
        copies=query.copies,
    )
    names = await by_id(service)
    return page(
        found, query, lambda one: CorruptedFile.of(one, names), lambda one: ProblemPlace.of(one.known)
    )


ROUTES = (
    Route(
        "GET",
        "/api/corrupted",
        "Corrupted files, by repository and path",
        listed,
        Page[CorruptedFile],
        query=CorruptedQuery,
        tag="history",
    ),
)
