"""What the handlers of the API work with."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

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
