"""Contents that several files have, and which files these are."""

from __future__ import annotations

from treeledger import wire
from treeledger.answers import Duplicates
from treeledger.api.routes.common import by_id, wanted_id
from treeledger.api.routes.paging import Number, Text, page, place
from treeledger.api.routing import Asked, Page, Paged, Route
from treeledger.api.service import Service


class DuplicatesQuery(Paged, frozen=True, kw_only=True):
    """With `repository`, only contents of which it has a file."""

    repository: str | None = None


async def listed(service: Service, asked: Asked) -> Page[Duplicates]:
    query: DuplicatesQuery = asked.query
    repository_id = await wanted_id(service, query.repository)
    after = place(query, tuple[Number, Text])
    found = await service.ledger.store.twins(repository_id, after=after, limit=query.limit + 1)
    names = await by_id(service)
    return page(
        found,
        query,
        lambda one: Duplicates.of(one, wire.name_of(one.first.repository_id, names)),
        lambda one: (one.weight, one.hash),
    )


async def copies(service: Service, asked: Asked) -> Page[wire.Record]:
    query: Paged = asked.query
    after = place(query, Number) or 0
    found = await service.ledger.store.copies(asked.path["hash"], after=after, limit=query.limit + 1)
    names = await by_id(service)
    return page(
        found,
        query,
        lambda one: wire.Record.of(one, wire.name_of(one.repository_id, names)),
        lambda one: one.id,
    )


ROUTES = (
    Route(
        "GET",
        "/api/duplicates",
        "Contents that several files have, those that waste most first",
        listed,
        Page[Duplicates],
        query=DuplicatesQuery,
        tag="files",
    ),
    Route(
        "GET",
        "/api/duplicates/{hash}",
        "The files that have one content",
        copies,
        Page[wire.Record],
        query=Paged,
        tag="files",
    ),
)
