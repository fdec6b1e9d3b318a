"""Held deletions and a person's word on them, whoever brings it: the command line or a client over HTTP."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from treeledger.errors import NotFound, UsageError
from treeledger.model import HeldDeletion, HoldStatus
from treeledger.protocols import HeldFolder, Store

_SAMPLES: Final = 3


class Contents(NamedTuple):
    """What a hold is about: every folder, the first paths, and by folder how many files have copies elsewhere
    (None: that was not asked)."""

    folders: Sequence[HeldFolder]
    sample: Sequence[str]
    copies: Mapping[str, int] | None


async def held_deletion(store: Store, id: int) -> HeldDeletion:
    """Raises NotFound."""
    for hold in await store.holds(None, statuses=tuple(HoldStatus)):
        if hold.id == id:
            return hold
    raise NotFound(f"there is no held deletion {id}; see: treeledger deletions list")


async def contents_of(store: Store, hold: HeldDeletion, *, copies: bool) -> Contents:
    """What it is about now. With `copies` the hashes of the whole ledger are read: about a second for a
    million of files."""
    sample = await store.gone_records(hold.repository_id, held_id=hold.id, since=None, limit=_SAMPLES)
    folders = await store.held_folders(hold)
    counted = await store.held_copies(hold) if copies else None
    return Contents(folders, [record.path for record in sample], counted)


async def decide(store: Store, id: int, status: HoldStatus, *, by: str) -> HeldDeletion:
    """Records who approved or rejected it; the engine acts on it within seconds.

    Raises NotFound, UsageError if there is nothing left to decide.
    """
    hold = await held_deletion(store, id)
    if hold.status is HoldStatus.CLOSED:
        raise UsageError(f"held deletion {id} is closed: its files came back or are deleted")
    return await store.set_hold(id, status, by=by)
