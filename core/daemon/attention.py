"""Tells people what waits for them: once, with reminders, and once that it is over; across restarts."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Final
from uuid import UUID

import anyio

from treeledger.config.settings import AttentionSettings
from treeledger.engine.engine import Engine
from treeledger.engine.hub import AttentionChanged, Event, Finished, RepositoryState, StateChanged
from treeledger.engine.patience import delays, patiently, unsaid
from treeledger.errors import RetryLater, StoreUnavailable, TreeledgerError
from treeledger.ledger import Ledger
from treeledger.model import HeldDeletion, HoldStatus, Repository
from treeledger.plugin_answers import ANYTHING
from treeledger.protocols import Receiver
from treeledger.waiting import (
    Behind,
    Notice,
    Standing,
    Troubles,
    Waiting,
    as_told,
    due,
    noted_now,
    undecided,
    what_waits,
)

log = logging.getLogger(__name__)
_EVERY: Final = 5.0  # seconds between two looks
_LEAST: Final = 0.5  # seconds between them when much happens
_ANSWER: Final = 5.0  # seconds that the store has for an answer: a person is told though it is away
_WRITING: Final = 1.0  # seconds; less than is left when the engine stops
_SENDING: Final = 60.0  # seconds that a receiver has
_FIRST_RETRY: Final = 5.0  # seconds, doubled with each further one
_LONGEST_RETRY: Final = 3600.0


class Post:
    """Brings one receiver what it was not brought yet; tries again with a growing delay."""

    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver
        self._given: set[str] = set()
        self._delays = delays(_FIRST_RETRY, _LONGEST_RETRY)
        self._not_before = -1.0

    async def bring(self, notices: Sequence[Notice]) -> None:
        """All of what is due now; what is not among it any more is forgotten."""
        self._given &= {notice.id for notice in notices}
        missing = [notice for notice in notices if not self.has(notice)]
        if not missing or anyio.current_time() < self._not_before:
            return
        try:
            with anyio.fail_after(_SENDING):
                await self._receiver.send(missing)
        except ANYTHING as error:  # the plugin's own code ran: anything may come out
            self._put_off(error, len(missing))
        else:
            self._given |= {notice.id for notice in missing}
            self._delays = delays(_FIRST_RETRY, _LONGEST_RETRY)

    def has(self, notice: Notice) -> bool:
        return notice.id in self._given

    def _put_off(self, error: Exception | SystemExit, count: int) -> None:
        wish = error.seconds if isinstance(error, RetryLater) else 0.0
        wait = min(max(next(self._delays), wish), _LONGEST_RETRY)
        self._not_before = anyio.current_time() + wait
        words = str(error) if isinstance(error, TreeledgerError) else f"{type(error).__name__}: {error}"
        log.warning(
            "%s could not be told what waits (%d); trying again in %.0f s: %s",
            *(self._receiver.name, count, wait, words),
        )


class Attention:
    """Keeps the list of what waits, and has the receivers told of it.

    The notes in memory are what goes; the store has a copy of them as soon as it can. So people are told
    that the store is away, too.
    """

    def __init__(
        self,
        ledger: Ledger,
        engine: Engine,
        *,
        behind: Callable[[], Behind | None] = lambda: None,
        actions: Sequence[str] = (),
        receivers: Mapping[str, Receiver] = MappingProxyType({}),
    ) -> None:
        """`behind`: the action that keeps the journal from being trimmed now; `actions`: the names of those
        that this engine runs; `receivers`: all there are, by name."""
        self._ledger = ledger
        self._engine = engine
        self._behind = behind
        self._actions = frozenset(actions)
        self._posts = {name: Post(receiver) for name, receiver in receivers.items()}
        self._noted: dict[str, Waiting] = {}
        self._stored: dict[str, Waiting | None] = {}  # None: what it has of it is not known
        self._repositories: list[Repository] = []
        self._holds: list[HeldDeletion] = []
        self._troubles = Troubles()
        self._changed = anyio.Event()

    async def follow(self) -> None:
        """Looks and tells until cancelled."""
        stop = self._engine.tools.hub.listen(self._hear)
        try:
            await self._begin()
            while True:
                self._changed = anyio.Event()
                await self._ask_store()
                self._look()
                await self._note()  # whoever asks sees it, however long the receivers take
                await self._tell()
                await self._note()
                await anyio.sleep(_LEAST)
                with anyio.move_on_after(_EVERY):
                    await self._changed.wait()
        finally:
            stop()

    def _hear(self, event: Event) -> None:
        if isinstance(event, StateChanged | Finished):
            self._changed.set()

    async def _begin(self) -> None:
        """Goes on where the last engine left off."""
        noted = await patiently(lambda: self._ledger.store.waiting(over=True), None, unsaid())
        self._repositories = await patiently(self._ledger.store.repositories, None, unsaid())
        self._troubles = await patiently(self._ledger.store.troubles, None, unsaid())
        self._noted = {one.key: one for one in noted if self._is_mine(one)}
        self._stored = dict(self._noted)

    def _is_mine(self, waiting: Waiting) -> bool:
        """Whether this engine says of it when it is over: it is not another host's."""
        if waiting.repository_id is None:
            dead = {one.action for one in self._troubles.dead}
            action = waiting.key.removeprefix("dead_job:")
            return action in self._actions or action not in dead
        hosts = {one.id: one.host for one in self._repositories}
        return hosts.get(waiting.repository_id, self._ledger.host) == self._ledger.host

    async def _ask_store(self) -> None:
        """What the store knows; while it is away, what it said last holds."""
        store = self._ledger.store
        with suppress(StoreUnavailable), anyio.move_on_after(_ANSWER):
            repositories = await store.repositories()
            holds = await store.holds(None, statuses=(HoldStatus.OPEN,))
            troubles = await store.troubles()
            dead = [one for one in troubles.dead if one.action in self._actions]
            self._repositories, self._holds = repositories, holds
            self._troubles = troubles._replace(dead=dead)

    def _look(self) -> None:
        now = datetime.now(UTC)
        standings = list(self._standings())
        waits = what_waits(standings, self._holds, self._troubles, self._behind(), now)
        self._noted = noted_now(self._noted, waits, undecided(standings), now)

    def _standings(self) -> Iterator[Standing]:
        for repository in self._repositories:
            if repository.host != self._ledger.host:
                continue
            keeper = self._engine.keepers.get(repository.id)
            if repository.paused:
                yield Standing(repository, RepositoryState.PAUSED, "")
            elif keeper is None:
                yield Standing(repository, RepositoryState.STOPPED, "")
            else:
                yield Standing(repository, keeper.state, keeper.message)

    async def _tell(self) -> None:
        """Brings every receiver what is due, and notes what all of them have."""
        settings = self._ledger.configuration.attention
        posts = [self._posts[name] for name in settings.notify if name in self._posts]
        notices = [notice for notice in self._notices(settings) if posts or notice.is_over]
        async with anyio.create_task_group() as tasks:
            for post in posts:
                tasks.start_soon(post.bring, notices)
        told = [one.waiting for one in notices if all(post.has(one) for post in posts)]
        self._noted = as_told(self._noted, told, datetime.now(UTC))

    def _notices(self, settings: AttentionSettings) -> list[Notice]:
        names: dict[UUID | None, str] = {one.id: one.name for one in self._repositories}
        waits = due(
            self._noted.values(),
            kinds=settings.kinds,
            remind=timedelta(seconds=settings.remind) if settings.remind is not None else None,
            open_keys=undecided(self._standings()),
            now=datetime.now(UTC),
        )
        return [Notice(one, names.get(one.repository_id)) for one in waits]

    async def _note(self) -> None:
        """Brings the store's copy up to date; while it is away, later. Also when told to stop: what was sent
        is not to be sent again by the next engine."""
        changed = [one for key, one in self._noted.items() if self._stored.get(key) != one]
        over = [key for key in self._stored if key not in self._noted]
        if not (changed or over):
            return
        self._stored |= dict.fromkeys(one.key for one in changed)
        with suppress(StoreUnavailable), anyio.move_on_after(_WRITING, shield=True):
            await self._ledger.store.note_waiting(changed, over)
            self._stored = dict(self._noted)
            waiting = sum(one.over_at is None for one in self._noted.values())
            self._engine.tools.hub.tell(AttentionChanged(waiting))
