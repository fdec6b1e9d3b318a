"""The journal is kept to its retention, but no action loses what it is yet to read."""

from __future__ import annotations

import anyio
import pytest
from support import Tree

from treeledger.daemon import trimming
from treeledger.daemon.trimming import trim
from treeledger.errors import CursorExpired
from treeledger.model import Cursor

pytestmark = pytest.mark.anyio
OLD = 0.0  # seconds of retention: everything is old
NEW = 3600.0


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trimming, "_BATCH", 7)


async def grown(tree: Tree, count: int = 30) -> Cursor:
    for n in range(count):
        tree.write(f"{n}")
    await tree.ledger.scan(tree.repository)
    return await tree.ledger.store.head()


async def oldest(tree: Tree) -> int:
    """The number of the first entry that is kept; 0 if there is none."""
    entries = await tree.ledger.store.changes(0, limit=1, newest=True)
    if not entries:
        return 0
    for n in range(entries[0].n):
        try:
            return (await tree.ledger.store.changes(n, limit=1))[0].n
        except CursorExpired:
            continue
    raise AssertionError("the newest is kept and cannot be read")


async def test_what_is_older_goes_in_batches_and_what_is_newer_stays(tree: Tree) -> None:
    head = await grown(tree)
    assert await trim(tree.ledger.store, [], NEW) is None
    assert await oldest(tree) == 1
    await anyio.sleep(0.01)  # the clock goes on
    assert await trim(tree.ledger.store, [], OLD) is None
    assert await oldest(tree) == 0
    assert await tree.ledger.store.head() == head


async def test_what_an_action_is_yet_to_read_stays_and_is_told_of(tree: Tree) -> None:
    store, head = tree.ledger.store, await grown(tree)
    await store.plan_jobs("slow", Cursor(head.epoch, 12), [], after=None)
    await store.plan_jobs("fast", head, [], after=None)
    behind = await trim(store, ["slow", "fast", "new"], OLD)
    assert behind is not None
    assert behind.action == "slow"
    assert "slow is yet to read changes" in behind.message
    assert await oldest(tree) == 13
    await store.plan_jobs("slow", head, [], after=Cursor(head.epoch, 12))
    assert await trim(store, ["slow", "fast"], OLD) is None
    assert await oldest(tree) == 0


async def test_an_action_that_is_not_enabled_any_more_holds_nothing_up(tree: Tree) -> None:
    store, head = tree.ledger.store, await grown(tree)
    await store.plan_jobs("gone", Cursor(head.epoch, 12), [], after=None)
    await store.plan_jobs("of another history", Cursor("epoch", 3), [], after=None)
    assert await trim(store, ["of another history"], OLD) is None
    assert await oldest(tree) == 0
