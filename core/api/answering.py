"""An engine's API: served beside its work, and announced to whoever wants it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import anyio

from treeledger.api.server import serving
from treeledger.api.service import Service
from treeledger.config.discovery import state_folder
from treeledger.engine.patience import patiently, unsaid


async def answer(
    service: Service, listening: Callable[[Sequence[str]], None] = lambda addresses: None
) -> None:
    """Serves the API and says in the store where, until cancelled. `listening` is called with the addresses.

    Raises ConfigurationError for settings that cannot be followed.
    """
    ledger, owner = service.ledger, service.engine.tools.owner
    async with serving(service, ledger.configuration.api, state_folder()) as addresses:
        listening(addresses)
        await patiently(partial(ledger.store.announce_engine, owner, addresses[0]), None, unsaid())
        await anyio.sleep_forever()
