"""The other names of a file: an event tells of one name only, what it tells of is true for all of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from treeledger.engine.context import Context
from treeledger.model import Change, FileRecord, RecordState
from treeledger.moves import held


async def changed_twins(
    context: Context, changes: Iterable[Change], alike: Iterable[FileRecord], paths: Mapping[str, bool]
) -> dict[str, bool]:
    """Names (hard links) of files that changed under another, whose records differ from what is there now.

    `alike` are the records of the inodes that changed. As in `paths`, the value says whether the content
    may have been written. What is new at its path is read anyway: the names that it shares only take note
    of it, so that `cp -al` reads no content twice.
    """
    written = {
        held(change.after.stat): change.before is not None and paths.get(change.after.path, True)
        for change in changes
        if change.after.state is RecordState.PRESENT
    }
    known = {
        record.path: record
        for record in alike
        if record.path not in paths and record.state is RecordState.PRESENT
    }
    looks = await context.workers.look(context.spec, list(known)) if known else []
    return {
        look.path: written[held(look.stat)]
        for look in looks
        if look.stat is not None
        if held(look.stat) == held(known[look.path].stat) and look.stat[:5] != known[look.path].stat[:5]
    }
