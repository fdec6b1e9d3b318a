"""Roots: one that is away, emptied or another directory than it was touches no record."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from failpoint import arm
from machine import mount, needs_root, unmount_all
from matrix import fault
from support import Tree, until

from treeledger.errors import RootOffline
from treeledger.model import ChangeKind, FileRecord, RecordState

FOREIGN = hashlib.sha256(b"foreign").hexdigest()

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("nothing_left_behind")]


class Loss(NamedTuple):
    """How a root goes away and how it comes back."""

    go: Callable[[Path], object]
    come_back: Callable[[Path], object]
    needs_root: bool = False


def _away(root: Path) -> Path:
    return root.parent / "away"


def _replace(root: Path) -> None:
    """Another directory takes the place, with the same names and one more."""
    root.rename(_away(root))
    for path in _away(root).rglob("*"):
        if path.is_file():
            copy = root / path.relative_to(_away(root))
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_text("foreign")
    (root / "foreign").write_text("foreign")


def _put_back(root: Path) -> None:
    if root.is_dir():
        shutil.rmtree(root)
    else:
        root.unlink(missing_ok=True)
    _away(root).rename(root)


def _file_instead(root: Path) -> None:
    root.rename(_away(root))
    root.write_text("no directory")


def _cover(root: Path) -> None:
    mount(root)
    (root / "foreign").write_text("foreign")


LOSSES = {
    "absent": Loss(lambda root: root.rename(_away(root)), _put_back),
    "replaced": Loss(_replace, _put_back),
    "a file": Loss(_file_instead, _put_back),
    "covered": Loss(_cover, unmount_all, needs_root=True),
}


@pytest.fixture(params=LOSSES)
def loss(request: pytest.FixtureRequest, tree: Tree) -> Iterator[Loss]:
    """A way for the root of `tree` to go away."""
    one = LOSSES[request.param]
    if one.needs_root:
        needs_root()
    yield one
    unmount_all(tree.root)


async def filled(tree: Tree, files: int = 40) -> dict[str, FileRecord]:
    """The records of a tree that has just been scanned."""
    for number in range(files):
        tree.write(f"d{number % 4}/f{number}", str(number))
    await tree.ledger.scan(tree.repository)
    return await tree.written()


@fault(
    "the root is absent, replaced by a directory or a file, or covered by a mount, when a scan begins",
    "the scan is refused and says what next; no record changes; when it is back nothing is read again",
)
async def test_root_is_away_before_a_scan(tree: Tree, loss: Loss) -> None:
    before = await filled(tree)
    loss.go(tree.root)
    with pytest.raises(RootOffline, match=r"Nothing was changed\. .+"):
        await tree.ledger.scan(tree.repository)
    with pytest.raises(RootOffline):
        await tree.ledger.foresee(tree.repository)
    assert await tree.written() == before
    loss.come_back(tree.root)
    operation = await tree.ledger.scan(tree.repository)
    assert (operation.counts.files_unchanged, operation.counts.files_hashed) == (40, 0)
    assert await tree.written() == before


POINTS = {
    "between two listings": ("treeledger.plugins.walker:LocalTree.list", 3),
    "between listing and inspection": ("treeledger.engine.inspector:Inspector.inspect", 1),
    "between inspection and commit": ("treeledger.engine.recorder:Recorder.apply", 1),
    "before the vanished are looked at": ("treeledger.engine.scan:Scanner._inspect_vanished", 1),
}


@contextmanager
def at(point: str, act: Callable[[], object]) -> Iterator[None]:
    """Does something when a point is reached, once."""
    where, nth = POINTS[point]
    module, _, path = where.partition(":")
    owner: Any = __import__(module, fromlist=["*"])
    owner = getattr(owner, path.partition(".")[0])
    name = path.rpartition(".")[2]
    original = vars(owner)[name]
    arm(where, "before", nth, act)
    try:
        yield
    finally:
        setattr(owner, name, original)


@fault(
    "the root goes away or is replaced in the middle of a scan",
    "only what was true of the real tree is recorded; the scan fails or is right; the next one is complete",
)
@pytest.mark.parametrize("point", POINTS)
async def test_root_goes_away_during_a_scan(tree: Tree, loss: Loss, point: str) -> None:
    before = await filled(tree)
    tree.write("d0/f0", "changed")
    tree.write("d1/new", "new")
    (tree.root / "d2/f2").unlink()
    with at(point, lambda: loss.go(tree.root)), pytest.raises(RootOffline):
        await tree.ledger.scan(tree.repository)
    after = await tree.written()
    kept = before.keys() - {"d0/f0", "d2/f2"}
    assert {path: after.get(path) for path in kept} == {path: before[path] for path in kept}
    assert after.keys() - before.keys() <= {"d1/new"}
    journal = await tree.journal()
    assert ChangeKind.DELETED not in {entry.kind for entry in journal}
    assert FOREIGN not in {entry.hash for entry in journal}
    loss.come_back(tree.root)
    await tree.ledger.scan(tree.repository)
    now = await tree.written()
    assert now.keys() == (before.keys() | {"d1/new"}) - {"d2/f2"}
    assert (now["d0/f0"].id, now["d0/f0"].stat.size) == (before["d0/f0"].id, 7)


@fault(
    "the root goes away, is replaced or covered while it is watched, and comes back",
    "offline, known to everybody; no record changes; it goes on by itself, with ids, reading nothing again",
)
async def test_root_goes_away_while_watched(tree: Tree, loss: Loss) -> None:
    before = await filled(tree)
    known = len(await tree.journal())
    async with tree.watched():
        loss.go(tree.root)
        await tree.until_status("offline")
        assert "Nothing was changed" in (await tree.ledger.sync_status(tree.repository.id)).message
        assert await tree.written() == before
        loss.come_back(tree.root)
        await tree.until_status("watching")
        assert await tree.written() == before
        tree.write("d0/f0", "changed")
        await tree.until_present("d0/f0", size=7)
    told = [(entry.path, entry.kind) for entry in (await tree.journal())[known:]]
    assert told[0] == ("d0/f0", ChangeKind.MODIFIED)
    assert set(told[1:]) <= {("d0/f0", ChangeKind.HASHED)}  # where that was read later


@fault(
    "a folder above the root is renamed, of which no event tells",
    "offline at the next event or look at the root; no record changes; it goes on by itself",
)
@pytest.mark.parametrize("with_event", [True, False])
async def test_ancestor_renamed(tree: Tree, with_event: bool) -> None:
    below = tree.root / "above/photos"
    below.mkdir(parents=True)
    await tree.ledger.remove_repository(tree.repository.id)
    tree.repository = await tree.ledger.add_repository(below)
    top, tree.root = tree.root, below
    before = await filled(tree)
    async with tree.watched(root_check=3600 if with_event else 0.2):
        (top / "above").rename(top / "renamed")
        if with_event:
            (top / "renamed/photos/d0/f0").unlink()
        await tree.until_status("offline")
        assert await tree.written() == before
        (top / "renamed").rename(top / "above")
        if not with_event:
            await tree.until_status("watching")
    kept = {path: record for path, record in before.items() if path != "d0/f0"}
    assert {path: r for path, r in (await tree.written()).items() if path != "d0/f0"} == kept


@fault(
    "the root is deleted with all it holds while somebody has it open, and is made anew",
    "offline; nothing becomes deleted; the new folder is not taken for the old one",
)
async def test_root_deleted_while_held_open(tree: Tree) -> None:
    before = await filled(tree, files=10)
    async with tree.watched():
        held = [os.open(path, os.O_RDONLY) for path in (tree.root, tree.root / "d0/f0")]
        try:
            shutil.rmtree(tree.root)
            await tree.until_status("offline")
            tree.root.mkdir()
            tree.write("d0/f0", "another")
            await tree.until_offline()
        finally:
            for descriptor in held:
                os.close(descriptor)
    for path, record in before.items():
        after = await tree.record(path)
        assert after is not None
        assert (after.id, after.content_hash) == (record.id, record.content_hash)
        assert after.state in (RecordState.PRESENT, RecordState.MISSING)
    with pytest.raises(RootOffline, match="relocate"):
        await tree.ledger.scan(tree.repository)


@fault("the whole tree is moved elsewhere and the repository relocated", "ids, hashes and history are kept")
async def test_relocation(tree: Tree) -> None:
    before = await filled(tree)
    moved = tree.root.parent / "elsewhere"
    os.rename(tree.root, moved)
    repository = await tree.ledger.relocate_repository(tree.repository.id, moved)
    operation = await tree.ledger.scan(repository)
    assert operation.counts.files_hashed == 0
    assert await tree.written() == before


@fault(
    "all that a watched root holds is moved out of it and back",
    "held as a mass deletion, then all records are there again with their ids and hashes",
)
async def test_content_moved_out_and_back(tree: Tree) -> None:
    before = await filled(tree)
    _away(tree.root).mkdir()
    async with tree.watched():
        for folder in list(tree.root.iterdir()):
            folder.rename(_away(tree.root) / folder.name)
        await tree.until_status("held")
        for folder in list(_away(tree.root).iterdir()):
            folder.rename(tree.root / folder.name)

        async def is_all_there() -> bool:
            return (await tree.written()).keys() == before.keys()

        await until(is_all_there, "all records present")
        await tree.until_status("watching")
    after = await tree.written()
    assert {path: (r.id, r.content_hash, r.read_at) for path, r in after.items()} == {
        path: (r.id, r.content_hash, r.read_at) for path, r in before.items()
    }
