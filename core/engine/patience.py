"""Waiting out a store that is away: backoff with jitter, as long as the caller has patience."""

from __future__ import annotations

import inspect
import logging
import random
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, TypeVar, cast

import anyio

from treeledger.errors import StoreUnavailable
from treeledger.protocols import Store

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


def patient(store: Store, patience: float | None) -> Store:
    """A store whose every call waits while the store behind it is away."""
    return cast(Store, _Patient(store, patience))


class _Patient:
    def __init__(self, store: Store, patience: float | None) -> None:
        self._store = store
        self._patience = patience

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._store, name)
        if not inspect.iscoroutinefunction(method):
            return method

        async def call(*arguments: Any, **options: Any) -> Any:
            return await patiently(lambda: method(*arguments, **options), self._patience)

        setattr(self, name, call)
        return call
