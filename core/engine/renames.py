"""Directories that were renamed: the records of the files below go along, a batch at a time.

What a source says of a rename is a hint like any other. Nothing must be below the old path, the new directory
is surveyed, and a record goes along only if the file at its new path has the very stat that is on record. The
rename of a directory changes no stat of a file below it, so there is nothing to read, now or later. What
does not fit stays where it is, for the scan of both paths that follows in any case.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from treeledger.engine.context import Context
from treeledger.engine.groups import ungrouped
from treeledger.engine.run import Run
from treeledger.engine.surveys import Surveys
from treeledger.model import File
from treeledger.names import range_below
from treeledger.protocols import iterate_batches
from treeledger.survey import Task

_BATCH: Final = 4000  # files in one transaction, which takes some 30 ms


async def follow_rename(context: Context, source: str, target: str, run: Run) -> int:
    """Has the records below a directory go along to where it was renamed to; returns how many did.

    Raises RootOffline, having changed nothing that it was not sure of.
    """
    if not await _may_have_moved(context, source):
        return 0
    moved = 0
    with ungrouped():
        async with Surveys(context, [target], Task()).results() as pieces:
            async for piece in pieces:
                files = _well(context, source, target, piece.nominations.new)
                for batch in iterate_batches(files, _BATCH):
                    moved += await context.recorder.move(source, target, batch, run)
    return moved


async def _may_have_moved(context: Context, source: str) -> bool:
    """Whether there are records below a path, and nothing is below it now."""
    if not await context.store.keys(context.repository.id, *range_below(source), 1):
        return False
    if await context.workers.names(context.spec, [source], 0) != [[]]:
        return False
    await context.root.check()
    return True


def _well(context: Context, source: str, target: str, files: Sequence[File]) -> Sequence[File]:
    """The files of which no problem is known, here or where they were: problems go by path."""
    troubled = context.troubled
    if not troubled:
        return files
    start = len(target)
    return [file for file in files if troubled.isdisjoint((file.path, source + file.path[start:]))]
