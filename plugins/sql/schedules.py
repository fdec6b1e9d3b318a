"""When scheduled work ran last, and when it is due."""

from __future__ import annotations

from uuid import UUID

from treeledger.errors import RepositoryNotFound
from treeledger.plugins.sql.values import schedule_from
from treeledger.plugins.sql.work import Part, Work, ask, run
from treeledger.scheduling import Schedule


class Schedules(Part):
    async def schedules(self, repository_id: UUID | None) -> list[Schedule]:
        return await self.session.read(_schedules(repository_id))

    async def note_schedule(self, schedule: Schedule) -> None:
        await self.session.write(_note(schedule))


def _schedules(repository_id: UUID | None) -> Work[list[Schedule]]:
    id = None if repository_id is None else str(repository_id)
    return [schedule_from(row) for row in (yield from ask("schedules", repository_id=id))]


def _note(schedule: Schedule) -> Work[None]:
    repository = str(schedule.repository_id)
    if not (yield from ask("repository", id=repository)):
        raise RepositoryNotFound(f"no repository has the id {repository}")
    yield from run(
        "note_schedule",
        repository_id=repository,
        kind=schedule.kind.value,
        started_at=schedule.started_at,
        ended_at=schedule.ended_at,
        due_at=schedule.due_at,
    )
