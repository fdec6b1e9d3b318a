"""Readers of an engine's streams, each with habits of its own, who note what they saw."""

from __future__ import annotations

from array import array
from contextlib import aclosing
from dataclasses import dataclass

import anyio
import msgspec

from treeledger.errors import EngineAway, StoreUnavailable
from treeledger.transport import Received, Transport
from treeledger.wire import Operation

_AGAIN = 0.2  # seconds until a line that broke is taken up again


@dataclass(frozen=True, slots=True)
class Habits:
    """How somebody reads: after `burst` events he rests for some seconds, and `leaves` for that or holds the
    line without reading from it. With `burst` 0 he reads whatever comes."""

    burst: int = 0
    rest: float = 0.0
    leaves: bool = False


STEADY = Habits()
SLOW = Habits(50, 2.0)
ABSENT = Habits(2000, 30.0)
FICKLE = Habits(70, 1.0, leaves=True)


class Reader:
    """Reads one stream until cancelled; comes back with Last-Event-ID whenever its line has ended."""

    path: str

    def __init__(self, address: str, habits: Habits, hurry: anyio.Event, **query: str | None) -> None:
        """`hurry`: once it is set, nobody rests any more."""
        self.habits = habits
        self.query = query
        self.lines = 0  # that were taken up
        self.afresh = 0  # times that it was told to start afresh
        self._address = address
        self._hurry = hurry
        self._last: str | None = None
        self._taken = 0

    def take(self, event: Received) -> None:
        """Notes one event."""
        raise NotImplementedError

    async def read(self) -> None:
        transport = Transport(self._address)
        try:
            while True:
                try:
                    await self._read_a_line(transport)
                except (EngineAway, StoreUnavailable):
                    await anyio.sleep(_AGAIN)
        finally:
            await transport.aclose()

    async def _read_a_line(self, transport: Transport) -> None:
        stream = transport.stream("GET", self.path, query=self.query, last_event_id=self._last)
        async with stream as events, aclosing(events):  # type: ignore[type-var]
            self.lines += 1
            async for event in events:
                self._last = event.id or self._last
                if event.name == "afresh":
                    self.afresh += 1
                elif event.name:
                    self.take(event)
                    self._taken += 1
                    if self.habits.burst and self._taken % self.habits.burst == 0:
                        if self.habits.leaves:
                            break
                        await self._rest()
        await self._rest()

    async def _rest(self) -> None:
        with anyio.move_on_after(self.habits.rest):
            await self._hurry.wait()


class Follower(Reader):
    """Of the journal; `numbers` of its entries in the order in which they came."""

    path = "/api/changes"

    def __init__(self, address: str, habits: Habits, hurry: anyio.Event, **query: str | None) -> None:
        super().__init__(address, habits, hurry, **query)
        self.numbers = array("q")

    @property
    def repository(self) -> str | None:
        return self.query.get("repository")

    def take(self, event: Received) -> None:
        assert event.name == "change", event
        self.numbers.append(int(event.id.rpartition(":")[2]))


class Listener(Reader):
    """Of what goes on; `ids` of what came by their numbers, and which operations `ended`."""

    path = "/api/events"

    def __init__(self, address: str, habits: Habits, hurry: anyio.Event, **query: str | None) -> None:
        super().__init__(address, habits, hurry, **query)
        self.numbers = array("q")
        self.ended = array("q")

    def take(self, event: Received) -> None:
        self.numbers.append(int(event.id.rpartition(":")[2]))
        if event.name == "finished":
            self.ended.append(msgspec.json.decode(event.data, type=Operation).id)
