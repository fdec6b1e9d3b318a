"""What waits for a person: the notes of the engine that tells of it, and what they are made from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from treeledger.plugins.sql.values import moment, uuid_from, waiting_from
from treeledger.plugins.sql.work import Part, Work, ask, each
from treeledger.waiting import CorruptedFiles, DeadJobs, Troubles, Waiting

_COLUMNS: Final = ("key", "kind", "repository_id", "message", "since", "told_at", "told", "over_at")


class Waits(Part):
    async def waiting(self, *, over: bool = False) -> list[Waiting]:
        return await self.session.read(_waiting(over))

    async def note_waiting(self, noted: Sequence[Waiting], over: Sequence[str]) -> None:
        if noted or over:
            await self.session.write(_note(noted, over))

    async def troubles(self) -> Troubles:
        return await self.session.read(_troubles())


def _waiting(over: bool) -> Work[list[Waiting]]:
    return [waiting_from(row) for row in (yield from ask("waiting", over=over))]


def _note(noted: Sequence[Waiting], over: Sequence[str]) -> Work[None]:
    rows = [
        (
            *(one.key, one.kind.value, None if one.repository_id is None else str(one.repository_id)),
            *(one.message, one.since, one.told_at, one.told, one.over_at),
        )
        for one in noted
    ]
    yield from each("note_waiting", _COLUMNS, rows)
    yield from each("forget_waiting", ("key",), [(key,) for key in over])


def _troubles() -> Work[Troubles]:
    corrupted = yield from ask("corrupted_files")
    dead = yield from ask("dead_jobs")
    return Troubles(
        [CorruptedFiles(uuid_from(id), count, path, moment(since)) for id, count, path, since in corrupted],
        [DeadJobs(action, count, error or "", moment(since)) for action, count, error, since in dead],
    )
