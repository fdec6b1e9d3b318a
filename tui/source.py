"""Where the dashboard's news come from: the typed client of a running engine, found again whenever lost.

However fast an engine tells, news go on `_EVERY` at most, put together. Whenever a line to it breaks, all is
asked for afresh: what is shown after that is what the engine says then.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import aclosing, suppress
from typing import Final

import anyio

from treeledger import wire
from treeledger.api.routing import Page
from treeledger.client import Client, Happened
from treeledger.errors import CursorExpired, EngineAway, NotFound, StoreUnavailable, TreeledgerError
from treeledger.tui.model import MOST_OPERATIONS, Away, History, Journal, Looked, News, Recalled, Told

Find = Callable[[], Awaitable[str | None]]
"""The address of the engine that runs, None while it is not ready; raises TreeledgerError if none can be."""

_EVERY: Final = 0.1  # seconds between two pieces of news
_LOOK_EVERY: Final = 10.0  # seconds between two looks at the state of all, where nothing calls for one
_SOON: Final = 0.5  # seconds from what calls for a look to the next, at least
_SHARE: Final = 10  # times as long as a look took, the next one waits: many repositories take long
_LONGEST: Final = 2.0  # seconds that it waits for that
_AGAIN: Final = 0.5  # seconds between two tries to find the engine
_READY: Final = 0.05  # seconds between two looks whether it is ready
_NEWEST: Final = 200  # entries that the feed of all begins with, and that of one repository
_CALLING: Final = frozenset(("connected", "afresh", "began", "finished", "state", "attention"))


class Source:
    """Tells news of one engine after another, without end. `second` is the clock, in whole seconds."""

    def __init__(self, find: Find, tell: Callable[[News], None], second: Callable[[], int]) -> None:
        self._find = find
        self._tell = tell
        self._second = second
        self._client: Client | None = None
        self._is_ledger_away = False  # while there is none
        self._wanted = anyio.Event()  # a look at the state of all, soon
        self._asked = anyio.Event()  # for one at once, by a person
        self._events: list[Happened] = []
        self._changes: list[wire.Change] = []
        self._watched: str | None = None  # the repository whose changes are to be seen, however old
        self._recalled: set[str] = set()
        self._is_another = anyio.Event()  # repository watched, or its changes are to be asked for again

    @property
    def client(self) -> Client:
        """Of the engine that answers now. Raises EngineAway."""
        if self._client is None:
            lacks = "the ledger is away" if self._is_ledger_away else "no engine answers"
            raise EngineAway(f"{lacks}; nothing was done. Try again once it is back")
        return self._client

    def look(self, *, at_once: bool = False) -> None:
        """Has the state of all looked at soon; at once for a person, who waits to see what was done."""
        self._wanted.set()
        if at_once:
            self._asked.set()

    def watch(self, repository: str | None) -> None:
        """Has the last changes of a repository told, however many there were in others since."""
        self._watched = repository
        self._is_another.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                async with Client(await self._address()) as client:
                    self._client = client
                    trouble = await self._through(client)
            except TreeledgerError as error:
                trouble = error
            finally:
                self._client = None
            self._is_ledger_away = isinstance(trouble, StoreUnavailable)
            self._tell(Away(str(trouble), self._second(), self._is_ledger_away))
            await anyio.sleep(_AGAIN)

    async def _address(self) -> str:
        while True:
            address = await self._find()
            if address is not None:
                return address
            await anyio.sleep(_READY)

    async def _through(self, client: Client) -> TreeledgerError:
        """Tells what comes through one client until something is in the way; what that is."""
        troubles: list[TreeledgerError] = []
        self._events, self._changes = [], []
        async with anyio.create_task_group() as tasks:

            async def work(what: Callable[[Client], Awaitable[None]]) -> None:
                try:
                    await what(client)
                except TreeledgerError as error:
                    troubles.append(error)
                    tasks.cancel_scope.cancel()

            for what in (self._look_again_and_again, self._hear, self._read, self._recall, self._pass_on):
                tasks.start_soon(work, what)
        return troubles[0]

    async def _look_again_and_again(self, client: Client) -> None:
        while True:
            self._wanted, self._asked = anyio.Event(), anyio.Event()
            begun = anyio.current_time()
            self._tell(await _looked(client))
            took = anyio.current_time() - begun
            with anyio.move_on_after(_LOOK_EVERY):
                await self._wanted.wait()
            with anyio.move_on_after(max(_SOON, min(_SHARE * took, _LONGEST))):
                await self._asked.wait()

    async def _hear(self, client: Client) -> None:
        async with aclosing(client.events(lasting=False)) as events:
            async for event in events:
                if event.name in ("connected", "afresh"):
                    self._pass_on_events()  # they are older than what is asked for now
                    self._tell(History(await _operations(client)))
                else:
                    self._events.append(event)
                if event.name in _CALLING:
                    self.look()

    async def _read(self, client: Client) -> None:
        """The journal: its newest entries, then each that comes; afresh where it cannot be gone on."""
        while True:
            newest = await client.journal(limit=_NEWEST)
            self._changes.clear()
            head = int(newest.head.rpartition(":")[2])
            self._tell(Journal(newest.items, self._second(), is_afresh=True, head=head))
            self._recalled.clear()
            self._is_another.set()
            with suppress(CursorExpired):
                async with aclosing(client.changes(newest.head, lasting=False)) as changes:
                    async for change in changes:
                        self._changes.append(change)
            await anyio.sleep(_AGAIN)

    async def _recall(self, client: Client) -> None:
        """The last changes of each repository that is watched, once: from then on its feed has them."""
        while True:
            await self._is_another.wait()
            self._is_another = anyio.Event()
            name = self._watched
            if name is None or name in self._recalled:
                continue
            self._recalled.add(name)
            with suppress(NotFound):  # it was removed meanwhile
                newest = await client.journal(repository=name, limit=_NEWEST)
                self._tell(Recalled(name, newest.items))

    async def _pass_on(self, client: Client) -> None:
        while True:
            await anyio.sleep(_EVERY)
            self._pass_on_events()
            if self._changes:
                changes, self._changes = self._changes, []
                self._tell(Journal(changes, self._second()))
                self.look()

    def _pass_on_events(self) -> None:
        if self._events:
            events, self._events = self._events, []
            self._tell(Told(events, self._second()))


async def _looked(client: Client) -> Looked:
    status = await client.status()
    repositories = [one async for one in client.repositories()]
    waiting = [one async for one in client.attention()]
    problems: Page[wire.Problem] = await client.get("/api/problems", Page[wire.Problem])
    return Looked(status, repositories, waiting, len(problems.items) if problems.next is None else None)


async def _operations(client: Client) -> list[wire.Operation]:
    """The newest, as many as are shown."""
    page: Page[wire.Operation] = await client.get(
        "/api/operations", Page[wire.Operation], limit=MOST_OPERATIONS
    )
    return page.items
