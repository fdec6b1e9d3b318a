"""What a webhook has delivered since its engine began: kept in memory, and told by a route of the API."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec

from treeledger.errors import TreeledgerError

ROUTE: Final = "/api/plugins/webhook/deliveries"
_LAST: Final = 50  # deliveries that are kept
_MINUTES: Final = 60  # that are counted


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """One POST of changes. `key` is that of its job; `seconds` it took; `error` is None if it arrived."""

    at: datetime
    key: str
    changes: int
    seconds: float
    error: str | None


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """What one webhook did since `since`.

    `delivered` counts POSTs that arrived and `changes` what was in them; `failed` those that did not. Of each
    of the last sixty `minutes` it has the changes that arrived, oldest first; the last one is not over.
    `last` has the last POSTs, newest first.
    """

    action: str
    host: str
    since: datetime
    delivered: int
    failed: int
    changes: int
    minutes: list[int]
    last: list[Delivery]


class Deliveries:
    """Notes what becomes of each delivery of one webhook."""

    def __init__(self, now: datetime) -> None:
        self._since = now
        self._delivered = self._failed = self._changes = 0
        self._last: deque[Delivery] = deque(maxlen=_LAST)
        self._minutes: deque[tuple[datetime, int]] = deque(maxlen=_MINUTES)  # those in which changes arrived

    @contextmanager
    def noted(self, key: str, changes: int) -> Iterator[None]:
        """Around one delivery; what it raises of `treeledger.errors` is why it did not arrive."""
        at = datetime.now(UTC)
        try:
            yield
        except TreeledgerError as failure:
            self.note(Delivery(at=at, key=key, changes=changes, seconds=_since(at), error=str(failure)))
            raise
        self.note(Delivery(at=at, key=key, changes=changes, seconds=_since(at), error=None))

    def note(self, delivery: Delivery) -> None:
        self._last.appendleft(delivery)
        if delivery.error is not None:
            self._failed += 1
            return
        self._delivered += 1
        self._changes += delivery.changes
        minute = _minute(delivery.at)
        before = self._minutes.pop()[1] if self._minutes and self._minutes[-1][0] == minute else 0
        self._minutes.append((minute, before + delivery.changes))

    def told(self, action: str, host: str, now: datetime) -> Told:
        counted = dict(self._minutes)
        last = _minute(now)
        return Told(
            action=action,
            host=host,
            since=self._since,
            delivered=self._delivered,
            failed=self._failed,
            changes=self._changes,
            minutes=[counted.get(last - timedelta(minutes=ago), 0) for ago in reversed(range(_MINUTES))],
            last=list(self._last),
        )


def _since(moment: datetime) -> float:
    return (datetime.now(UTC) - moment).total_seconds()


def _minute(moment: datetime) -> datetime:
    return moment.replace(second=0, microsecond=0)
