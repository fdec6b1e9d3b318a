"""The end of records that were deleted long ago."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from treeledger.engine.context import Context
from treeledger.model import HoldStatus

_BATCH: Final = 1000  # records in one transaction


async def purge(context: Context) -> int:
    """Ends records that have been deleted for longer than the retention; returns how many.

    None while a person is asked about a deletion, and none that the gate still counts: it looks at all that
    went within its window, and what a hold takes in must be there to be given back.
    """
    settings = context.settings
    if settings.retention is None:
        return 0
    if await context.store.holds(context.repository.id, statuses=(HoldStatus.OPEN,)):
        return 0
    age = timedelta(seconds=max(settings.retention, settings.max_delete.window))
    purged = 0
    while count := await context.store.purge(context.lease, age, _BATCH):
        purged += count
    return purged
