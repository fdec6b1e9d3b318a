"""Waiting out a store that is away: backoff with jitter, as long as the caller has patience."""

from __future__ import annotations

import asyncio
import inspect
import logging
import random
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, TypeVar, cast

import anyio

from treeledger.errors import StoreRefused, StoreUnavailable
from treeledger.protocols import Store

T = TypeVar("T")
log = logging.getLogger(__name__)
_LONGEST: Final = 5.0  # seconds between two tries: the store is found soon after it is back
_SILENCE: Final = 10.0  # seconds without an answer that are worth telling


def delays(first: float = 0.1, longest: float = 30.0) -> Iterator[float]:
    """Seconds to wait before each further try: doubling, with a random half lest many return at once."""
    delay = first
    while True:
        yield delay * random.uniform(0.5, 1.0)
        delay = min(2 * delay, longest)


class Absence:
    """Which calls wait for a store that is away, and why.

    `changed` is called when the first begins to wait, when its reason is another, and when none waits
    any more. By default the reason is logged.
    """

    def __init__(self, changed: Callable[[], None] | None = None) -> None:
        self._changed = changed or self._log
        self._waiting: dict[object, str] = {}

    @property
    def reason(self) -> str | None:
        """Why the call that has waited for longest waits; None if none does."""
        return next(iter(self._waiting.values()), None)

    @contextmanager
    def minded(self, silence: float | None = None) -> Iterator[Callable[[str], None]]:
        """For the time of one call, which says through the function given why it waits.

        One that has no answer for `silence` seconds is taken to wait.
        """
        call = object()
        loop = asyncio.get_running_loop()
        timer = loop.call_later(silence, self._wait, call, _SILENT) if silence is not None else None
        try:
            yield lambda reason: self._wait(call, reason)
        finally:
            if timer is not None:
                timer.cancel()
            self._change(lambda: self._waiting.pop(call, None))

    def _wait(self, call: object, reason: str) -> None:
        self._change(lambda: self._waiting.update({call: reason}))

    def _change(self, change: Callable[[], object]) -> None:
        before = self.reason
        change()
        if self.reason != before:
            self._changed()

    def _log(self) -> None:
        if self.reason is not None:
            log.warning("%s", self.reason)


def unsaid() -> Absence:
    """For what waits beside the keepers, which tell of an absence of the store themselves."""
    return Absence(lambda: None)


_SILENT: Final = "the ledger does not answer; what is heard meanwhile is kept"


async def patiently(
    call: Callable[[], Awaitable[T]],
    patience: float | None,
    absence: Absence | None = None,
    *,
    silence: float | None = None,
) -> T:
    """The result of a store call, tried again while the store is away.

    `patience` in seconds, None without end. Raises StoreUnavailable once it is over; what only a person
    can mend is waited for only without end.
    """
    deadline = anyio.current_time() + patience if patience is not None else None
    with (absence or Absence()).minded(silence) as waits:
        for delay in delays(longest=_LONGEST):
            try:
                return await call()
            except StoreUnavailable as error:
                if deadline is not None and (
                    isinstance(error, StoreRefused) or anyio.current_time() + delay > deadline
                ):
                    raise
                waits(_going_on(str(error)))
                log.debug("trying again in %.1f s: %s", delay, error)
            await anyio.sleep(delay)
    raise AssertionError("unreachable")


def _going_on(reason: str) -> str:
    return f"{reason}{'' if reason.endswith(('.', '?')) else '.'} I try again"


def patient(store: Store, patience: float | None, absence: Absence | None = None) -> Store:
    """A store whose every call waits while the store behind it is away, and says so to `absence`."""
    return cast(Store, _Patient(store, patience, absence or Absence()))


class _Patient:
    def __init__(self, store: Store, patience: float | None, absence: Absence) -> None:
        self._store = store
        self._patience = patience
        self._absence = absence

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._store, name)
        if not inspect.iscoroutinefunction(method):
            return method

        async def call(*arguments: Any, **options: Any) -> Any:
            return await patiently(
                lambda: method(*arguments, **options), self._patience, self._absence, silence=_SILENCE
            )

        setattr(self, name, call)
        return call
