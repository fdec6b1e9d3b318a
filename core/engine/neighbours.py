"""Names that collide, live: what comes or goes is compared with the names beside it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from treeledger.collisions import collision_notes
from treeledger.engine.context import Context
from treeledger.engine.run import Run
from treeledger.model import Change, ChangeKind, Problem
from treeledger.names import parent

_MOST: Final = 2000  # names in one directory; a larger one is left to the next full scan
_ARRIVED: Final = (ChangeKind.ADDED, ChangeKind.MOVED, ChangeKind.RESTORED)


class Neighbours:
    """Lists the directories in which something came or went, once for each batch, never the whole tree."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def after(self, changes: Iterable[Change], directories: Iterable[str], run: Run) -> None:
        """Looks beside what came, directories too, and beside what collided and is not there any more."""
        paths = {*directories}
        for change in changes:
            if change.kind in _ARRIVED:
                paths.add(change.after.path)
            if change.kind is not None and change.before and change.before.path in self._context.colliding:
                paths.add(change.before.path)
        await self.look(paths, run)

    async def look(self, paths: Iterable[str], run: Run) -> None:
        """Notes the names that collide in the directories of these paths; ends the notes of others there."""
        context = self._context
        directories = sorted({parent(path) for path in paths if path})
        if not directories:
            return
        listings = await context.workers.names(context.spec, directories, _MOST)
        notes: list[Problem] = []
        listed = set()
        for directory, names in zip(directories, listings, strict=True):
            if names is not None:
                listed.add(directory)
                notes += collision_notes(directory + "/" if directory else "", names)
        colliding = {note.path for note in notes}
        ended = [path for path in context.colliding if parent(path) in listed and path not in colliding]
        for path in ended:
            del context.colliding[path]
        new = [note for note in notes if context.colliding.get(note.path) != note]
        await context.report(new, ended, run)
