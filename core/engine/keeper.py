"""The keeper of one repository: watches it, settles what it hears, scans, hashes, deletes; for months."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Final

import anyio

from treeledger.config.settings import RepositorySettings
from treeledger.engine.groups import ungrouped
from treeledger.engine.hub import RepositoryState, StateChanged
from treeledger.engine.loans import Loans
from treeledger.engine.patience import Absence, delays
from treeledger.engine.readers import NO_THREAD
from treeledger.engine.scans import ScanRequest
from treeledger.engine.session import Session, Tools, open_session
from treeledger.engine.watching import MountsChanged, Watching
from treeledger.errors import EngineLocked, LeaseLost, RepositoryNotFound, RootOffline, StoreError
from treeledger.fs.mounts import mount_changes
from treeledger.model import Repository
from treeledger.protocols import EventSource, SourceHealth

log = logging.getLogger(__name__)
_TROUBLE: Final = frozenset((RepositoryState.OFFLINE, RepositoryState.DEGRADED, RepositoryState.HELD))
ROOT_CHECK: Final = 30.0  # seconds between looks at a root, or for one that is offline
_WENT_WELL: Final = 60.0  # seconds that a session lasted: what ended it is no trouble that goes on
_MOUNTS_EVERY: Final = 1.0  # seconds between looks whether a mount was made


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
        self._said = (self.state, self.message)
        self._absence = Absence(self._tell)
        self._tools = tools
        self._sources = sources
        self._root_check = root_check
        self._requests: list[ScanRequest] = []
        self._requested = anyio.Event()
        self._watching: Watching | None = None
        self.loans = Loans(lambda: self._requested.set())

    def request(self, request: ScanRequest) -> None:
        """Asks for a scan; it runs as soon as the root is there and no other scan is running."""
        self._requests.append(request)
        self._requested.set()
        if self._watching is not None:
            self._watching.wake_scans()

    def withdraw(self, request: ScanRequest) -> None:
        """Takes back what nobody waits for any more; a scan that has begun is stopped."""
        if request in self._requests:
            self._requests.remove(request)
        request.scope.cancel()

    @property
    def lease_holder(self) -> Session | None:
        return None if self._watching is None else self._watching.session

    @property
    def source_health(self) -> SourceHealth | None:
        """How well its event source hears; None while none is armed."""
        return None if self._watching is None else self._watching.source_health

    def lose(self) -> None:
        """Somebody else has the repository now: stop at once."""
        if self._watching is not None:
            self._watching.fail(LeaseLost(f"{self.repository.name}: another engine has taken it over"))

    async def run(self) -> None:
        """Keeps the repository until cancelled, or removed from the ledger."""
        try:
            await self._run()
        finally:
            self._refuse(
                LeaseLost(f"{self.repository.name}: it was paused or removed, or the engine stopped")
            )

    async def _run(self) -> None:
        waits = delays(1.0, 60.0)
        with mount_changes() as have_mounts_changed:
            while True:
                self._requested = anyio.Event()
                began = anyio.current_time()
                try:
                    await self._keep()
                except RootOffline as error:
                    self._say(RepositoryState.OFFLINE, f"{error}; I look every {self._root_check:g} s")
                    self._refuse(error)
                    await self._note_health()
                    await self._wait_for_root(have_mounts_changed)
                    waits = delays(1.0, 60.0)
                    continue
                except RepositoryNotFound as error:
                    self._refuse(error)
                    return  # it was removed
                except Exception as error:
                    await self._take_failure(error)
                if anyio.current_time() - began > _WENT_WELL:
                    waits = delays(1.0, 60.0)
                await anyio.sleep(next(waits))

    async def _take_failure(self, error: Exception) -> None:
        match error:
            case MountsChanged():
                log.info("%s; starting again", error)
                return
            case LeaseLost() | EngineLocked():
                self._say(RepositoryState.DEGRADED, str(error))
                return  # what the store says of it is another engine's business now
            case StoreError():
                message = str(error)
            case _ if _is_want(error):
                message = f"watching failed: {str(error) or 'out of memory'}; starting again"
            case _:
                log.error("%s: unexpected failure", self.repository.name, exc_info=error)
                message = f"unexpected failure: {error!r}; starting again"
        self._say(RepositoryState.DEGRADED, message)
        await self._note_health()

    async def _wait_for_root(self, have_mounts_changed: Callable[[], bool]) -> None:
        """Until it is time to look again, somebody asks for a scan, or a mount was made."""
        end = anyio.current_time() + self._root_check
        while not (self._requested.is_set() or have_mounts_changed()):
            if (left := end - anyio.current_time()) <= 0:
                break
            with anyio.move_on_after(min(left, _MOUNTS_EVERY)):
                await self._requested.wait()

    async def _note_health(self) -> None:
        """Has the store say what is wrong: who asks from outside would see what was so before."""
        health = {"owner": self._tools.owner, "state": self.state.value, "message": self.message}
        try:
            await self._tools.store.update_repository(self.repository.id, health=health)
        except (StoreError, RepositoryNotFound) as error:
            log.debug("%s: its state could not be noted: %s", self.repository.name, error)

    async def _keep(self) -> None:
        opening = open_session(
            self._tools,
            self.repository,
            self.settings,
            one_shot=False,
            patience=None,
            absence=self._absence,
        )
        async with opening as session:
            self._watching = Watching(session, self._sources, self._requests, self._say, self._root_check)
            try:
                async with self.loans.lending(session):
                    with ungrouped():
                        await self._watching.run()
            finally:
                self._watching = None

    def _refuse(self, error: Exception) -> None:
        """Tells those who asked for something why it is not done."""
        self.loans.refuse(error)
        while self._requests:
            self._requests.pop().refuse(error)

    def _say(self, state: RepositoryState, message: str = "") -> None:
        self._said = state, message
        self._tell()

    def _tell(self) -> None:
        """Tells what was said last; while the store is away, that."""
        away = self._absence.reason
        state, message = self._said if away is None else (RepositoryState.DEGRADED, away)
        is_news = state is not self.state or (state in _TROUBLE and message != self.message)
        self.state, self.message = state, message
        if is_news:
            self._tools.hub.tell(StateChanged(self.repository, state, message))


def _is_want(error: Exception) -> bool:
    """Whether the machine refused something, such as memory or, as `threading` says it, a thread."""
    return isinstance(error, OSError | MemoryError) or str(error) == NO_THREAD


Say = Callable[[RepositoryState, str], None]
