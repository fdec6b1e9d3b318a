"""Names that collide, live: what comes or goes is compared with the names beside it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import anyio

from treeledger.collisions import collision_notes
from treeledger.engine.context import Context
from treeledger.engine.run import Run
from treeledger.model import Change, ChangeKind, Problem
from treeledger.names import parent

_MOST: Final = 2000  # names in one directory; a larger one is left to the next full scan
_ARRIVED: Final = (ChangeKind.ADDED, ChangeKind.MOVED, ChangeKind.RESTORED)


class Neighbours:
    """Lists the directories in which something came or went, never the whole tree.

    That takes longer than the change itself, so it is done afterwards and beside it, for many at once.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._directories: set[str] = set()
        self._due = anyio.Event()

    def note(self, changes: Iterable[Change], directories: Iterable[str]) -> None:
        """Has a look beside what came, directories too, and beside what collided and is gone."""
        paths = {*directories}
        for change in changes:
            if change.kind in _ARRIVED:
                paths.add(change.after.path)
            if change.kind is not None and change.before and change.before.path in self._context.colliding:
                paths.add(change.before.path)
        self.note_beside(paths)

    def note_beside(self, paths: Iterable[str]) -> None:
        """Has a look at the names beside some paths."""
        self._directories.update(parent(path) for path in paths if path)
        if self._directories:
            self._due.set()

    async def wait(self) -> None:
        """Until there is a directory to look at; for one who waits."""
        if not self._directories:
            self._due = anyio.Event()
            await self._due.wait()

    async def settle(self, run: Run) -> None:
        """Notes the names that collide in the directories noted; ends the notes of others there."""
        context = self._context
        directories, self._directories = sorted(self._directories), set()
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
