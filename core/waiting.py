"""What waits for a person: held deletions, repositories that are offline or degraded, corrupted files, dead jobs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID


class WaitingKind(StrEnum):
    HELD = "held"
    OFFLINE = "offline"
    DEGRADED = "degraded"
    CORRUPTED = "corrupted"
    DEAD_JOB = "dead_job"


@dataclass(frozen=True, slots=True)
class Waiting:
    """One thing that waits. `key` is the same for as long as it does; `message` says what is safe and what to
    do; `told_at` is when it was sent to receivers last, `told` how often."""

    key: str
    kind: WaitingKind
    repository_id: UUID | None
    message: str
    since: datetime
    told_at: datetime | None = None
    told: int = 0
