"""Conflicts: two writers of one repository, and names that other systems take for one."""

from __future__ import annotations

import pytest
from matrix import fault
from support import Tree, until

from treeledger.errors import LeaseLost
from treeledger.model import Lease, OperationStatus, ProblemCode

pytestmark = pytest.mark.anyio
OTHER = "elsewhere:7:watch"


async def problems(tree: Tree, *codes: ProblemCode) -> dict[str, str]:
    """The messages of the problems and notes of some kinds, by path."""
    known = [
        one.problem for one in await tree.ledger.store.problems(tree.repository.id, notes=True, limit=100)
    ]
    return {path: message for path, code, message in known if code in codes}


async def no_operation_runs(tree: Tree) -> bool:
    operations = await tree.ledger.sync_operations(tree.repository.id)
    return all(one.status is not OperationStatus.RUNNING for one in operations)


async def taken_by_another(tree: Tree) -> None:
    """Its lease runs out, as a frozen engine's does, and for a moment somebody else has it."""
    held = await tree.ledger.repository(tree.repository.id)
    assert held.owner is not None
    store = tree.ledger.store
    await store.renew([Lease(held.id, held.owner, held.fence)], held.owner, -1.0)
    await store.claim(held.id, OTHER, 1.0)


@fault(
    "a repository is taken from an engine that lives",
    "its next write is refused, a problem names both, and the next full scan that is alone ends it",
)
async def test_two_writers(tree: Tree) -> None:
    async with tree.watched():
        owner = (await tree.ledger.repository(tree.repository.id)).owner
        await taken_by_another(tree)
        tree.write("a")

        told: dict[str, str] = {}

        async def is_told() -> bool:
            told.update(await problems(tree, ProblemCode.TWO_WRITERS))
            return bool(told)

        await until(is_told, "the problem of two writers")
    assert owner is not None
    assert owner in told[""]
    assert OTHER in told[""]
    await tree.ledger.scan(tree.repository)
    assert await problems(tree, ProblemCode.TWO_WRITERS) == {}
    assert await no_operation_runs(tree)


@fault("a repository is taken from a scrub", "nothing of it is written any more, and a problem names both")
async def test_two_writers_of_which_one_scrubs(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    tree.write("a")
    await tree.ledger.scan(tree.repository)
    store = tree.ledger.store
    read = store.records_to_scrub

    async def too_late(*arguments: object, **options: object) -> object:
        records = await read(*arguments, **options)  # type: ignore[arg-type]
        await taken_by_another(tree)
        return records

    monkeypatch.setattr(store, "records_to_scrub", too_late)
    with pytest.raises(LeaseLost):
        await tree.ledger.scrub(tree.repository)
    assert list(await problems(tree, ProblemCode.TWO_WRITERS)) == [""]
    record = await tree.record("a")
    assert record is not None
    assert record.last_verified is None
    assert await no_operation_runs(tree)


COLLIDE = ProblemCode.NAMES_COLLIDE


async def until_colliding(tree: Tree, *paths: str) -> None:
    async def is_so() -> bool:
        return sorted(await problems(tree, COLLIDE)) == sorted(paths)

    await until(is_so, f"notes on {paths}")


@fault(
    "two names differ in case or normalisation only, found by scans",
    "both are recorded, each with a note that names the other; it ends when one is gone",
)
async def test_colliding_names_found_by_scans(tree: Tree) -> None:
    for path in ("d/IMG.jpg", "d/img.jpg", "caf\u00e9", "cafe\u0301", "Folder/x", "folder/x", "single"):
        tree.write(path, path)
    await tree.ledger.scan(tree.repository)
    notes = await problems(tree, COLLIDE)
    assert sorted(notes) == ["Folder", "cafe\u0301", "caf\u00e9", "d/IMG.jpg", "d/img.jpg", "folder"]
    assert "img.jpg" in notes["d/IMG.jpg"]
    assert "IMG.jpg" in notes["d/img.jpg"]
    assert len(await tree.present()) == 7
    (tree.root / "d/img.jpg").write_text("other")  # an edit ends nothing
    await tree.ledger.scan(tree.repository)
    assert sorted(await problems(tree, COLLIDE)) == sorted(notes)
    for path in ("d/IMG.jpg", "caf\u00e9", "Folder/x"):
        (tree.root / path).unlink()
    (tree.root / "Folder").rmdir()
    await tree.ledger.scan(tree.repository)
    assert await problems(tree, COLLIDE) == {}


@fault(
    "two names that collide come, are edited and go while they are watched",
    "each has a note at once, files and folders alike; it ends when one is gone",
)
async def test_colliding_names_live(tree: Tree) -> None:
    tree.write("d/img.jpg")
    tree.write("folder/x")
    async with tree.watched():
        tree.write("d/IMG.jpg")
        await until_colliding(tree, "d/IMG.jpg", "d/img.jpg")
        tree.write("d/img.jpg", "edited")
        await tree.until_present("d/img.jpg", size=6)
        tree.write("Folder/x")
        await until_colliding(tree, "d/IMG.jpg", "d/img.jpg", "Folder", "folder")
        (tree.root / "d/IMG.jpg").rename(tree.root / "d/other.jpg")
        await until_colliding(tree, "Folder", "folder")
        (tree.root / "Folder").rename(tree.root / "d/Folder")
        await until_colliding(tree)
