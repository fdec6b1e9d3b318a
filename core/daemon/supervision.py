"""What runs beside the engine for months: each task fails for itself, and begins again."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Final

import anyio

from treeledger.engine.patience import delays

log = logging.getLogger(__name__)
_FIRST: Final = 1.0  # seconds until a task that failed begins again, doubled with each further failure
_LONGEST: Final = 300.0
_WENT_WELL: Final = 600.0  # seconds after which a failure counts as the first


async def supervised(name: str, work: Callable[[], Awaitable[None]]) -> None:
    """Runs some work until it returns or is cancelled; a failure is logged, and touches nothing else."""
    waits = delays(_FIRST, _LONGEST)
    while True:
        began = anyio.current_time()
        try:
            await work()
        except Exception:
            if anyio.current_time() - began > _WENT_WELL:
                waits = delays(_FIRST, _LONGEST)
            wait = next(waits)
            log.exception("%s: unexpected failure; starting again in %.0f s", name, wait)
            await anyio.sleep(wait)
        else:
            return
