"""Repositories: which there are and how they are; one comes, changes, moves, goes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from treeledger import wire
from treeledger.answers import RepositoryDetails
from treeledger.api.routes.paging import Text, sorted_page
from treeledger.api.routing import Asked, Form, Page, Paged, Right, Route
from treeledger.api.service import Service
from treeledger.errors import UsageError
from treeledger.model import Repository
from treeledger.names import os_from_stored
from treeledger.wire_asked import NewRepository, Relocation, RepositoryChange


class Removal(Form, frozen=True, kw_only=True):
    """`purge`: its records go, too."""

    purge: bool = False


async def told(service: Service, repositories: Sequence[Repository]) -> list[wire.Repository]:
    """How each of them is; those that this engine keeps, as it knows it."""
    found = []
    for repository, status, holder in await service.ledger.statuses(repositories):
        keeper = service.engine.keepers.get(repository.id)
        if keeper is not None:
            status = replace(status, state=keeper.state.value, message=keeper.message)
        found.append(wire.Repository.of(repository, status, holder))
    return found


async def _details(service: Service, name: str) -> RepositoryDetails:
    repository = await service.ledger.repository(name)
    (form,) = await told(service, [repository])
    return RepositoryDetails.with_settings(form, repository)


async def listed(service: Service, asked: Asked) -> Page[wire.Repository]:
    known = await service.ledger.repositories()
    some = sorted_page(known, asked.query, lambda one: one, lambda one: one.name, Text)
    return Page(items=await told(service, some.items), next=some.next)


async def one(service: Service, asked: Asked) -> RepositoryDetails:
    return await _details(service, asked.path["name"])


async def add(service: Service, asked: Asked) -> RepositoryDetails:
    body: NewRepository = asked.body
    root = _absolute(body.root)
    added = await service.ledger.add_repository(root, name=body.name, settings=body.settings)
    return await _details(service, str(added.id))


async def change(service: Service, asked: Asked) -> RepositoryDetails:
    ledger, body = service.ledger, asked.body
    repository = await ledger.repository(asked.path["name"])
    if body.settings is not None:
        repository = await ledger.change_settings(repository.id, body.settings)
    if body.paused is not None and body.paused is not repository.paused:
        await ledger.pause_repository(repository.id, paused=body.paused)
    return await _details(service, str(repository.id))


async def remove(service: Service, asked: Asked) -> None:
    repository = await service.ledger.repository(asked.path["name"])
    await service.ledger.remove_repository(repository.id, purge=asked.query.purge)


async def relocate(service: Service, asked: Asked) -> RepositoryDetails:
    repository = await service.ledger.repository(asked.path["name"])
    moved = await service.ledger.relocate_repository(repository.id, _absolute(asked.body.root))
    return await _details(service, str(moved.id))


def _absolute(root: str) -> str:
    """A root as the functions of `os` take it. Raises UsageError: nobody knows where an engine stands."""
    if not root.startswith("/"):
        raise UsageError(f"root: {root!r} is no absolute path")
    return os_from_stored(root)


_ONE = "/api/repositories/{name}"
ROUTES = (
    Route(
        "GET",
        "/api/repositories",
        "All repositories, by name, and how they are",
        listed,
        Page[wire.Repository],
        query=Paged,
        tag="repositories",
    ),
    Route(
        "POST",
        "/api/repositories",
        "Takes a directory tree under care",
        add,
        RepositoryDetails,
        body=NewRepository,
        right=Right.ADMIN,
        tag="repositories",
    ),
    Route("GET", _ONE, "One repository, by name or id", one, RepositoryDetails, tag="repositories"),
    Route(
        "PATCH",
        _ONE,
        "Pauses or resumes a repository, or gives it other settings",
        change,
        RepositoryDetails,
        body=RepositoryChange,
        right=Right.ADMIN,
        tag="repositories",
    ),
    Route(
        "DELETE",
        _ONE,
        "Ends the care for a repository; its files are not touched",
        remove,
        query=Removal,
        right=Right.ADMIN,
        tag="repositories",
    ),
    Route(
        "POST",
        _ONE + "/relocate",
        "Says that its files are in another directory now",
        relocate,
        RepositoryDetails,
        body=Relocation,
        right=Right.ADMIN,
        tag="repositories",
    ),
)
