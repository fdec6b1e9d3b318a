"""What waits for a person: held deletions, repositories offline or degraded, corrupted files, dead jobs.

Pure: from what is seen now and what was noted before to what is noted now, and to what is due to be told.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, NamedTuple
from uuid import UUID

from treeledger.model import HeldDeletion, Repository
from treeledger.units import show_number


class WaitingKind(StrEnum):
    HELD = "held"
    OFFLINE = "offline"
    DEGRADED = "degraded"
    CORRUPTED = "corrupted"
    DEAD_JOB = "dead_job"


@dataclass(frozen=True, slots=True)
class Waiting:
    """One thing that waits. `key` is the same for as long as it does; `message` says what is safe and what to
    do; `told_at` is when it was sent to receivers last, `told` how often. `over_at`: it waits no longer
    since then, of which those who were told are yet to hear."""

    key: str
    kind: WaitingKind
    repository_id: UUID | None
    message: str
    since: datetime
    told_at: datetime | None = None
    told: int = 0
    over_at: datetime | None = None


class Notice(NamedTuple):
    """What a receiver is told of: something that waits (again, if `waiting.told`), or with `is_over` waits no
    longer. `repository` is the name of the repository it is about."""

    waiting: Waiting
    repository: str | None

    @property
    def is_over(self) -> bool:
        return self.waiting.over_at is not None

    @property
    def id(self) -> str:
        """Equal for one notice however often it is sent, and for no other."""
        waiting = self.waiting
        end = "over" if self.is_over else str(waiting.told)
        return f"{waiting.key}@{waiting.since.isoformat()}:{end}"


class CorruptedFiles(NamedTuple):
    """The corrupted files of one repository: how many, and the first by path."""

    repository_id: UUID
    files: int
    first: str
    since: datetime


class DeadJobs(NamedTuple):
    """The dead jobs of one action: how many, and the last error of the newest."""

    action: str
    jobs: int
    error: str
    since: datetime


class Troubles(NamedTuple):
    """What the ledger itself knows to wait, beside held deletions."""

    corrupted: Sequence[CorruptedFiles] = ()
    dead: Sequence[DeadJobs] = ()


class Behind(NamedTuple):
    """An action that is yet to read changes of the journal which are older than its retention."""

    action: str
    since: datetime
    message: str


class Standing(NamedTuple):
    """How a repository is: state and message as its keeper says them (`treeledger.engine.hub`)."""

    repository: Repository
    state: str
    message: str


_PASSING: Final = {WaitingKind.OFFLINE: timedelta(minutes=1), WaitingKind.DEGRADED: timedelta(minutes=1)}
"""What may pass by itself is told only if it lasts so long."""
_HIDDEN: Final = {
    "stopped": (WaitingKind.OFFLINE, WaitingKind.DEGRADED),
    "scanning": (WaitingKind.DEGRADED,),
    "held": (WaitingKind.DEGRADED,),
}
"""What a state leaves open: it may still be so."""


def what_waits(
    standings: Iterable[Standing],
    holds: Iterable[HeldDeletion],
    troubles: Troubles,
    behind: Behind | None,
    now: datetime,
) -> list[Waiting]:
    """Everything that waits now. Of repositories that have no standing nothing is said."""
    by_id = {standing.repository.id: standing for standing in standings}
    return [
        *(_trouble(one, now) for one in by_id.values() if one.state in ("offline", "degraded")),
        *(_held(hold, by_id[hold.repository_id]) for hold in holds if hold.repository_id in by_id),
        *(
            _corrupted(one, by_id[one.repository_id])
            for one in troubles.corrupted
            if one.repository_id in by_id
        ),
        *(_dead(one) for one in troubles.dead),
        *([_unread(behind)] if behind is not None else []),
    ]


def undecided(standings: Iterable[Standing]) -> set[str]:
    """The keys of what nobody can say now whether it still waits: what was noted of it holds."""
    return {
        _key(kind, standing.repository.id)
        for standing in standings
        for kind in _HIDDEN.get(standing.state, ())
    }


def _key(kind: WaitingKind, of: object) -> str:
    return f"{kind}:{of}"


def _trouble(standing: Standing, now: datetime) -> Waiting:
    kind, repository = WaitingKind(standing.state), standing.repository
    message = standing.message
    if not message.startswith(repository.name):
        message = f"{repository.name}: {message}"
    return Waiting(_key(kind, repository.id), kind, repository.id, message, now)


def _held(hold: HeldDeletion, standing: Standing) -> Waiting:
    repository = standing.repository
    message = (
        f"{repository.name}: {hold.reason}. Nothing is deleted in the ledger before you decide: "
        f"treeledger deletions show {hold.id}, then approve {hold.id} or reject {hold.id}"
    )
    return Waiting(_key(WaitingKind.HELD, hold.id), WaitingKind.HELD, repository.id, message, hold.opened_at)


def _corrupted(found: CorruptedFiles, standing: Standing) -> Waiting:
    repository = standing.repository
    many = show_number(found.files, "file")
    message = (
        f"{repository.name}: the content of {many} is not what it was, though nothing was written: "
        f"{found.first}{' and others' if found.files > 1 else ''}. The good hashes are kept. Restore what "
        "treeledger problems lists from a backup; what is right as it is: treeledger scrub --accept PATH"
    )
    kind = WaitingKind.CORRUPTED
    return Waiting(_key(kind, repository.id), kind, repository.id, message, found.since)


def _dead(found: DeadJobs) -> Waiting:
    jobs, alone = show_number(found.jobs, "job"), "itself" if found.jobs == 1 else "themselves"
    message = (
        f"{found.action}: {jobs} will not be tried again by {alone}; the last failed: {found.error}. "
        "Nothing is lost. Once that is mended: treeledger jobs retry"
    )
    kind = WaitingKind.DEAD_JOB
    return Waiting(_key(kind, found.action), kind, None, message, found.since)


def _unread(behind: Behind) -> Waiting:
    kind = WaitingKind.DEGRADED
    return Waiting(_key(kind, f"journal:{behind.action}"), kind, None, behind.message, behind.since)


def noted_now(
    noted: Mapping[str, Waiting], waits: Iterable[Waiting], open_keys: Collection[str], now: datetime
) -> dict[str, Waiting]:
    """The notes as they are from now on.

    What waited before keeps since when, and what was told of it. What waits no longer is kept only to tell
    those who know of it that it is over. Notes of `open_keys` (see `undecided`) stay as they are.
    """
    found = {waiting.key: waiting for waiting in waits}
    kept = {key: noted[key] for key in noted if key in open_keys and key not in found}
    over = {
        key: one if one.over_at is not None else replace(one, over_at=now)
        for key, one in noted.items()
        if key not in found and key not in kept and one.told
    }
    here = {key: _continued(noted.get(key), one) for key, one in found.items()}
    return {**kept, **over, **here}


def _continued(before: Waiting | None, now: Waiting) -> Waiting:
    if before is None:
        return now
    return replace(now, since=before.since, told_at=before.told_at, told=before.told)


def due(
    noted: Iterable[Waiting],
    *,
    kinds: Collection[str],
    remind: timedelta | None,
    open_keys: Collection[str],
    now: datetime,
) -> Iterator[Waiting]:
    """What is to be told now: what is new, of these kinds; what waits still, every `remind`; what is over."""
    for one in noted:
        if one.over_at is not None:
            yield one
        elif one.told_at is None:
            has_lasted = now - one.since >= _PASSING.get(one.kind, timedelta(0))
            if one.kind in kinds and has_lasted and one.key not in open_keys:
                yield one
        elif remind is not None and one.kind in kinds and now - one.told_at >= remind:
            yield one


def as_told(noted: Mapping[str, Waiting], told: Iterable[Waiting], now: datetime) -> dict[str, Waiting]:
    """The notes after these were told: once with more, and without what is over."""
    after = dict(noted)
    for one in told:
        if one.over_at is not None:
            del after[one.key]
        else:
            after[one.key] = replace(after[one.key], told_at=now, told=one.told + 1)
    return after
