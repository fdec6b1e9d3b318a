"""What the handlers of the API work with."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING

import anyio.to_thread

from treeledger.config.configuration import load
from treeledger.engine.engine import Engine
from treeledger.ledger import Ledger

if TYPE_CHECKING:
    from treeledger.api.job_counts import JobCounts
    from treeledger.api.news import News
    from treeledger.api.tail import Tail


@dataclass(frozen=True)
class Service:
    """A ledger whose engine runs in this process. `command` is what started it (daemon, watch, tui);
    `reload` reads plugins.toml again, None where that is not possible."""

    ledger: Ledger
    engine: Engine
    command: str
    started_at: datetime
    reload: Callable[[], Awaitable[None]] | None = None

    async def take_up(self) -> None:
        """Goes by what plugins.toml says now of repositories, as `reload` does where that is possible."""
        if self.reload is not None:
            await self.reload()
        else:
            path = self.ledger.configuration.path
            await self.ledger.reconfigure(await anyio.to_thread.run_sync(load, path, os.environ))

    @cached_property
    def job_counts(self) -> JobCounts:
        """How many jobs there are, for whoever looks often."""
        from treeledger.api.job_counts import JobCounts

        return JobCounts(self.ledger.store.count_jobs)

    @cached_property
    def tail(self) -> Tail:
        """The journal, for who follows it."""
        from treeledger.api.tail import Tail

        return Tail(self.ledger.store)

    @cached_property
    def news(self) -> News:
        """What the engine tells, from the first reader on."""
        from treeledger.api.news import News

        return News(self.ledger.hub)
