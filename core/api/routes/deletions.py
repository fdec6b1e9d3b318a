"""Deletions that are held, and a person's word on them."""

from __future__ import annotations

from typing import Annotated

import msgspec

from treeledger import wire
from treeledger.answers import HeldFile
from treeledger.api.routes.common import by_id, id_in
from treeledger.api.routes.paging import page, place, sorted_page
from treeledger.api.routing import Asked, Form, Page, Paged, Right, Route
from treeledger.api.service import Service
from treeledger.holds import contents_of, decide, held_deletion
from treeledger.matter_answers import HeldContents
from treeledger.model import HeldDeletion, HoldStatus
from treeledger.wire_asked import Number


class DeletionsQuery(Paged, frozen=True, kw_only=True):
    """`all`: also those that are decided."""

    all: bool = False


class FoldersQuery(Form, frozen=True, kw_only=True):
    """`copies`: also how many files have the same content elsewhere. `limit`: folders that are listed."""

    copies: bool = False
    limit: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 1000


async def listed(service: Service, asked: Asked) -> Page[wire.HeldDeletion]:
    names = await by_id(service)
    statuses = tuple(HoldStatus) if asked.query.all else (HoldStatus.OPEN,)
    holds = await service.ledger.store.holds(None, statuses=statuses)

    def form(hold: HeldDeletion) -> wire.HeldDeletion:
        return wire.HeldDeletion.of(hold, wire.name_of(hold.repository_id, names))

    return sorted_page(holds, asked.query, form, lambda hold: hold.id, Number)


async def one(service: Service, asked: Asked) -> wire.HeldDeletion:
    return await _told(service, await held_deletion(service.ledger.store, id_in(asked)))


async def files(service: Service, asked: Asked) -> Page[HeldFile]:
    hold = await held_deletion(service.ledger.store, id_in(asked))
    found = await service.ledger.store.gone_records(
        hold.repository_id,
        held_id=hold.id,
        since=None,
        limit=asked.query.limit + 1,
        after=place(asked.query, Number) or 0,
    )
    return page(found, asked.query, HeldFile.of, lambda record: record.id)


async def folders(service: Service, asked: Asked) -> HeldContents:
    query: FoldersQuery = asked.query
    store = service.ledger.store
    hold = await held_deletion(store, id_in(asked))
    return HeldContents.of(await contents_of(store, hold, copies=query.copies), query.limit)


async def approve(service: Service, asked: Asked) -> wire.HeldDeletion:
    return await _decided(service, asked, HoldStatus.APPROVED)


async def reject(service: Service, asked: Asked) -> wire.HeldDeletion:
    return await _decided(service, asked, HoldStatus.REJECTED)


async def _decided(service: Service, asked: Asked, status: HoldStatus) -> wire.HeldDeletion:
    return await _told(service, await decide(service.ledger.store, id_in(asked), status, by=asked.by))


async def _told(service: Service, hold: HeldDeletion) -> wire.HeldDeletion:
    return wire.HeldDeletion.of(hold, wire.name_of(hold.repository_id, await by_id(service)))


_ONE = "/api/deletions/{id:int}"
ROUTES = (
    Route(
        "GET",
        "/api/deletions",
        "Deletions that wait for a person",
        listed,
        Page[wire.HeldDeletion],
        query=DeletionsQuery,
        tag="deletions",
    ),
    Route("GET", _ONE, "One held deletion", one, wire.HeldDeletion, tag="deletions"),
    Route(
        "GET", _ONE + "/files", "The files it is about", files, Page[HeldFile], query=Paged, tag="deletions"
    ),
    Route(
        "GET",
        _ONE + "/folders",
        "What it is about, by the folders at the top",
        folders,
        HeldContents,
        query=FoldersQuery,
        tag="deletions",
    ),
    Route(
        "POST",
        _ONE + "/approve",
        "They are really gone: their records are deleted within seconds",
        approve,
        wire.HeldDeletion,
        right=Right.ADMIN,
        tag="deletions",
    ),
    Route(
        "POST",
        _ONE + "/reject",
        "The records stay missing",
        reject,
        wire.HeldDeletion,
        right=Right.ADMIN,
        tag="deletions",
    ),
)
