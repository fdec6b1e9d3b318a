"""Held deletions and a person's word on them, whoever brings it: the command line or a client over HTTP."""

from __future__ import annotations

from treeledger.errors import NotFound, UsageError
from treeledger.model import HeldDeletion, HoldStatus
from treeledger.protocols import Store


async def held_deletion(store: Store, id: int) -> HeldDeletion:
    """Raises NotFound."""
    for hold in await store.holds(None, statuses=tuple(HoldStatus)):
        if hold.id == id:
            return hold
    raise NotFound(f"there is no held deletion {id}; see: treeledger deletions list")


async def decide(store: Store, id: int, status: HoldStatus, *, by: str) -> HeldDeletion:
    """Records who approved or rejected it; the engine acts on it within seconds.

    Raises NotFound, UsageError if there is nothing left to decide.
    """
    hold = await held_deletion(store, id)
    if hold.status is HoldStatus.CLOSED:
        raise UsageError(f"held deletion {id} is closed: its files came back or are deleted")
    return await store.set_hold(id, status, by=by)
