"""Receivers: who is told that something waits for a person."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from treeledger.waiting import Notice


@runtime_checkable
class Receiver(Protocol):
    """Tells somebody. `name` is that of its table in plugins.toml, by which `notify` names it."""

    name: str

    async def send(self, notices: Sequence[Notice]) -> None:
        """Returns once they have arrived; they are then not sent again, but for reminders.

        Whatever it raises has them sent again later: RetryLater says when. What arrived without that
        being noted is sent once more, with the same `Notice.id`.
        """
