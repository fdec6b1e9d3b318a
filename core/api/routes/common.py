"""What the resources share: what is meant by a path, a name, an id in a request."""

from __future__ import annotations

import posixpath
from uuid import UUID

from treeledger.api.routing import Asked
from treeledger.api.service import Service
from treeledger.errors import NotFound
from treeledger.model import INT64_MAX, Repository


def id_in(asked: Asked) -> int:
    """The `{id}` of the path. Raises NotFound for one that nothing can have."""
    id = int(asked.path["id"])
    if id >= INT64_MAX:
        raise NotFound(f"there is nothing with the number {id}")
    return id


async def wanted_id(service: Service, name: str | None) -> UUID | None:
    """The id of the repository that is named. Raises RepositoryNotFound."""
    return None if name is None else (await service.ledger.repository(name)).id


async def by_id(service: Service) -> dict[UUID, Repository]:
    """The repositories under care."""
    return {repository.id: repository for repository in await service.ledger.repositories()}


def inside(path: str) -> str:
    """A path of a client as one below the root of its repository, whatever dots are in it."""
    return posixpath.normpath("/" + path).lstrip("/")
