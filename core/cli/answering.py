"""The API of an engine in the foreground: served beside its work, and announced to whoever wants it."""

from __future__ import annotations

import logging
from datetime import UTC, datetime

from treeledger.api import answering as api
from treeledger.api.service import Service
from treeledger.engine.engine import Engine
from treeledger.errors import ConfigurationError
from treeledger.ledger import Ledger

log = logging.getLogger(__name__)


async def answer(ledger: Ledger, engine: Engine, command: str) -> None:
    """Serves the API and says in the store where, until cancelled.

    Where nothing was configured and no socket can be made, the engine goes on without. Raises
    ConfigurationError for settings that cannot be followed.
    """
    settings = ledger.configuration.api
    try:
        await api.answer(Service(ledger, engine, command, datetime.now(UTC)))
    except ConfigurationError as error:
        if settings.socket is not None or settings.listen is not None:
            raise
        log.info("other commands cannot work through this engine: %s", error)
