"""The keeper of one repository: watches it, settles what it hears, scans, hashes, deletes; for months."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Final

import anyio

from treeledger.config.settings import RepositorySettings
from treeledger.engine.hub import RepositoryState, StateChanged
from treeledger.engine.patience import delays
from treeledger.engine.scans import ScanRequest
from treeledger.engine.session import Session, Tools, open_session
from treeledger.engine.watching import Watching
from treeledger.errors import EngineLocked, LeaseLost, RepositoryNotFound, RootOffline, StoreError
from treeledger.model import Repository
from treeledger.protocols import EventSource

log = logging.getLogger(__name__)
_TROUBLE: Final = frozenset((RepositoryState.OFFLINE, RepositoryState.DEGRADED, RepositoryState.HELD))
_KNOWN: Final = (RepositoryNotFound, RootOffline, LeaseLost, StoreError)
ROOT_CHECK: Final = 30.0  # seconds between looks for a root that is offline


class Keeper:
    """Supervises one repository; its failures are its own, and end in another try."""

    def __init__(
        self,
        tools: Tools,
        repository: Repository,
        settings: RepositorySettings,
        sources: Sequence[EventSource],
        *,
        root_check: float = ROOT_CHECK,
    ) -> None:
        self.repository = repository
        self.settings = settings
        self.state = RepositoryState.STOPPED
        self.message = ""
        self._tools = tools
        self._sources = sources
        self._root_check = root_check
        self._requests: list[ScanRequest] = []
        self._requested = anyio.Event()
        self._watching: Watching | None = None

    def request(self, request: ScanRequest) -> None:
        """Asks for a scan; it runs as soon as the root is there and no other scan is running."""
        self._requests.append(request)
        self._requested.set()
        if self._watching is not None:
            self._watching.wake_scans()

    @property
    def lease_holder(self) -> Session | None:
        return None if self._watching is None else self._watching.session

    def lose(self) -> None:
        """Somebody else has the repository now: stop at once."""
        if self._watching is not None:
            self._watching.fail(LeaseLost(f"{self.repository.name}: another engine has taken it over"))

    async def run(self) -> None:
        """Keeps the repository until cancelled, or removed from the ledger."""
        waits = delays(1.0, 60.0)
        while True:
            self._requested = anyio.Event()
            try:
                await self._keep()
            except RootOffline as error:
                self._say(RepositoryState.OFFLINE, f"{error} I look every {self._root_check:g} s.")
                self._fail_requests(error)
                waits = delays(1.0, 60.0)
                with anyio.move_on_after(self._root_check):
                    await self._requested.wait()
                continue
            except RepositoryNotFound as error:
                self._fail_requests(error)
                return  # it was removed
            except (LeaseLost, EngineLocked, StoreError) as error:
                self._say(RepositoryState.DEGRADED, str(error))
            except OSError as error:
                self._say(RepositoryState.DEGRADED, f"watching failed: {error}; starting again")
            except Exception as error:
                log.exception("%s: unexpected failure", self.repository.name)
                self._say(RepositoryState.DEGRADED, f"unexpected failure: {error!r}; starting again")
            await anyio.sleep(next(waits))

    async def _keep(self) -> None:
        opening = open_session(self._tools, self.repository, self.settings, one_shot=False, patience=None)
        async with opening as session:
            self._watching = Watching(session, self._sources, self._requests, self._say)
            try:
                await self._watching.run()
            except* Exception as group:
                raise first_error(group) from None
            finally:
                self._watching = None

    def _fail_requests(self, error: Exception) -> None:
        while self._requests:
            request = self._requests.pop()
            request.error = error
            request.done.set()

    def _say(self, state: RepositoryState, message: str = "") -> None:
        is_news = state is not self.state or (state in _TROUBLE and message != self.message)
        self.state, self.message = state, message
        if is_news:
            self._tools.hub.tell(StateChanged(self.repository, state, message))


Say = Callable[[RepositoryState, str], None]


def first_error(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The error to act on of several that ended together: a known one before an unknown one."""
    leaves = _leaves(group)
    known = [leaf for leaf in leaves if isinstance(leaf, _KNOWN)]
    return (known or leaves)[0]


def _leaves(error: BaseException) -> list[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        return [leaf for inner in error.exceptions for leaf in _leaves(inner)]
    return [error]
