"""What a store promises about opening, its schema, engine locks and copies."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from treeledger.errors import EngineLocked, StoreUnavailable
from treeledger.protocols import Store
from treeledger.testing.store_shelf import Shelf


@pytest.mark.anyio
class LifeContract:
    async def test_is_a_store(self, store: Store) -> None:
        assert isinstance(store, Store)
        assert ":" in store.url

    async def test_migrations_are_known_before_and_applied_after_open(
        self, build_new: Callable[[], Store]
    ) -> None:
        store = build_new()
        try:
            before = await store.migrations()
            assert before
            assert all(migration.known and migration.applied_at is None for migration in before)
            await store.open()
            after = await store.migrations()
            assert [migration[:2] for migration in after] == [migration[:2] for migration in before]
            assert all(migration.applied_at for migration in after)
            assert await store.migrate() == []
        finally:
            await store.aclose()

    async def test_opening_again_keeps_everything(self, shelf: Shelf, other: Store) -> None:
        record = await shelf.put("a")
        assert await other.record(record.id) == record
        assert await other.head() == await shelf.store.head()

    async def test_closed_store_says_so(self, build: Callable[[], Store]) -> None:
        store = build()
        await store.open()
        await store.aclose()
        await store.aclose()
        with pytest.raises(StoreUnavailable):
            await store.head()

    async def test_one_engine_at_a_time(self, store: Store, other: Store) -> None:
        assert await other.engine_holder("here") is None
        owner = await store.lock_engine("here", "watch")
        with pytest.raises(EngineLocked, match="watch"):
            await other.lock_engine("here", "daemon")
        holder = await other.engine_holder("here")
        assert holder
        assert (holder.host, holder.command) == ("here", "watch")
        assert await store.renew([], owner, 60.0) == []
        await store.unlock_engine(owner)
        assert await other.engine_holder("here") is None
        second = await other.lock_engine("here", "daemon")
        assert second != owner
        await other.unlock_engine(second)

    async def test_engine_announces_where_it_listens(self, store: Store, other: Store) -> None:
        owner = await store.lock_engine("here", "watch")
        assert await _address(other) == ""
        await store.announce_engine(owner, "unix:/run/a.sock")
        assert await _address(other) == "unix:/run/a.sock"
        await store.renew([], owner, 60.0)
        await store.announce_engine("somebody else", "unix:/run/b.sock")
        assert await _address(other) == "unix:/run/a.sock"
        await store.announce_engine(owner, "")
        assert await _address(other) == ""
        await store.announce_engine(owner, "unix:/run/a.sock")
        await store.unlock_engine(owner)
        second = await other.lock_engine("here", "daemon")
        assert await _address(store) == ""
        await other.unlock_engine(second)

    async def test_only_its_owner_gives_the_lock_back(self, store: Store, other: Store) -> None:
        owner = await store.lock_engine("here", "watch")
        await store.unlock_engine("somebody else")
        assert await other.engine_holder("here")
        await store.unlock_engine(owner)


async def _address(store: Store) -> str:
    holder = await store.engine_holder("here")
    assert holder is not None
    return holder.address
