"""The other names of a file: an event tells of one name only, what it tells of is true for all of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from treeledger.engine.context import Context
from treeledger.model import Change, RecordState


async def changed_twins(
    context: Context, changes: Iterable[Change], paths: Mapping[str, bool]
) -> dict[str, bool]:
    """Names (hard links) of files that changed under another, whose records differ from what is there now.

    As `paths`, the value says whether the content may have been written. What is new at its path is read
    anyway: the names that it shares only take note of it, so that `cp -al` reads no content twice.
    """
    written = {
        change.after.stat[3:5]: change.before is not None and paths.get(change.after.path, True)
        for change in changes
        if change.after.state is RecordState.PRESENT
    }
    if not written:
        return {}
    records = await context.store.records_by_inode(context.repository.id, list(written))
    known = {
        record.path: record
        for record in records
        if record.path not in paths and record.state is RecordState.PRESENT
    }
    looks = await context.workers.look(context.spec, list(known)) if known else []
    return {
        look.path: written[look.stat[3:5]]
        for look in looks
        if look.stat is not None
        if look.stat[3:5] == known[look.path].stat[3:5] and look.stat[:5] != known[look.path].stat[:5]
    }
