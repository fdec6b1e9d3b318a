"""The daemon: an engine on every repository of this host, its API, and what goes on beside them."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Final

import anyio

from treeledger.api.answering import answer
from treeledger.api.service import Service
from treeledger.daemon.attention import Attention
from treeledger.daemon.diary import Diary
from treeledger.daemon.logs import Logs
from treeledger.daemon.notify import Notifier
from treeledger.daemon.reload import Reload
from treeledger.daemon.supervision import supervised
from treeledger.daemon.trimming import Trimming
from treeledger.engine.engine import Engine
from treeledger.engine.hub import Event, RepositoryState, StateChanged
from treeledger.engine.patience import patiently, unsaid
from treeledger.errors import TreeledgerError
from treeledger.ledger import Ledger
from treeledger.repositories import ITS_NAME, called_otherwise
from treeledger.units import show_number

log = logging.getLogger(__name__)
_ARMING: Final = 60.0  # seconds that repositories have to be watched; a disk that hangs holds up no other
_LONGEST_BEAT: Final = 300.0  # seconds without a try to renew the leases, of an engine that works

Greet = Callable[[Ledger, Sequence[str]], None]
"""Called once with the addresses at which the engine answers."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a process brings along: the command that it is, its log, who manages it, the value of `--config`,
    whom it greets."""

    command: str
    logs: Logs
    notifier: Notifier
    config: str | None
    greet: Greet


async def keep_all(ledger: Ledger, surroundings: Surroundings) -> None:
    """Keeps every repository of this host until cancelled; then everything settled is written.

    Raises EngineLocked, ConfigurationError, PluginError.
    """
    diary = Diary()
    stop = diary.listen(ledger.hub)
    try:
        async with ledger.started(command=surroundings.command) as engine:
            name, process = surroundings.command, os.getpid()
            log.info("treeledger %s (process %d) has the ledger %s", name, process, ledger.store.url)
            await _Running(ledger, engine, surroundings).run()
    except anyio.get_cancelled_exc_class():  # it was told to stop
        log.info("stopped; everything settled is written" if diary.is_settled else "stopped")
        raise
    finally:
        stop()


class _Running:
    """What goes on beside the keepers. It begins and ends with the engine."""

    def __init__(self, ledger: Ledger, engine: Engine, surroundings: Surroundings) -> None:
        self._ledger = ledger
        self._engine = engine
        self._command = surroundings.command
        self._notifier = surroundings.notifier
        self._greet = surroundings.greet
        self._read_again = Reload(ledger, surroundings.config, os.environ, surroundings.logs.apply)
        self._is_answering = anyio.Event()

    async def run(self) -> None:
        names = [action.name for action in self._engine.actions]
        trimming = Trimming(self._ledger, names)
        receivers = self._ledger.plugins.receivers()
        attention = Attention(
            self._ledger,
            self._engine,
            behind=lambda: trimming.behind,
            actions=names,
            receivers=receivers,
        )
        self._engine.start(self._answer)
        for name, work in (
            ("the journal", trimming.serve),
            ("attention", attention.follow),
            ("hanging up", self._follow_hangups),
            ("the watchdog", self._assure),
        ):
            self._engine.start(partial(supervised, name, work))
        try:
            await self._is_answering.wait()
            await self._begin()
            await anyio.sleep_forever()
        finally:
            self._notifier.stopping()

    async def _begin(self) -> None:
        """Says that it is ready once all is watched; from then on, how it is."""
        for name in await armed(self._engine, _ARMING):
            log.warning("is not watched yet; I go on without it", extra={"repository": name})
        self._notifier.ready(summary(self._engine))
        log.info("ready: %s", summary(self._engine))
        known = await patiently(self._ledger.repositories, None, unsaid())
        if message := called_otherwise(self._ledger.host, known):
            log.warning("%s; %s", message, ITS_NAME)
        self._engine.tools.hub.listen(self._say_how_it_is)

    def _say_how_it_is(self, event: Event) -> None:
        if isinstance(event, StateChanged):
            self._notifier.status(summary(self._engine))

    async def _answer(self) -> None:
        """Serves the API. Raises ConfigurationError if it cannot listen."""
        began = datetime.now(UTC)
        service = Service(self._ledger, self._engine, self._command, began, self.reload)
        await answer(service, self._listening)

    def _listening(self, addresses: Sequence[str]) -> None:
        self._greet(self._ledger, addresses)
        log.info("answering at %s", ", ".join(addresses))
        self._is_answering.set()

    async def reload(self) -> None:
        """Reads the configuration again, and tells the manager. Raises TreeledgerError, with the reason."""
        self._notifier.reloading()
        refused = ""
        try:
            await self._read_again()
        except TreeledgerError as error:
            refused = f"; the configuration is refused: {error}"
            raise
        finally:
            self._notifier.ready(summary(self._engine) + refused)

    async def _follow_hangups(self) -> None:
        """Reloads at each SIGHUP; who ends is not ended by one."""
        hangup, loop = asyncio.Event(), asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGHUP, hangup.set)
        try:
            while True:
                await hangup.wait()
                hangup.clear()
                with suppress(TreeledgerError):  # it is in the log
                    await self.reload()
        finally:
            loop.remove_signal_handler(signal.SIGHUP)  # else closing the loop has it end the process
            signal.signal(signal.SIGHUP, signal.SIG_IGN)

    async def _assure(self) -> None:
        """Says to the watchdog that the event loop turns and the engine renews its leases, or tries to."""
        span = self._notifier.watchdog
        while span is not None:
            if time.monotonic() - self._engine.heartbeat < _LONGEST_BEAT:
                self._notifier.alive()
            await anyio.sleep(span / 2)


async def armed(engine: Engine, seconds: float) -> list[str]:
    """Waits until each repository is watched, or it is known why not. The names of those of which neither is
    known after that time."""
    news = anyio.Event()

    def hear(event: Event) -> None:
        news.set()

    stop = engine.tools.hub.listen(hear)
    try:
        with anyio.move_on_after(seconds):
            while _unarmed(engine):
                await news.wait()
                news = anyio.Event()
    finally:
        stop()
    return _unarmed(engine)


def _unarmed(engine: Engine) -> list[str]:
    keepers = engine.keepers.values()
    return [keeper.repository.name for keeper in keepers if keeper.state is RepositoryState.STOPPED]


def summary(engine: Engine) -> str:
    """How the repositories are, by number; those in trouble by name."""
    keepers = list(engine.keepers.values())
    counts = Counter(keeper.state.value for keeper in keepers)
    well = (RepositoryState.WATCHING, RepositoryState.SCANNING)
    troubled = [
        f"{keeper.repository.name} is {keeper.state}" for keeper in keepers if keeper.state not in well
    ]
    parts = [f"{count} {state}" for state, count in sorted(counts.items())]
    number = show_number(len(keepers), "repository", "repositories")
    return "; ".join([": ".join([number, ", ".join(parts)]) if parts else number, *troubled[:5]])
