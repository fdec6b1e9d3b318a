"""What a store promises about what is noted of scheduled work."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from treeledger.errors import RepositoryNotFound
from treeledger.protocols import Store
from treeledger.scheduling import Schedule, ScheduleKind
from treeledger.testing.store_shelf import Shelf

BEGAN = datetime(2026, 11, 21, 2, 0, 0, 123456, tzinfo=UTC)


@pytest.mark.anyio
class SchedulesContract:
    async def test_what_is_noted_takes_the_place_of_what_was(self, shelf: Shelf, store: Store) -> None:
        first = Schedule(shelf.id, ScheduleKind.FULL, due_at=BEGAN)
        await store.note_schedule(first)
        assert await store.schedules(shelf.id) == [first]
        hour = timedelta(hours=1)
        ran = replace(first, started_at=BEGAN, ended_at=BEGAN + hour, due_at=BEGAN + 24 * hour)
        await store.note_schedule(ran)
        assert await store.schedules(shelf.id) == [ran]
        never = replace(ran, due_at=None)
        await store.note_schedule(never)
        assert await store.schedules(shelf.id) == [never]

    async def test_each_kind_of_each_repository_is_noted(self, shelf: Shelf, store: Store) -> None:
        neighbour = await Shelf.new(store)
        noted = [Schedule(one.id, kind, BEGAN) for one in (shelf, neighbour) for kind in ScheduleKind]
        for schedule in noted:
            await store.note_schedule(schedule)
        assert sorted(await store.schedules(None), key=repr) == sorted(noted, key=repr)
        assert {one.kind for one in await store.schedules(shelf.id)} == set(ScheduleKind)
        assert {one.repository_id for one in await store.schedules(shelf.id)} == {shelf.id}

    async def test_it_is_there_for_the_next_process(self, shelf: Shelf, store: Store, other: Store) -> None:
        schedule = Schedule(shelf.id, ScheduleKind.SCRUB, BEGAN, None, BEGAN)
        await store.note_schedule(schedule)
        assert await other.schedules(shelf.id) == [schedule]

    async def test_it_goes_with_the_repository(self, shelf: Shelf, store: Store) -> None:
        await store.note_schedule(Schedule(shelf.id, ScheduleKind.FULL, BEGAN))
        await store.remove_repository(shelf.id, purge=True)
        assert await store.schedules(None) == []
        with pytest.raises(RepositoryNotFound):
            await store.note_schedule(Schedule(uuid4(), ScheduleKind.FULL, BEGAN))
