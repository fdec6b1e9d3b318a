"""Waiting out a store that is away: backoff with jitter, as long as the caller has patience."""

from __future__ import annotations

import logging
import random
from collections.abc import Awaitable, Callable, Iterator
from typing import TypeVar

import anyio

from treeledger.errors import StoreUnavailable

T = TypeVar("T")
log = logging.getLogger(__name__)


def delays(first: float = 0.1, longest: float = 30.0) -> Iterator[float]:
    """Seconds to wait before each further try: doubling, with a random half lest many return at once."""
    delay = first
    while True:
        yield delay * random.uniform(0.5, 1.0)
        delay = min(2 * delay, longest)


async def patiently(call: Callable[[], Awaitable[T]], patience: float | None) -> T:
    """The result of a store call, tried again while the store is away.

    `patience` in seconds, None without end. Raises StoreUnavailable once it is over.
    """
    deadline = anyio.current_time() + patience if patience is not None else None
    for delay in delays():
        try:
            return await call()
        except StoreUnavailable as error:
            if deadline is not None and anyio.current_time() + delay > deadline:
                raise
            log.warning("%s; trying again in %.1f s", error, delay)
        await anyio.sleep(delay)
    raise AssertionError("unreachable")
