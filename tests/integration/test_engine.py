"""The engine end to end: a real tree, a real event source, a real store."""

from __future__ import annotations

import hashlib
import os
import shutil

import pytest
from support import Tree, until

from treeledger.engine.run import INTERRUPTED
from treeledger.model import ChangeKind, HashState, OperationStatus, RecordState

pytestmark = pytest.mark.anyio


async def test_a_scan_records_every_file_with_its_hash(tree: Tree) -> None:
    for n in range(30):
        tree.write(f"a/b{n % 3}/f{n}", f"content {n}")
    operation = await tree.ledger.scan(tree.repository)
    assert (operation.counts.files_scanned, operation.counts.files_added) == (30, 30)
    present = await tree.present()
    assert {path: record.content_hash for path, record in present.items()} == {
        f"a/b{n % 3}/f{n}": hashlib.sha256(f"content {n}".encode()).hexdigest() for n in range(30)
    }


async def test_a_second_scan_writes_and_reads_nothing(tree: Tree) -> None:
    tree.write("a")
    await tree.ledger.scan(tree.repository)
    head = await tree.ledger.store.head()
    before = await tree.record("a")
    operation = await tree.ledger.scan(tree.repository)
    assert operation.counts.files_unchanged == 1
    assert operation.counts.files_hashed == 0
    assert await tree.ledger.store.head() == head
    assert await tree.record("a") == before


async def test_live_changes_are_recorded(tree: Tree) -> None:
    async with tree.watched():
        tree.write("new", "one")
        added = await tree.until_present("new", size=3)
        tree.write("new", "other")
        changed = await tree.until_present("new", size=5)
        assert changed.id == added.id
        assert changed.content_hash == hashlib.sha256(b"other").hexdigest()
        os.rename(tree.root / "new", tree.root / "moved")
        moved = await tree.until_present("moved")
        assert moved.id == added.id
        (tree.root / "moved").unlink()
        await tree.until_state("moved", RecordState.DELETED)


async def test_a_renamed_directory_keeps_ids_and_reads_nothing(tree: Tree) -> None:
    for n in range(50):
        tree.write(f"old/d{n % 5}/f{n}", str(n))
    async with tree.watched():
        before = await tree.present()
        os.rename(tree.root / "old", tree.root / "new")

        async def is_moved() -> bool:
            present = await tree.present()
            return len(present) == 50 and all(path.startswith("new/") for path in present)

        await until(is_moved, "all records under the new name")
        after = await tree.present()
    assert {p.removeprefix("new/"): r.id for p, r in after.items()} == {
        p.removeprefix("old/"): r.id for p, r in before.items()
    }
    moved = [entry for entry in await tree.journal() if entry.kind is ChangeKind.MOVED]
    assert len(moved) == 50
    assert all(entry.hash == entry.hash_before for entry in moved)


async def test_a_swap_keeps_identities(tree: Tree) -> None:
    tree.write("a", "one")
    tree.write("b", "other")
    await tree.ledger.scan(tree.repository)
    before = await tree.present()
    os.rename(tree.root / "a", tree.root / "t")
    os.rename(tree.root / "b", tree.root / "a")
    os.rename(tree.root / "t", tree.root / "b")
    await tree.ledger.scan(tree.repository)
    after = await tree.present()
    assert (after["a"].id, after["b"].id) == (before["b"].id, before["a"].id)


async def test_a_rule_hides_and_reveals(tree: Tree) -> None:
    tree.write("a.log")
    tree.write("b.txt")
    async with tree.watched():
        await tree.until_present("a.log")
        tree.write(".treeledgerignore", "*.log\n")
        await tree.until_state("a.log", RecordState.IGNORED)
        assert await tree.state("b.txt") is RecordState.PRESENT
        tree.write(".treeledgerignore", "")
        await tree.until_state("a.log", RecordState.PRESENT)


async def test_a_chmod_reads_no_content(tree: Tree) -> None:
    file = tree.write("a")
    async with tree.watched():
        before = await tree.until_present("a")
        told = await tree.kinds("a")
        file.chmod(0o600)

        async def is_noted() -> bool:
            record = await tree.record("a")
            return record is not None and record.stat.mode == 0o100600

        await until(is_noted, "the new mode")
        after = await tree.record("a")
    assert after is not None
    assert (after.hash_state, after.read_at) == (HashState.VERIFY, before.read_at)
    assert await tree.kinds("a") == told


async def test_a_rewrite_with_the_mtime_put_back_is_found(tree: Tree) -> None:
    file = tree.write("a", "one")
    async with tree.watched():
        before = await tree.until_present("a")
        file.write_text("two")
        os.utime(file, ns=(before.stat.mtime_ns, before.stat.mtime_ns))

        async def is_modified() -> bool:
            record = await tree.record("a")
            return record is not None and record.content_hash == hashlib.sha256(b"two").hexdigest()

        await until(is_modified, "the new content")


async def test_files_come_in_while_a_scan_is_asked_for(tree: Tree) -> None:
    async with tree.watched():
        for n in range(200):
            tree.write(f"burst/d{n % 10}/f{n}", str(n))
        await tree.ledger.trigger_reconciliation(tree.repository.id)

        async def is_complete() -> bool:
            present = await tree.present()
            return len(present) == 200 and all(r.content_hash for r in present.values())

        await until(is_complete, "200 files with their hashes")
    await check_none_is_left_running(tree)


async def test_no_operation_is_left_running(tree: Tree) -> None:
    tree.write("a")
    async with tree.watched():
        tree.write("b")
        await tree.until_present("b")
    await check_none_is_left_running(tree)


async def check_none_is_left_running(tree: Tree) -> None:
    """Of what was still at work as the engine was told to stop, it is said that it was interrupted."""
    operations = await tree.ledger.sync_operations(tree.repository.id)
    assert operations[-1].status is OperationStatus.COMPLETED
    ends = {(one.status, one.error_message) for one in operations}
    assert ends <= {(OperationStatus.COMPLETED, None), (OperationStatus.FAILED, INTERRUPTED)}


async def test_what_changed_while_nobody_watched_is_found_at_the_start(tree: Tree) -> None:
    tree.write("a", "one")
    tree.write("b", "two")
    async with tree.watched():
        await tree.until_present("b")
    tree.write("a", "other")
    (tree.root / "b").unlink()
    async with tree.watched():
        await tree.until_present("a", size=5)
        await tree.until_state("b", RecordState.DELETED)


async def test_folders_that_come_and_go_within_one_burst_leave_nothing_behind(tree: Tree) -> None:
    """A burst is one operation with one generation, and may scan the same folder many times."""
    async with tree.watched():
        for turn in range(3):
            for n in range(20):
                tree.write(f"d{n}/e/f{turn}", "x")
            await tree.until_present(f"d19/e/f{turn}")
            for n in range(20):
                shutil.rmtree(tree.root / f"d{n}")
        tree.write("last")

        async def is_clean() -> bool:
            return set(await tree.present()) == {"last"}

        await until(is_clean, "only the last file present")
