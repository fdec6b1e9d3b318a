"""What goes on beside watching and scanning: hashing, deletions, verification, purging."""

from __future__ import annotations

import time
from typing import Final

import anyio

from treeledger.engine.burst import Burst
from treeledger.engine.hashes import Hashes
from treeledger.engine.planner import quiet_hours
from treeledger.engine.purging import purge
from treeledger.engine.reconcile import operation
from treeledger.engine.session import Session
from treeledger.model import OperationType
from treeledger.wall_clock import local_now

_RETRY_EVERY: Final = 60.0  # seconds between looks for failed files that are due again
_VERIFY_REST: Final = 60.0  # seconds
_VERIFY_SHARE: Final = 20  # of the time, one part is for verification
_BESIDE_REST: Final = 0.5  # seconds
_PURGE_EVERY: Final = 3600.0  # seconds


class Chores:
    """The work that a session has to do by itself, each kind in a loop of its own."""

    def __init__(self, session: Session, burst: Burst, hashes: Hashes) -> None:
        self._session = session
        self._context = session.context
        self._burst = burst
        self._hashes = hashes

    async def hash(self) -> None:
        """Reads what was committed without its hash."""
        recorder = self._context.recorder
        while self._context.content.hashing:
            async with self._session.hashing, operation(self._session, OperationType.REALTIME) as run:
                await self._hashes.drain(run)
            delay = self._hashes.next_try()
            with anyio.move_on_after(_RETRY_EVERY if delay is None else delay):
                await recorder.unread.wait()

    async def settle_deletions(self) -> None:
        """Turns what is missing into deleted, or has it held."""
        recorder = self._context.recorder
        while True:
            recorder.lost = anyio.Event()
            with self._burst.use() as run:
                delay = await self._session.deletions.step(run)
            with anyio.move_on_after(delay):
                await recorder.lost.wait()

    async def verify(self) -> None:
        """Reads again what a chmod, a backup or a scan's move left to verify, a part of the time.

        Not within quiet hours.
        """
        quiet = quiet_hours(self._context.settings)
        while self._context.content.hashing:
            await anyio.sleep(_VERIFY_REST)
            if quiet is not None and quiet.holds(local_now()):
                continue
            started = time.monotonic()
            async with operation(self._session, OperationType.REALTIME) as run:
                await self._session.scrubber().verify(run, _VERIFY_REST / _VERIFY_SHARE)
            await anyio.sleep(_VERIFY_SHARE * (time.monotonic() - started))

    async def look_beside(self) -> None:
        """Notes names that collide with what came; not at once, since many come to the same folders."""
        neighbours = self._session.inspector.neighbours
        while True:
            await neighbours.wait()
            started = time.monotonic()
            with self._burst.use() as run:
                await neighbours.settle(run)
            await anyio.sleep(max(_BESIDE_REST, _VERIFY_SHARE * (time.monotonic() - started)))

    async def purge(self) -> None:
        """Ends records that were deleted long ago."""
        while True:
            await purge(self._context)
            await anyio.sleep(_PURGE_EVERY)
