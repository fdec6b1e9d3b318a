"""Deletions: nothing ends by accident, and much of it only by a person's word."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from matrix import fault
from support import Tree, until

from treeledger.engine.deletions import Deletions
from treeledger.engine.inspector import Inspector
from treeledger.model import ChangeKind, HeldDeletion, HoldStatus, RecordState
from treeledger.plugins.walker import LocalTree
from treeledger.protocols import Entry

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("nothing_left_behind")]


async def filled(tree: Tree, files: int = 30) -> None:
    """A tree of some files in the folder `d`, and one beside it, scanned once."""
    for number in range(files):
        tree.write(f"d/f{number}", str(number))
    tree.write("kept")
    await tree.ledger.scan(tree.repository)


def empty(tree: Tree) -> None:
    """Removes the files of the folder `d`, not the folder."""
    for file in (tree.root / "d").iterdir():
        file.unlink()


def write_again(tree: Tree, files: range) -> None:
    for number in files:
        tree.write(f"d/f{number}", str(number))


async def holds(tree: Tree) -> list[HeldDeletion]:
    return await tree.ledger.store.holds(tree.repository.id, statuses=(HoldStatus.OPEN,))


async def held(tree: Tree) -> HeldDeletion:
    (hold,) = await holds(tree)
    return hold


async def until_held(tree: Tree, files: int = 30) -> HeldDeletion:
    """The hold, once it is told and so many files are under it: they are put there after it is opened."""

    async def is_complete() -> bool:
        found = await holds(tree)
        gone = tree.ledger.store.gone_records
        return bool(found) and files == len(
            await gone(tree.repository.id, held_id=found[0].id, since=None, limit=2 * files)
        )

    await until(is_complete, f"{files} files under one hold")
    await tree.until_status("held")
    return await held(tree)


async def decide(tree: Tree, status: HoldStatus) -> None:
    await tree.ledger.store.set_hold((await held(tree)).id, status, by="test")


async def states(tree: Tree, files: int = 30) -> set[RecordState | None]:
    return {await tree.state(f"d/f{number}") for number in range(files)}


@fault("a mass deletion is found by a scan, and approved", "it is held whole, and ends only then")
async def test_mass_deletion_approved(tree: Tree) -> None:
    await filled(tree)
    empty(tree)
    operation = await tree.ledger.scan(tree.repository)
    assert operation.counts.files_removed == 0
    hold = await held(tree)
    assert (hold.gone, hold.live) == (30, 31)
    assert await states(tree) == {RecordState.MISSING}
    await decide(tree, HoldStatus.APPROVED)
    assert await tree.ledger.settle_deletions(tree.repository) == 30
    assert await states(tree) == {RecordState.DELETED}
    assert await holds(tree) == []


@fault("a mass deletion is rejected", "the records stay missing; nobody asks again for the same files")
async def test_mass_deletion_rejected(tree: Tree) -> None:
    await filled(tree)
    empty(tree)
    await tree.ledger.scan(tree.repository)
    await decide(tree, HoldStatus.REJECTED)
    await tree.ledger.scan(tree.repository)
    assert await holds(tree) == []
    assert await states(tree) == {RecordState.MISSING}
    write_again(tree, range(30))
    await tree.ledger.scan(tree.repository)
    assert await states(tree) == {RecordState.PRESENT}


@fault("a root is emptied of its few files", "held however few they were; back again, the hold ends")
async def test_emptied_root_is_held(tree: Tree) -> None:
    tree.write("only")
    await tree.ledger.scan(tree.repository)
    (tree.root / "only").unlink()
    await tree.ledger.scan(tree.repository)
    assert await tree.state("only") is RecordState.MISSING
    assert len(await holds(tree)) == 1
    tree.write("only")
    await tree.ledger.scan(tree.repository)
    assert await tree.state("only") is RecordState.PRESENT
    assert await holds(tree) == []


@fault("a root is emptied on purpose, and that is approved", "its records end, softly")
async def test_genuine_emptying(tree: Tree) -> None:
    await filled(tree, files=3)
    shutil.rmtree(tree.root / "d")
    (tree.root / "kept").unlink()
    await tree.ledger.scan(tree.repository)
    await decide(tree, HoldStatus.APPROVED)
    assert await tree.ledger.settle_deletions(tree.repository) == 4
    assert await tree.present() == {}
    write_again(tree, range(1))
    before = await tree.record("d/f0")
    await tree.ledger.scan(tree.repository)
    after = await tree.record("d/f0")
    assert before is not None
    assert after is not None
    assert (after.id, after.state) == (before.id, RecordState.PRESENT)


@fault("the last files of a root go while a scan lists it", "held, as the root is empty in the end")
async def test_emptied_during_a_scan(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    await filled(tree, files=3)
    plain: Any = LocalTree.list

    def list_(one: LocalTree, path: str) -> Any:
        shutil.rmtree(tree.root / "d", ignore_errors=True)
        (tree.root / "kept").unlink(missing_ok=True)
        return plain(one, path)

    monkeypatch.setattr(LocalTree, "list", list_)
    await tree.ledger.scan(tree.repository)
    assert await states(tree, 3) == {RecordState.MISSING}
    assert len(await holds(tree)) == 1


@fault("a watched folder below the gate's limits is removed", "its records become deleted by themselves")
async def test_live_removal_below_the_gate(tree: Tree) -> None:
    await filled(tree, files=15)
    async with tree.watched():
        shutil.rmtree(tree.root / "d")
        await tree.until_state("d/f14", RecordState.DELETED)

        async def are_all() -> bool:
            return await states(tree, 15) == {RecordState.DELETED}

        await until(are_all, "all 15 deleted")
    assert await tree.state("kept") is RecordState.PRESENT
    assert await holds(tree) == []


@fault(
    "a watched folder above the gate's limits is removed, in bursts",
    "all of it is in one hold, and nothing is deleted",
)
async def test_live_removal_above_the_gate(tree: Tree) -> None:
    for n in range(1500):
        tree.write(f"gone/d{n % 50}/f{n}", "x")
    for n in range(200):
        tree.write(f"kept/f{n}", "x")
    async with tree.watched():
        shutil.rmtree(tree.root / "gone")

        await until_held(tree, 1500)
    assert ChangeKind.DELETED not in {entry.kind for entry in await tree.journal()}


@fault(
    "some, then all files of a held deletion come back while it is watched",
    "each leaves the hold with its id and hash; the last one ends it",
)
async def test_files_come_back_while_held(tree: Tree) -> None:
    await filled(tree)
    before = await tree.written()
    async with tree.watched():
        empty(tree)
        await until_held(tree)
        write_again(tree, range(10))
        await tree.until_present("d/f9")
        assert len(await holds(tree)) == 1
        assert await tree.state("d/f29") is RecordState.MISSING
        write_again(tree, range(10, 30))
        await tree.until_present("d/f29")
        await tree.until_status("watching")
        assert await holds(tree) == []
        await tree.until_equal()
    after = await tree.written()
    assert {path: (r.id, r.content_hash) for path, r in after.items()} == {
        path: (r.id, r.content_hash) for path, r in before.items()
    }


@fault("the engine is stopped and started while a deletion is held", "it stays held, and can be decided")
async def test_held_over_a_restart(tree: Tree) -> None:
    await filled(tree)
    async with tree.watched():
        empty(tree)
        hold = await until_held(tree)
    async with tree.ledger.started(root_check=0.2):
        await tree.until_status("held")
        assert (await held(tree)).id == hold.id
        assert await states(tree) == {RecordState.MISSING}
        await decide(tree, HoldStatus.APPROVED)
        await tree.until_state("d/f29", RecordState.DELETED)
        await tree.until_status("watching")


@fault("the command line decides while another process watches", "the engine carries it out within seconds")
@pytest.mark.parametrize(
    ("word", "state"), [("approve", RecordState.DELETED), ("reject", RecordState.MISSING)]
)
async def test_decided_from_outside(tree: Tree, store_url: str, word: str, state: RecordState) -> None:
    await filled(tree)
    async with tree.watched():
        empty(tree)
        hold = await until_held(tree)
        command = [sys.executable, "-m", "treeledger", "--store", store_url]
        run = subprocess.run(  # noqa: ASYNC221 - the engine waits as it would for another machine's disk
            [*command, "deletions", word, str(hold.id)],
            cwd=tree.root.parent,
            env={**os.environ, "TREELEDGER_CONFIG": ""},
            capture_output=True,
            check=False,
        )
        assert (run.returncode, run.stderr) == (0, b"")
        await tree.until_status("watching")

        async def is_carried_out() -> bool:
            return await states(tree) == {state}

        await until(is_carried_out, f"all {state}")


@fault(
    "files come back between the approval and the act",
    "each is looked at once more at the last moment; what is there stays",
)
async def test_approval_looks_once_more(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    await filled(tree)
    empty(tree)
    await tree.ledger.scan(tree.repository)
    await decide(tree, HoldStatus.APPROVED)
    write_again(tree, range(5))
    plain = Inspector.still_gone

    async def still_gone(inspector: Inspector, records: Any) -> set[str]:
        write_again(tree, range(5, 10))
        return await plain(inspector, records)

    monkeypatch.setattr(Inspector, "still_gone", still_gone)
    assert await tree.ledger.settle_deletions(tree.repository) == 20
    assert await states(tree, 5) == {RecordState.PRESENT}
    assert await tree.state("d/f9") is RecordState.MISSING
    await tree.ledger.scan(tree.repository)
    assert await states(tree, 10) == {RecordState.PRESENT}
    assert await tree.state("d/f10") is RecordState.DELETED


@fault(
    "a folder cannot be read (EIO) when its approved deletion is carried out",
    "unknown is not gone: nothing ends until it can be looked at",
)
async def test_unknown_at_approval(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    await filled(tree)
    empty(tree)
    await tree.ledger.scan(tree.repository)
    await decide(tree, HoldStatus.APPROVED)
    plain = LocalTree.entry

    def entry(one: LocalTree, path: str) -> Entry:
        if path.startswith("d/"):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return plain(one, path)

    with monkeypatch.context() as broken:
        broken.setattr(LocalTree, "entry", entry)
        assert await tree.ledger.settle_deletions(tree.repository) == 0
        assert await states(tree) == {RecordState.MISSING}
    assert await tree.ledger.settle_deletions(tree.repository) == 30
    await tree.ledger.scan(tree.repository)
    assert await tree.ledger.store.problems(tree.repository.id, notes=True, limit=100) == []


@fault(
    "what is missing cannot be looked at (EIO) when it would become deleted",
    "it stays missing, the scan ends, and the next one that can look decides",
)
async def test_unknown_before_it_is_deleted(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    await filled(tree, files=5)
    empty(tree)
    step, plain = Deletions.step, LocalTree.entry

    def entry(one: LocalTree, path: str) -> Entry:
        if path.startswith("d/"):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return plain(one, path)

    with monkeypatch.context() as broken:

        async def broken_step(deletions: Deletions, *arguments: Any, **options: Any) -> float | None:
            broken.setattr(LocalTree, "entry", entry)
            return await step(deletions, *arguments, **options)

        broken.setattr(Deletions, "step", broken_step)
        await tree.ledger.scan(tree.repository)
        assert await states(tree, 5) == {RecordState.MISSING}
    await tree.ledger.scan(tree.repository)
    assert await states(tree, 5) == {RecordState.DELETED}


@fault("a deleted file returns within the retention", "it is restored, with its id and its history")
async def test_deleted_file_returns(tree: Tree) -> None:
    tree.write("other")
    tree.write("a", "one")
    async with tree.watched():
        before = await tree.until_present("a")
        (tree.root / "a").unlink()
        await tree.until_state("a", RecordState.DELETED)
        tree.write("a", "again")
        after = await tree.until_present("a", size=5)
        assert after.id == before.id
    assert ChangeKind.RESTORED in await tree.kinds("a")


@fault("a watched folder is moved out of the tree and back", "the records keep their ids and hashes")
async def test_folder_moved_out_and_back(tree: Tree, tmp_path: Path) -> None:
    await filled(tree, files=5)
    before = await tree.written()
    async with tree.watched():
        (tree.root / "d").rename(tmp_path / "out")
        await tree.until_state("d/f4", RecordState.DELETED)
        (tmp_path / "out").rename(tree.root / "d")

        async def are_back() -> bool:
            return (await tree.present()).keys() == before.keys()

        await until(are_back, "all present")
    after = await tree.written()
    assert {path: (r.id, r.content_hash, r.read_at) for path, r in after.items()} == {
        path: (r.id, r.content_hash, r.read_at) for path, r in before.items()
    }
