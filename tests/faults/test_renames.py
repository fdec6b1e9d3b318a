"""Renamed directories: the records go along at once, unread, and only where they are of the same files."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
from matrix import fault
from support import Tree, assert_true, until
from test_moves_faults import exchange
from truth import until_equal
from victim import Stage, Victim, after, before, is_known, recovers, stages

from treeledger import worker
from treeledger.engine.renames import follow_rename
from treeledger.engine.scans import ScanRequest
from treeledger.errors import StoreDataError, StoreUnavailable
from treeledger.model import ChangeKind, FileRecord, HashState, OperationType, RecordState
from treeledger.plugins.sql.moving import Moving

pytestmark = pytest.mark.anyio

MOVE = "treeledger.plugins.sql.moving:Moving.move"


@contextmanager
def reading(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The paths that are read meanwhile."""
    paths: list[str] = []
    read = worker.read

    def noted(spec: object, wanted: list[tuple[str, object]], *rest: object) -> object:
        paths.extend(path for path, _ in wanted)
        return read(spec, wanted, *rest)  # type: ignore[arg-type]

    with monkeypatch.context() as patched:
        patched.setattr(worker, "read", noted)
        yield paths


def grown(tree: Tree, folder: str, count: int = 40) -> None:
    for n in range(count):
        tree.write(f"{folder}/d{n % 3}/f{n}", f"{folder} {n}")


async def by_file(tree: Tree) -> dict[tuple[int, int], FileRecord]:
    """The present records by what makes out a file: its inode and when it was last changed."""
    return {(r.stat.inode, r.stat.ctime_ns): r for r in (await tree.present()).values()}


