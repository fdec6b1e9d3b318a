"""Whether all is well, in a word, for who restarts and balances: systemd, containers, proxies."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Final

import anyio
import msgspec

from treeledger.api.routing import Asked, Refusal, Right, Route
from treeledger.api.service import Service
from treeledger.engine.hub import RepositoryState

_WITHIN: Final = 1.0  # seconds that the store has for an answer


class Alive(msgspec.Struct, frozen=True, kw_only=True):
    status: str = "alive"


class Ready(msgspec.Struct, frozen=True, kw_only=True):
    """`repositories`: the state of each that this engine keeps."""

    status: str = "ready"
    repositories: dict[str, str]


async def alive(service: Service, asked: Asked) -> Alive:
    """As long as the event loop turns."""
    return Alive()


async def ready(service: Service, asked: Asked) -> Ready:
    """Once every repository is watched, or it is known why not, and while the store answers."""
    with anyio.move_on_after(_WITHIN) as patience:
        await service.ledger.store.head()
    if patience.cancelled_caught:
        message = f"the store has not answered for {_WITHIN:g} s"
        raise Refusal(HTTPStatus.SERVICE_UNAVAILABLE, message)
    keepers = service.engine.keepers.values()
    starting = [keeper.repository.name for keeper in keepers if keeper.state is RepositoryState.STOPPED]
    if starting:
        raise Refusal(HTTPStatus.SERVICE_UNAVAILABLE, f"not watched yet: {', '.join(starting)}")
    return Ready(repositories={keeper.repository.name: keeper.state.value for keeper in keepers})


HEALTH_ROUTES: Final[Sequence[Route]] = (
    Route("GET", "/healthz", "Whether it is alive", alive, Alive, right=Right.NONE, tag="health"),
    Route("GET", "/readyz", "Whether it does its work", ready, Ready, right=Right.NONE, tag="health"),
)
