"""What the engine tells, numbered for readers, and replayed to those who come back."""

from __future__ import annotations

import secrets
from collections import deque
from dataclasses import replace
from typing import Final, NamedTuple

import anyio

from treeledger import wire
from treeledger.api.events import Event
from treeledger.engine import hub
from treeledger.model import Cursor
from treeledger.wire_events import Attention, Health, Progress, State

MOST: Final = 1000  # events that are kept for those who come back
_EVERY: Final = 0.2  # seconds between two pictures of one operation's progress


class Heard(NamedTuple):
    """One event; its data is made when somebody reads it."""

    n: int
    event: hub.Event


class News:
    """The events of this run of the engine. Of progress, and of a watch's health, only the last counts."""

    def __init__(self, told_by: hub.Hub, *, most: int = MOST) -> None:
        self.run = secrets.token_hex(4)  # the ids of another run are foreign
        self._kept: deque[Heard] = deque(maxlen=most)
        self._last: dict[object, Heard] = {}  # of what is told again and again
        self._progressed: dict[object, float] = {}
        self._n = 0
        self._gone = 0  # the last event that is kept no longer
        self._news = anyio.Event()
        self.readers = 0
        told_by.listen(self._hear)

    @property
    def head(self) -> Cursor:
        return Cursor(self.run, self._n)

    def is_known(self, cursor: Cursor) -> bool:
        """Whether what followed that event is still here."""
        return cursor.epoch == self.run and self._gone <= cursor.n <= self._n

    def join(self) -> None:
        self.readers += 1

    def leave(self) -> None:
        """Of a reader that joined."""
        self.readers -= 1

    async def after(self, cursor: Cursor) -> list[Heard]:
        """What was heard after it, in order; waits until there is something."""
        while True:
            kept = [one for one in self._kept if one.n > cursor.n]
            last = [one for one in self._last.values() if one.n > cursor.n]
            if kept or last:
                return sorted(kept + last, key=lambda one: one.n)
            await self._news.wait()

    def _hear(self, event: hub.Event) -> None:
        match event:
            case hub.Committed() | hub.ManyCommitted() | hub.CaughtUp():
                return  # the journal tells it, or it is a measurement
            case hub.Progress(repository, type, counts):
                key = repository.id, type
                now = anyio.current_time()
                if now < self._progressed.get(key, 0.0):
                    return
                self._progressed[key] = now + _EVERY
                self._last[key] = self._numbered(replace(event, counts=replace(counts)))
            case hub.HealthChanged(repository):
                self._last[repository.id] = self._numbered(event)
            case _:
                self._keep(event)
        self._news.set()
        self._news = anyio.Event()

    def _keep(self, event: hub.Event) -> None:
        if isinstance(event, hub.Finished):
            key = event.repository.id, event.operation.type
            self._last.pop(key, None)
            self._progressed.pop(key, None)
        if len(self._kept) == self._kept.maxlen:
            self._gone = self._kept[0].n
        self._kept.append(self._numbered(event))

    def _numbered(self, event: hub.Event) -> Heard:
        self._n += 1
        return Heard(self._n, event)


def told(heard: Heard, run: str) -> Event:
    """An event as it goes over the line."""
    id = f"{run}:{heard.n}"
    match heard.event:
        case hub.Began(repository, operation):
            return Event("began", wire.Operation.of(operation, repository.name), id)
        case hub.Finished(repository, operation):
            return Event("finished", wire.Operation.of(operation, repository.name), id)
        case hub.Progress():
            return Event("progress", Progress.of(heard.event), id)
        case hub.StateChanged(repository, state, message):
            return Event("state", State(repository=repository.name, state=state.value, message=message), id)
        case hub.HealthChanged(repository, health):
            return Event("health", Health(repository=repository.name, health=dict(health)), id)
        case hub.AttentionChanged(waiting):
            return Event("attention", Attention(waiting=waiting), id)
        case other:
            raise AssertionError(f"{other} is told by nobody here")
