"""From what a source hears to what is inspected: settling, and handing on what is dirty."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import Final

import anyio

from treeledger.dirty import collapse
from treeledger.engine.burst import Burst, rest_after
from treeledger.engine.hub import CaughtUp
from treeledger.engine.session import Session
from treeledger.engine.subtrees import Subtrees
from treeledger.ignoring import is_ignore_file
from treeledger.model import Observation
from treeledger.names import parent
from treeledger.protocols import Watch, iterate_batches
from treeledger.settle import Settle

_BURST: Final = 2000  # paths in one inspection
_MOST_DIRTY: Final = 1000


class SourceDied(OSError):
    """The event source ended; what it may have missed is scanned when it is armed again."""


class Hearing:
    """Listens to one armed watch; what it hears waits while the store is away, collapsing as it grows."""

    def __init__(self, session: Session, watch: Watch, burst: Burst, debounce: float) -> None:
        self.settle = Settle(debounce)
        self.subtrees = Subtrees(session, watch, burst, self.look_again)
        self._session = session
        session.inspector.hint = self.settle.hint
        self._context = session.context
        self._watch = watch
        self._burst = burst
        self._wake = anyio.Event()
        self._in_hand: Sequence[Observation] = ()  # being looked at

    async def listen(self) -> None:
        """Takes what the source reports. Raises SourceDied or RootOffline, all being marked as dirty."""
        reason = "the event source ended"
        try:
            async for batch in self._watch.observations():
                self._take(batch)
        except OSError as error:
            reason = str(error)
        context = self._context
        await context.store.mark_dirty(context.repository.id, [("", reason)])
        await context.root.check()  # the likely reason
        raise SourceDied(reason)

    def _take(self, batch: Sequence[Observation]) -> None:
        own = self._context.spec.own
        now = time.monotonic()
        heard = [o for o in batch if not o.path.startswith(own)] if own else batch
        rules = [parent(o.path) for o in heard if is_ignore_file(o.path)]
        self.settle.observe(heard, now)
        self.settle.observe([Observation(folder, subtree=True) for folder in rules], now)
        self._wake.set()

    def is_busy(self) -> bool:
        """Whether anything that was heard still has to be looked at."""
        return bool(self._in_hand) or len(self.settle) > 0 or self.subtrees.is_busy()

    @property
    def is_interrupted(self) -> bool:
        """Whether it was stopped in the middle of a look or a scan, so that nobody knows what is left."""
        return bool(self._in_hand) or self.subtrees.is_scanning

    def look_again(self, paths: Iterable[str]) -> None:
        """Has paths looked at once more, a little later."""
        self.settle.observe([Observation(path) for path in paths], time.monotonic())
        self._wake.set()

    async def serve(self) -> None:
        """Inspects what has settled, as it becomes due."""
        while True:
            await self._wait_for_due()
            started = time.monotonic()
            self._in_hand = due = self.settle.due(started)
            self.subtrees.hear(observation for observation in due if observation.subtree)
            files = [
                (observation, heard)
                for observation, heard in zip(due, self.settle.heard, strict=True)
                if not observation.subtree
            ]
            for part in iterate_batches(files, _BURST):
                with self._burst.use() as run:
                    hints = {observation.path: observation.written for observation, _ in part}
                    self.look_again(await self._session.inspector.inspect(hints, run))
                now = time.monotonic()
                self._context.hub.tell(CaughtUp(self._context.repository, [now - heard for _, heard in part]))
            self._in_hand = ()
            if len(self.settle) < _BURST:  # else a full batch waits already
                await rest_after(started, len(due))

    async def _wait_for_due(self) -> None:
        while (due := self.settle.next_due()) is None or due > time.monotonic():
            with anyio.move_on_after(None if due is None else due - time.monotonic()):
                await self._wake.wait()
                self._wake = anyio.Event()

    async def leave(self) -> None:
        """Marks as dirty what was heard and has not been looked at yet."""
        waiting = [*self._in_hand, *self.settle.due(float("inf"))]
        heard = {o.path if o.subtree else parent(o.path) for o in waiting}
        prefixes = collapse(heard | self.subtrees.prefixes(), _MOST_DIRTY)
        if prefixes:
            marks = [(prefix, "stopped before it was looked at") for prefix in prefixes]
            await self._context.store.mark_dirty(self._context.repository.id, marks)
