"""Both stores: a batch that fails half-way, a commit whose answer is lost."""

from __future__ import annotations

from collections.abc import AsyncIterator
from itertools import count
from pathlib import Path
from random import Random
from typing import Any, TypeVar

import pytest
from matrix import fault
from support import Tree, tree_on

from treeledger.errors import StoreUnavailable
from treeledger.model import Change, FileRecord, RecordState
from treeledger.plugins.sql import applying
from treeledger.plugins.sql.work import Work
from treeledger.testing.store_shelf import Shelf, change

pytestmark = pytest.mark.anyio
T = TypeVar("T")
AWAY = StoreUnavailable("the ledger is away")


@pytest.fixture
async def tree(tmp_path: Path, store_url: str) -> AsyncIterator[Tree]:
    """In the end the ledger must be sound."""
    async with tree_on(tmp_path / "tree", store_url) as tree:
        yield tree
        await tree.check_sound()


def grow(tree: Tree, files: int) -> None:
    for number in range(files):
        tree.write(f"d{number % 7}/{number}", f"content {number}")


_STEPS = ("hold_lease_and_ask", "_write", "_count", "_journal")


@fault(
    "the store fails in the middle of a batch",
    "nothing of the batch is kept, and it is tried again as a whole",
)
@pytest.mark.parametrize("step", ["_write", "_journal"])
async def test_failure_in_a_batch(tree: Tree, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    """After each step, the journal's entries included: once in a scan, then again and again in a burst."""
    calls, original = count(1), getattr(applying, step)

    def failing(*arguments: Any) -> Work[Any]:
        result = yield from original(*arguments)
        if next(calls) % 3 == 1:
            raise AWAY
        return result

    monkeypatch.setattr(applying, step, failing)
    grow(tree, 200)
    await tree.ledger.scan(tree.repository)
    assert next(calls) > 2
    await tree.check_sound()
    async with tree.watched():
        for number in range(0, 200, 2):
            tree.write(f"d{number % 7}/{number}", "changed")
        (tree.root / "d1/1").unlink()
        (tree.root / "d3/3").rename(tree.root / "moved")
        await tree.until_equal()


@fault("a batch fails for good in its middle", "records, counters, journal and its head are as before")
@pytest.mark.parametrize("step", _STEPS)
async def test_failed_batch_leaves_nothing(tree: Tree, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    shelf = await Shelf.new(tree.ledger.store)
    await shelf.add("a", "b")
    original = getattr(applying, step)

    def failing(*arguments: Any) -> Work[Any]:
        yield from original(*arguments)
        raise AWAY

    before = (await shelf.files(), await shelf.repository(), await tree.journal())
    with monkeypatch.context() as patched:
        patched.setattr(applying, step, failing)
        changes = [shelf.new_file("c"), *[_ended(record) for record in await shelf.files()]]
        with pytest.raises(StoreUnavailable):
            await shelf.apply(*changes)
    assert (await shelf.files(), await shelf.repository(), await tree.journal()) == before
    await shelf.store.remove_repository(shelf.id, purge=False)


def _ended(record: FileRecord) -> Change:
    return change(record, state=RecordState.DELETED)


@fault(
    "the answer to a commit is lost, again and again",
    "what was committed is found so: no record, no entry twice",
)
async def test_lost_answers(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    session = tree.ledger.store.session  # type: ignore[attr-defined]
    write, chance = session.write, Random(1)

    async def unanswered(work: Work[T]) -> T:
        result: T = await write(work)
        if chance.random() < 0.5:
            raise AWAY
        return result

    grow(tree, 200)
    async with tree.watched():  # the engine lock is taken once, by who waits for it
        monkeypatch.setattr(session, "write", unanswered)
        for number in range(0, 200, 2):
            tree.write(f"d{number % 7}/{number}", "changed")
        (tree.root / "d1/1").unlink()
        (tree.root / "d3/3").rename(tree.root / "moved")
        grow(tree, 250)
        await tree.until_equal()
        await tree.ledger.trigger_reconciliation(tree.repository.id)
        await tree.until_equal()
        monkeypatch.undo()
