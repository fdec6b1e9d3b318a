"""Scheduled work of repositories: what there is, and when it is due."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID


class ScheduleKind(StrEnum):
    FULL = "full"  # reconciliation of the whole tree
    QUICK = "quick"  # of the folders that changed recently
    SCRUB = "scrub"


@dataclass(frozen=True, slots=True)
class Schedule:
    """When one kind of a repository's scheduled work ran, and when it is due. `ended_at`: of the last run
    that was completed."""

    repository_id: UUID
    kind: ScheduleKind
    started_at: datetime | None = None
    ended_at: datetime | None = None
    due_at: datetime | None = None
