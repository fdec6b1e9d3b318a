"""Mounts: what is on a disk that is not mounted, or cannot be read, is unknown and never gone."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import anyio
import anyio.to_thread
import pytest
from machine import Disk, bind, mount, mounted, needs_root, unmount, unmount_all
from matrix import fault
from support import Tree, until

from treeledger.errors import RootOffline, UsageError
from treeledger.ledger import Ledger
from treeledger.model import ChangeKind, FileRecord, HoldStatus, ProblemCode, RecordState, Repository
from treeledger.plugins.walker import LocalTree
from treeledger.protocols import Entry

pytestmark = [pytest.mark.anyio, pytest.mark.root]

OFFLINE = 5
PARTLY = 3


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    """A mount point with nothing mounted; in the end nothing is again."""
    needs_root()
    path = tmp_path / "place"
    path.mkdir()
    yield path
    unmount_all(path)


@pytest.fixture
def ext4(tmp_path: Path, place: Path) -> Iterator[Disk]:
    """A disk of its own, mounted at `place`."""
    one = Disk(tmp_path / "image")
    one.mount(place)
    yield one
    unmount_all(place)
    one.close()


@asynccontextmanager
async def cared_for(root: Path, store_url: str, **settings: Any) -> AsyncIterator[Tree]:
    """A ledger of one root, with settings of its own."""
    async with Ledger.open(store=store_url, environ={**os.environ, "TREELEDGER_CONFIG": ""}) as ledger:
        tree = Tree(root, ledger)
        tree.repository = await ledger.add_repository(root, settings=settings)
        yield tree


async def filled(tree: Tree, files: int = 30, folder: str = "d") -> dict[str, FileRecord]:
    for number in range(files):
        tree.write(f"{folder}/f{number}", str(number))
    await tree.ledger.scan(tree.repository)
    return await tree.written()


async def problems(tree: Tree) -> set[tuple[str, ProblemCode]]:
    known = await tree.ledger.store.problems(tree.repository.id, notes=True, limit=1000)
    return {(one.problem.path, one.problem.code) for one in known}


def _device(path: Path) -> int:
    return path.stat().st_dev


async def read_again(tree: Tree) -> int:
    """How many files all operations but the first have read."""
    operations = await tree.ledger.sync_operations(limit=1000)
    return sum(one.counts.files_hashed for one in operations[:-1])


@fault(
    "the disk of a root is not mounted when a scan begins: an empty mount point is there instead",
    "exit code 5, a message that says what and what next, no record touched",
)
async def test_empty_mount_point_at_a_scan(ext4: Disk, place: Path, store_url: str) -> None:
    async with cared_for(place, store_url) as tree:
        before = await filled(tree)
    unmount(place)
    run = await _treeledger(store_url, "scan")
    assert run.returncode == OFFLINE
    assert "30 files are on record. Nothing was changed." in run.stderr.decode()
    assert "repo relocate" in run.stderr.decode()
    async with Ledger.open(store=store_url, environ={**os.environ, "TREELEDGER_CONFIG": ""}) as ledger:
        tree.ledger = ledger
        assert await tree.written() == before


async def _treeledger(store_url: str, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "treeledger", "--store", store_url, *arguments]
    environ = {**os.environ, "TREELEDGER_CONFIG": ""}
    run = await anyio.run_process(command, env=environ, check=False)
    assert b"Traceback" not in run.stderr
    return run


@fault(
    "the disk of a root is mounted only after watching began, under another device number",
    "offline until then; then it goes on by itself, no id lost, nothing read again",
)
async def test_disk_comes_late(ext4: Disk, place: Path, store_url: str) -> None:
    async with cared_for(place, store_url) as tree:
        before = await filled(tree)
        device = _device(place)
        unmount(place)
        await anyio.to_thread.run_sync(ext4.occupy)
        async with tree.ledger.started(root_check=3600) as tree.engine:
            await tree.until_status("offline")
            assert await tree.written() == before
            ext4.mount(place)
            await tree.until_status("watching")
            assert _device(place) != device
            assert await tree.written() == before
            assert await read_again(tree) == 0
            tree.write("d/f0", "changed")
            await tree.until_present("d/f0", size=7)


@fault(
    "the disk of a watched root is unmounted, at once or lazily, and mounted again",
    "the disk is not kept busy; offline at once; it goes on by itself, nothing lost or read again",
)
@pytest.mark.parametrize("lazily", [False, True])
async def test_watched_disk_unmounted(ext4: Disk, place: Path, store_url: str, lazily: bool) -> None:
    async with cared_for(place, store_url) as tree:
        before = await filled(tree)
        async with tree.watched(root_check=3600):
            await anyio.to_thread.run_sync(lambda: unmount(place, lazily=lazily))
            await tree.until_status("offline")
            assert await tree.written() == before
            ext4.mount(place)
            await tree.until_status("watching")
            assert await tree.written() == before
            assert await read_again(tree) == 0


@fault(
    "a disk is unmounted lazily in the middle of a scan that finds losses",
    "the scan fails; nothing that is on the disk goes missing",
)
async def test_unmounted_during_a_scan(
    ext4: Disk, place: Path, store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with cared_for(place, store_url) as tree:
        before = await filled(tree)
        (place / "d/f0").unlink()
        plain: Any = LocalTree.list

        def list_(one: LocalTree, path: str) -> Any:
            if os.path.ismount(place):
                unmount(place, lazily=True)
            return plain(one, path)

        with monkeypatch.context() as context:
            context.setattr(LocalTree, "list", list_)
            with pytest.raises(RootOffline):
                await tree.ledger.scan(tree.repository)
        assert await tree.written() == before
        ext4.mount(place)
        await tree.ledger.scan(tree.repository)
        assert (await tree.written()).keys() == before.keys() - {"d/f0"}


@fault(
    "another file system of the kind that has no identity (tmpfs) is mounted at the root, with other files",
    "refused: a sample of the records is not in it",
)
async def test_foreign_tmpfs(place: Path, store_url: str) -> None:
    mount(place)
    async with cared_for(place, store_url) as tree:
        before = await filled(tree)
        unmount(place)
        mount(place)
        tree.write("foreign")
        with pytest.raises(RootOffline, match="relocate"):
            await tree.ledger.scan(tree.repository)
        assert await tree.written() == before


@fault(
    "a file system without an identity (tmpfs) comes back empty",
    "accepted, as it may have been emptied, but all deletions are held",
)
async def test_empty_tmpfs(place: Path, store_url: str) -> None:
    mount(place)
    async with cared_for(place, store_url) as tree:
        await filled(tree, files=3)
        unmount(place)
        mount(place)
        await tree.ledger.scan(tree.repository)
        assert await tree.state("d/f0") is RecordState.MISSING
        assert len(await tree.ledger.store.holds(None, statuses=(HoldStatus.OPEN,))) == 1


@fault(
    "the files of a root without an identity (tmpfs) are restored on another file system, all but one",
    "accepted by a sample of them; ids and hashes kept, and the one that lacks is known to be gone",
)
async def test_restored_elsewhere(place: Path, store_url: str, tmp_path: Path) -> None:
    mount(place)
    async with cared_for(place, store_url) as tree:
        before = await filled(tree)
        shutil.copytree(place / "d", tmp_path / "backup")
        unmount(place)
        shutil.copytree(tmp_path / "backup", place / "d")
        (place / "d/f0").unlink()
        await tree.ledger.scan(tree.repository)
        after = await tree.written()
        assert {path: (r.id, r.content_hash) for path, r in after.items()} == {
            path: (r.id, r.content_hash) for path, r in before.items() if path != "d/f0"
        }
        assert await tree.state("d/f0") is RecordState.DELETED
        assert await problems(tree) == set()
        await tree.ledger.scan(tree.repository)


@fault(
    "a mount inside the tree goes away before a scan, and comes back",
    "its records are unknown, not gone, and the problem ends when it is back",
)
async def test_inner_mount_away_at_a_scan(place: Path, tmp_path: Path, store_url: str) -> None:
    root = tmp_path / "tree"
    root.mkdir()
    disk = Disk(tmp_path / "image")
    try:
        disk.mount(root / "mnt")
        async with cared_for(root, store_url, cross_mounts=True) as tree:
            before = await filled(tree, folder="mnt")
            unmount(root / "mnt")
            run = await tree.ledger.scan(tree.repository)
            assert run.counts.files_removed == 0
            assert await tree.written() == before
            assert {code for _, code in await problems(tree)} == {ProblemCode.MOUNT_GONE}
            disk.mount(root / "mnt")
            await tree.ledger.scan(tree.repository)
            assert await problems(tree) == set()
            assert await tree.written() == before
    finally:
        unmount_all(root / "mnt")


@fault(
    "a mount inside a watched tree that is entered goes away and comes back, under another device number",
    "unknown, not gone; heard and looked at again by itself; nothing read again",
)
async def test_inner_mount_away_while_watched(tmp_path: Path, store_url: str) -> None:
    root = tmp_path / "tree"
    root.mkdir()
    disk = Disk(tmp_path / "image")
    try:
        disk.mount(root / "mnt")
        async with cared_for(root, store_url, cross_mounts=True) as tree:
            before = await filled(tree, folder="mnt")
            async with tree.watched():
                await anyio.to_thread.run_sync(unmount, root / "mnt")
                await anyio.to_thread.run_sync(disk.occupy)

                async def is_unknown() -> bool:
                    return {code for _, code in await problems(tree)} == {ProblemCode.MOUNT_GONE}

                await until(is_unknown, "a problem that says so")
                assert await tree.written() == before
                disk.mount(root / "mnt")

                async def is_well() -> bool:
                    return not await problems(tree)

                await until(is_well, "no problem any more")
                await tree.until_status("watching")
                assert await tree.written() == before
                assert await read_again(tree) == 0
                tree.write("mnt/f0", "changed")
                await tree.until_present("mnt/f0", size=7)
    finally:
        unmount_all(root / "mnt")
        disk.close()


@fault(
    "a disk is mounted below a watched root whose mounts are entered",
    "its files are recorded by themselves, later changes are heard, what it covers is unknown and kept",
)
async def test_mount_appears_and_is_entered(tmp_path: Path, store_url: str) -> None:
    root = tmp_path / "tree"
    root.mkdir()
    async with cared_for(root, store_url, cross_mounts=True) as tree:
        tree.write("mnt/covered")
        tree.write("mnt/also")
        with mounted(tmp_path / "other") as other:
            (other / "a").write_text("a")
            (other / "also").write_text("the same name")
            async with tree.watched():
                await tree.until_present("mnt/covered")
                bind(other, root / "mnt")
                try:
                    await tree.until_present("mnt/a")
                    await tree.until_status("watching")
                    tree.write("mnt/b")
                    await tree.until_present("mnt/b")

                    async def is_told() -> bool:
                        return ("mnt/covered", ProblemCode.MOUNT_GONE) in await problems(tree)

                    await until(is_told, "a problem of what is covered")
                    assert await tree.state("mnt/covered") is RecordState.PRESENT
                finally:
                    unmount_all(root / "mnt")


@fault(
    "a folder of the same file system is bound below a watched root whose mounts are not entered",
    "it is barred at once: nothing below it is recorded, what it covers is kept; unmounted, it goes on",
)
async def test_bind_mount_appears_and_is_barred(tmp_path: Path, store_url: str) -> None:
    needs_root()
    root, other = tmp_path / "tree", tmp_path / "other"
    root.mkdir()
    other.mkdir()
    (other / "foreign").write_text("foreign")
    async with cared_for(root, store_url) as tree:
        tree.write("mnt/covered")
        async with tree.watched():
            before = await tree.until_present("mnt/covered")
            bind(other, root / "mnt")
            try:

                async def is_noted() -> bool:
                    return ("mnt", ProblemCode.MOUNT_NOT_CROSSED) in await problems(tree)

                await until(is_noted, "a note that it is not crossed")
                await tree.ledger.trigger_reconciliation(tree.repository.id)
                assert {path: r.id for path, r in (await tree.present()).items()} == {
                    "mnt/covered": before.id
                }
            finally:
                unmount_all(root / "mnt")

            async def is_over() -> bool:
                return not await problems(tree)

            await until(is_over, "no note any more")
            tree.write("mnt/covered", "changed")
            await tree.until_present("mnt/covered", size=7)
    assert ChangeKind.MISSING not in {entry.kind for entry in await _journal(store_url, tree)}


async def _journal(store_url: str, tree: Tree) -> list[Any]:
    async with Ledger.open(store=store_url, environ={**os.environ, "TREELEDGER_CONFIG": ""}) as ledger:
        tree.ledger = ledger
        return await tree.journal()


@fault("a folder gives EIO in the middle of its listing", "unknown, not gone; a problem until it is read")
async def test_eio_from_a_listing(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    before = await filled(tree)
    plain: Any = LocalTree.list

    def list_(one: LocalTree, path: str) -> Iterator[Entry]:
        for number, entry in enumerate(plain(one, path)):
            if path == "d" and number == 3:
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            yield entry

    with monkeypatch.context() as context:
        context.setattr(LocalTree, "list", list_)
        await tree.ledger.scan(tree.repository)
        assert await problems(tree) == {("d", ProblemCode.IO_ERROR)}
        assert await tree.written() == before
    await tree.ledger.scan(tree.repository)
    assert await problems(tree) == set()


@fault(
    "a path says ENOENT, but the folder above it cannot be looked at",
    "unknown, not gone, and a problem that ends with it",
)
async def test_enoent_below_an_unknown_folder(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    before = await filled(tree, files=5)

    def entry(one: LocalTree, path: str) -> Entry:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))

    def file_system(one: LocalTree, path: str) -> int:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as context:
        context.setattr(LocalTree, "entry", entry)
        context.setattr(LocalTree, "file_system", file_system)
        context.setattr(LocalTree, "list", lambda one, path: iter(()))
        await tree.ledger.scan(tree.repository)
        assert {code for _, code in await problems(tree)} == {ProblemCode.IO_ERROR}
        assert await tree.written() == before
    await tree.ledger.scan(tree.repository)
    assert await problems(tree) == set()
    assert await tree.written() == before


@fault(
    "a folder is not readable by the user that scans, then it is again",
    "unknown, not gone: a problem names it, exit code 3; the problem ends, nothing is read again",
)
async def test_unreadable_folder() -> None:
    needs_root()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        root = _photos_of_nobody(home)
        assert (await _as_nobody(home, "scan", str(root))).returncode == 0
        (root / "sub").chmod(0)
        for _ in range(2):
            run = await _as_nobody(home, "scan")
            assert run.returncode == PARTLY, run
            assert "photos: 1 file or folder could not be read; records are kept" in run.stderr.decode()
        assert b"sub" in (await _as_nobody(home, "problems")).stdout
        assert (await _as_nobody(home, "files", "-0")).stdout == b"a\0sub/b\0sub/deep/c\0"
        (root / "sub").chmod(0o700)
        run = await _as_nobody(home, "scan")
        assert run.returncode == 0
        assert b"hashed=0" in run.stdout
        assert (await _as_nobody(home, "problems", "--json")).stdout == b""


def _photos_of_nobody(home: Path) -> Path:
    root = home / "photos"
    (root / "sub/deep").mkdir(parents=True)
    for name in ("a", "sub/b", "sub/deep/c"):
        (root / name).write_text(name)
    for path in (home, *home.rglob("*")):
        os.chown(path, 65534, 65534)
    return root


async def _as_nobody(home: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    user = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    command = [*user, sys.executable, "-m", "treeledger", "--store", f"sqlite:{home}/ledger.db", *arguments]
    environ = {**os.environ, "TREELEDGER_CONFIG": "", "HOME": str(home), "XDG_STATE_HOME": str(home)}
    run = await anyio.run_process(command, env=environ, cwd=home, check=False)
    assert b"Traceback" not in run.stderr
    return run


@fault(
    "a repository is added within another, around it, by a symlink, or by a bind mount of either",
    "refused, whichever way it is spelled",
)
async def test_nested_repositories(tmp_path: Path, store_url: str) -> None:
    needs_root()
    (tmp_path / "top/photos/sub").mkdir(parents=True)
    (tmp_path / "link").symlink_to("top")
    (tmp_path / "beside").mkdir()
    bound, inner = tmp_path / "bound", tmp_path / "inner"
    async with cared_for(tmp_path / "top/photos", store_url) as tree:
        bind(tmp_path / "top", bound)
        bind(tmp_path / "top/photos/sub", inner)
        try:
            for root, how in (
                ("top/photos/sub", "lies within"),
                ("top", "holds"),
                (".", "holds"),
                ("link/photos", "is"),
                ("link/photos/sub", "lies within"),
                ("bound", "holds"),
                ("bound/photos", "is"),
                ("bound/photos/sub", "lies within"),
                ("inner", "lies within"),
            ):
                with pytest.raises(UsageError, match=f" {how} the repository photos"):
                    await tree.ledger.add_repository(tmp_path / root)
            await tree.ledger.add_repository(tmp_path / "beside")
        finally:
            unmount_all(bound)
            unmount_all(inner)


@fault(
    "two processes add one root, or nested ones, at the same time",
    "exactly one wins, the other is told why",
)
@pytest.mark.parametrize("roots", [("one", "one"), ("one", "one/sub"), ("one/sub", "one")])
async def test_added_at_once(tmp_path: Path, store_url: str, roots: tuple[str, str]) -> None:
    (tmp_path / "one/sub").mkdir(parents=True)
    done: list[subprocess.CompletedProcess[bytes]] = []

    async def add(root: str) -> None:
        done.append(await _treeledger(store_url, "repo", "add", str(tmp_path / root)))

    async with Ledger.open(store=store_url, environ={**os.environ, "TREELEDGER_CONFIG": ""}) as ledger:
        async with anyio.create_task_group() as tasks:
            for root in roots:
                tasks.start_soon(add, root)
        assert sorted(run.returncode for run in done) == [0, 2], done
        assert len(await ledger.repositories()) == 1


@fault(
    "two repositories with nested roots reach the store at the same time",
    "the store itself refuses the second",
)
@pytest.mark.parametrize("roots", [("/data", "/data/photos"), ("/data/photos", "/data"), ("/", "/data")])
async def test_store_refuses_nested_roots(tree: Tree, roots: tuple[str, str]) -> None:
    await tree.ledger.remove_repository(tree.repository.id)
    outcomes: list[str] = []

    async def add(root: str) -> None:
        new = _repository(tree, root)
        try:
            await tree.ledger.store.add_repository(new)
        except UsageError as error:
            outcomes.append(str(error))
        else:
            outcomes.append("added")

    async with anyio.create_task_group() as tasks:
        for root in roots:
            tasks.start_soon(add, root)
    assert len(await tree.ledger.repositories()) == 1
    (refused,) = (outcome for outcome in outcomes if outcome != "added")
    assert "a file belongs to one repository" in refused


def _repository(tree: Tree, root: str) -> Repository:
    return replace(tree.repository, id=uuid4(), name=f"of {root.replace('/', '_')}", root=root)
