"""What the handlers of the API work with."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime

from treeledger.api.news import News
from treeledger.api.tail import Tail
from treeledger.engine.engine import Engine
from treeledger.ledger import Ledger


@dataclass(frozen=True, slots=True)
class Service:
    """A ledger whose engine runs in this process. `command` is what started it (daemon, watch, tui);
    `reload` reads plugins.toml again, None where that is not possible."""

    ledger: Ledger
    engine: Engine
    command: str
    started_at: datetime
    reload: Callable[[], Awaitable[None]] | None = None
    tail: Tail = field(init=False)  # the journal, for who follows it
    news: News = field(init=False)  # what the engine tells

    def __post_init__(self) -> None:
        object.__setattr__(self, "tail", Tail(self.ledger.store))
        object.__setattr__(self, "news", News(self.ledger.hub))
