"""The session of a kept repository, lent to whoever has work for it: one at a time, beside watching."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import anyio

from treeledger.engine.session import Session
from treeledger.errors import LeaseLost, RootOffline


class Loans:
    """Of one keeper. `asked` is called when somebody waits for a session."""

    def __init__(self, asked: Callable[[], None]) -> None:
        self._asked = asked
        self._turn = anyio.Lock()
        self._session: Session | None = None
        self._error: Exception | None = None
        self._news = anyio.Event()
        self._scope: anyio.CancelScope | None = None  # around what the borrower does
        self._offline: RootOffline | None = None  # what ended the last session, if it was that
        self._returned = anyio.Event()

    @asynccontextmanager
    async def borrow(self) -> AsyncIterator[Session]:
        """The session, as soon as there is one and nobody else has it.

        Raises what is told to `refuse` meanwhile; if the session ends before the body does, RootOffline where
        that is why, else LeaseLost.
        """
        async with self._turn:
            session = await self._lent()
            with anyio.CancelScope() as scope:
                self._scope, self._returned = scope, anyio.Event()
                try:
                    yield session
                finally:
                    self._scope = None
                    self._returned.set()
            if scope.cancelled_caught:
                raise self._offline or LeaseLost(
                    f"{session.context.repository.name}: it was stopped or taken up anew meanwhile. What was"
                    " done until then is on record; ask again for the rest"
                )

    async def _lent(self) -> Session:
        self._error = None
        while self._session is None:
            self._news = anyio.Event()
            self._asked()
            await self._news.wait()
            if self._error is not None:
                raise self._error
        return self._session

    @asynccontextmanager
    async def lending(self, session: Session) -> AsyncIterator[None]:
        """Lends the session as long as the body runs; whoever has it then is told to stop."""
        self._session, self._offline = session, None
        self._news.set()
        try:
            yield
        except RootOffline as error:
            self._offline = error
            raise
        finally:
            self._session = None
            if self._scope is not None:
                self._scope.cancel()
                with session.context.farewell.step():
                    await self._returned.wait()

    def refuse(self, error: Exception) -> None:
        """Tells whoever waits why there is no session."""
        self._error = error
        self._news.set()
