"""Scheduled scrubs: beside watching, one after another, begun while no scan runs."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

import anyio

from treeledger.config.settings import RepositorySettings
from treeledger.engine.budget import DEFAULT_BUDGET, Budget
from treeledger.engine.planner import Planner, quiet_hours
from treeledger.engine.scrub import ScrubRequest
from treeledger.engine.scrubbing import scrub_once
from treeledger.engine.session import Session
from treeledger.scheduling import ScheduleKind

_CLOCK_CHECK: Final = 60.0  # seconds between looks at the wall clock, which may jump
_SCAN_CHECK: Final = 1.0  # seconds between looks whether the scan is over that a scrub waits for


class Scrubs:
    """Scrubs one repository whenever the planner says so. One that was broken off is taken up again by the
    next session: what was verified longest ago comes first, so nothing is read twice."""

    def __init__(self, session: Session, planner: Planner, is_scanning: Callable[[], bool]) -> None:
        self._session = session
        self._planner = planner
        self._is_scanning = is_scanning

    async def serve(self) -> None:
        settings = self._session.context.settings
        while self._session.context.content.hashing and ScheduleKind.SCRUB in await self._planner.look():
            await self._wait()
            async with self._planner.running(ScheduleKind.SCRUB):
                await scrub_once(
                    self._session, ScrubRequest(budget=scheduled_budget(settings, self._planner.now()))
                )

    async def _wait(self) -> None:
        """Until it is due by the wall clock, and no scan is running."""
        while True:
            upcoming = (await self._planner.look())[ScheduleKind.SCRUB]
            left = (upcoming - self._planner.now()).total_seconds()
            if left <= 0 and not self._is_scanning():
                return
            await anyio.sleep(min(left, _CLOCK_CHECK) if left > 0 else _SCAN_CHECK)


def scheduled_budget(settings: RepositorySettings, now: datetime) -> Budget:
    """What a scrub that begins now may read: it ends where quiet hours begin."""
    scrub, quiet = settings.scrub, quiet_hours(settings)
    budget = Budget(scrub.percent, scrub.files, scrub.bytes, scrub.time)
    if budget == Budget():
        budget = DEFAULT_BUDGET
    if quiet is None:
        return budget
    left = (quiet.begins_after(now).astimezone(UTC) - now).total_seconds()
    return Budget(budget.percent, budget.files, budget.bytes, min(left, budget.seconds or left))