@fault(
    "a directory of 2,000 files is renamed under watch, into another",
    "one entry for each file tells of both paths, ids and hashes stay, nothing is read, now or later",
)
async def test_all_go_along(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    grown(tree, "old", 2000)
    tree.write("to/other", "stays")
    async with tree.watched():
        await until_equal(tree)
        before = await tree.written()
        count = len(await tree.journal())
        with reading(monkeypatch) as read:
            (tree.root / "old").rename(tree.root / "to/new")

            async def is_told() -> bool:
                return len(await tree.journal()) >= count + 2000

            await until(is_told, "2,000 entries")
            await tree.engine.scan(tree.repository.id, ScanRequest(("",), OperationType.MANUAL))
        assert read == []
    expected = {path.replace("old/", "to/new/"): record for path, record in before.items()}
    present = await tree.written()
    assert present.keys() == expected.keys()
    for path, record in expected.items():
        now = present[path]
        is_same = record.path == path
        assert now[3:13] == record[3:13]  # all that is known of the file and its content
        assert (now.id, now.version) == (record.id, record.version + (not is_same))
        assert now.hash_state is HashState.DONE
    entries = (await tree.journal())[count:]
    assert [(e.kind, e.path_before) for e in entries] == [
        (ChangeKind.MOVED, e.path.replace("to/new/", "old/")) for e in entries
    ]
    assert [entry.path for entry in entries] == sorted(path for path in expected if path != "to/other")
    await assert_true(tree.ledger, tree.repository, tree.root)
    live = await tree.ledger.sync_operations(tree.repository.id)
    assert sum(one.counts.files_moved for one in live if one.type is OperationType.REALTIME) == 2000


def _then_changed(root: Path) -> None:
    (root / "a").rename(root / "b")
    (root / "b/d0/f0").write_text("another content, at once")
    (root / "b/d0/new").write_text("new")
    (root / "b/d1/f1").unlink()
    os.utime(root / "b/d2/f2", ns=(1, 1))


def _chain(root: Path) -> None:
    for source, target in (("a", "b"), ("b", "c"), ("c", "x")):
        (root / source).rename(root / target)


def _nested(root: Path) -> None:
    (root / "a/d1").rename(root / "a/d9")
    (root / "a").rename(root / "b")
    (root / "b/d2").rename(root / "d2")


def _made_anew(root: Path) -> None:
    (root / "a").rename(root / "b")
    (root / "a/d0").mkdir(parents=True)
    (root / "a/d0/f0").write_text("another file, at the old path")


def _into_itself(root: Path) -> None:
    (root / "a").rename(root / "t")
    (root / "a").mkdir()
    (root / "t").rename(root / "a/d0")


def _over_what_was_emptied(root: Path) -> None:
    shutil.rmtree(root / "other/d0")
    (root / "other/d0").mkdir()
    (root / "a").rename(root / "other/d0")


def _with_a_rule(root: Path) -> None:
    (root / ".treeledgerignore").write_text("/b/d0/\n")
    (root / "a").rename(root / "b")


def _hidden(root: Path) -> None:
    (root / "a").rename(root / ".a")


def _shown(root: Path) -> None:
    (root / ".old").rename(root / "shown")


def _linked(root: Path) -> None:
    os.link(root / "a/d0/f0", root / "link")
    (root / "a").rename(root / "b")


def _swapped(root: Path) -> None:
    exchange(root / "a", root / "other")


def _out_and_in(root: Path) -> None:
    (root / "a").rename(root.parent / "away")
    (root.parent / "away").rename(root / "b")


def _back(root: Path) -> None:
    (root / "a").rename(root / "b")
    (root / "b").rename(root / "a")


ODD = {
    act.__name__.strip("_"): act
    for act in (
        *(_then_changed, _chain, _nested, _made_anew, _into_itself, _over_what_was_emptied, _with_a_rule),
        *(_hidden, _shown, _linked, _swapped, _out_and_in, _back),
    )
}
KEEPS = [name for name in ODD if name not in ("hidden", "out_and_in", "over_what_was_emptied", "linked")]
TAKEN = {"made_anew": "a/d0/f0"}  # its record is that of the new file, if this is looked at first


@fault(
    "a directory is renamed, and something more happens: files change, it is renamed again, exchanged, made"
    " anew, renamed over another, hidden by a rule, moved out and in",
    "the ledger equals the disk, and files that were not touched are what they were",
)
@pytest.mark.parametrize("odd", ODD)
async def test_something_more(tree: Tree, odd: str) -> None:
    for folder in ("a", "other", ".old"):
        grown(tree, folder)
    async with tree.watched():
        await until_equal(tree)
        before = await by_file(tree)
        ODD[odd](tree.root)
        if odd == "with_a_rule":
            await tree.until_state("a/d0/f0", RecordState.DELETED)
            await until(partial(_is_ruled, tree), "all records moved but those that the rule is of")
            return
        await until_equal(tree)
        now_by_file = await by_file(tree)
    await tree.check_sound()
    if odd in KEEPS:
        same = {key for key in before.keys() & now_by_file.keys() if before[key].path != TAKEN.get(odd)}
        assert {key: now_by_file[key].id for key in same} == {key: before[key].id for key in same}
        assert {key: now_by_file[key].content_hash for key in same} == {
            key: before[key].content_hash for key in same
        }


async def _is_ruled(tree: Tree) -> bool:
    now = {path for path in await tree.present() if not path.startswith(("other", "."))}
    return now == {f"b/d{n % 3}/f{n}" for n in range(40) if n % 3}


@fault("a directory is renamed while the startup scan runs", "the ledger equals the disk")
async def test_during_the_startup_scan(tree: Tree) -> None:
    grown(tree, "a", 600)
    await tree.ledger.scan(tree.repository)
    ids = {path.replace("a/", "b/"): record.id for path, record in (await tree.present()).items()}
    async with tree.ledger.started(command="test"):
        (tree.root / "a").rename(tree.root / "b")
        await until_equal(tree)
    await tree.check_sound()
    assert {path: record.id for path, record in (await tree.present()).items()} == ids


LIES = ["still there", "other files", "nothing there", "a file", "ignored", "the same files"]


@fault("a source tells of a rename that there was not", "no record moves")
@pytest.mark.parametrize("lie", LIES)
async def test_a_rename_that_was_none(tree: Tree, lie: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("treeledger.engine.hearing.Hearing._take", lambda hearing, batch: None)
    grown(tree, "a")
    grown(tree, "b")
    async with tree.watched():
        session = tree.engine.keepers[tree.repository.id].lease_holder
        assert session is not None
        before = await tree.written()
        target = "b"
        match lie:
            case "still there":
                pass
            case "nothing there":
                target = "x"
            case "a file":
                target = "b/d0/f0"
            case "ignored":
                target = ".hidden"
                shutil.move(tree.root / "a", tree.root / ".hidden")
            case "the same files":  # by other names, of which only these are on record yet
                target = "links"
                shutil.copytree(tree.root / "a", tree.root / "links", copy_function=os.link)
                await tree.engine.scan(tree.repository.id, ScanRequest(("a",), OperationType.MANUAL))
                before = await tree.written()
            case _:
                shutil.rmtree(tree.root / "a")
                for n in range(40):
                    os.utime(tree.write(f"b/d{n % 3}/f{n}", f"a {n}"), ns=(n, n))
        run = session.context.run(OperationType.REALTIME)
        try:
            assert await follow_rename(session.context, "a", target, run) == 0
        finally:
            await run.finish()
        assert await tree.written() == before


@fault(
    "the store is away, or refuses a batch, while the records of a renamed directory go along",
    "each of them moves in the end, and its identity stays",
)
@pytest.mark.parametrize("error", [StoreUnavailable, StoreDataError, MemoryError])
async def test_errors_in_the_middle(
    tree: Tree, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    monkeypatch.setattr("treeledger.engine.renames._BATCH", 100)
    grown(tree, "a", 350)
    calls = 0
    move = Moving.move

    async def refuses(*arguments: object, **options: object) -> range:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise error("not now")
        return await move(*arguments, **options)  # type: ignore[arg-type]

    async with tree.watched():
        await until_equal(tree)
        ids = {path.replace("a/", "b/"): record.id for path, record in (await tree.present()).items()}
        monkeypatch.setattr(Moving, "move", refuses)
        (tree.root / "a").rename(tree.root / "b")
        await until_equal(tree)
        assert calls >= 4
    await tree.check_sound()
    assert {path: record.id for path, record in (await tree.present()).items()} == ids


@fault(
    "kill -9 while the records of a renamed directory go along",
    "the next start ends equal to the disk, with the same ids and hashes",
)
@stages(
    before(MOVE),
    after("sql:move_records"),
    after("sql:journal_moves"),
    after(MOVE),
    before("treeledger.engine.subtrees:Subtrees._scan"),
)
async def test_killed(tmp_path: Path, store_url: str, stage: Stage) -> None:
    victim = Victim(tmp_path, store_url)
    victim.root.mkdir()
    victim.grow(200)
    ids = {path: record.id for path, record in (await victim.scanned()).items()}
    with victim.dies_live(stage):
        (victim.root / "d1").rename(victim.root / "moved")
    await recovers(victim)
    async with victim.opened() as tree:
        now = {path: record.id for path, record in (await tree.present()).items()}
        assert {path.replace("d1/", "moved/"): id for path, id in ids.items()} == now
        assert len(await is_known(tree)) == 200
