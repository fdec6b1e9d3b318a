"""Records of what was deleted end after their retention, and not before all that counts them is done."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from support import Tree, until

from treeledger.engine.purging import purge
from treeledger.model import HoldStatus, RecordState

pytestmark = pytest.mark.anyio
AT_ONCE = {"retention": "0ms", "max_delete": {"window": "1ms"}}


async def purged(tree: Tree, settings: dict[str, Any]) -> int:
    """How many records an engine with such settings ends now."""
    configured = tree.ledger.configuration.settings_for(settings)
    async with (
        tree.ledger.started([]) as engine,
        engine.in_hand(tree.repository, configured, 1.0) as session,
    ):
        return await purge(session.context)


async def with_one_deleted(tree: Tree) -> None:
    for name in ("gone", "stays"):
        tree.write(name)
    await tree.ledger.scan(tree.repository)
    (tree.root / "gone").unlink()
    await tree.ledger.scan(tree.repository)
    assert await tree.state("gone") is RecordState.DELETED

    async def is_past() -> bool:
        gone = await tree.ledger.store.gone(tree.repository.id, timedelta(milliseconds=1))
        return gone.in_window == 0

    await until(is_past, "a millisecond gone by")


async def test_what_was_deleted_for_longer_than_the_retention_ends(tree: Tree) -> None:
    await with_one_deleted(tree)
    assert await purged(tree, {"retention": "forever", "max_delete": {"window": "1ms"}}) == 0
    assert await purged(tree, {"retention": "1h", "max_delete": {"window": "1ms"}}) == 0
    assert await tree.state("gone") is RecordState.DELETED
    assert await purged(tree, AT_ONCE) == 1
    assert (await tree.state("gone"), await tree.state("stays")) == (None, RecordState.PRESENT)


async def test_what_the_gate_still_counts_stays_however_short_the_retention(tree: Tree) -> None:
    await with_one_deleted(tree)
    assert await purged(tree, {"retention": "0ms"}) == 0
    assert await tree.state("gone") is RecordState.DELETED


async def test_nothing_ends_while_a_person_is_asked(tree: Tree) -> None:
    tree.repository = await tree.ledger.change_settings(tree.repository.id, AT_ONCE)
    await with_one_deleted(tree)
    (tree.root / "stays").unlink()
    await tree.ledger.scan(tree.repository)  # the root is empty now
    [hold] = await tree.ledger.store.holds(tree.repository.id, statuses=(HoldStatus.OPEN,))
    assert await purged(tree, AT_ONCE) == 0
    assert await tree.state("gone") is RecordState.DELETED
    await tree.ledger.store.set_hold(hold.id, HoldStatus.REJECTED, by="test")
    assert await purged(tree, AT_ONCE) == 1
