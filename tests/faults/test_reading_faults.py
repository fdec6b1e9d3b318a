"""Reading: a hash belongs to the recorded file, whatever is done to it while it is read."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest
from machine import Disk, mount, needs_root, unmount_all
from matrix import fault
from support import Tree, until
from truth import assert_in_order

from treeledger.engine.hearing import Hearing
from treeledger.engine.recorder import Recorder
from treeledger.engine.run import Run
from treeledger.model import Change, ChangeKind, HashState, OperationType, ProblemCode, RecordState
from treeledger.plugins.sha256 import Sha256
from treeledger.protocols import Applied

pytestmark = pytest.mark.anyio

Meddle = Callable[[Path], object]


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


class Meddler:
    """Does something to each file, once, when the first bytes of it have been read.

    The files begin with their names, so that whoever gets the bytes knows the file.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, root: Path, meddle: Meddle) -> None:
        self.done: set[str] = set()
        self._root = root
        self._meddle = meddle
        meddler = self

        class Digest:
            def __init__(self) -> None:
                self._digest = hashlib.sha256()
                self.hexdigest = self._digest.hexdigest

            def update(self, data: Any) -> None:
                self._digest.update(data)
                meddler.read(bytes(data[:64]).partition(b"\n")[0].decode())

        monkeypatch.setattr(Sha256, "new", lambda self: Digest())

    def read(self, name: str) -> None:
        if name not in self.done and (self._root / name).exists():
            self.done.add(name)
            self._meddle(self._root / name)


def append(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"more")


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 10)


def rewrite(path: Path) -> None:
    """Other bytes, as many, and the mtime put back."""
    before = path.stat()
    with path.open("r+b") as file:
        file.seek(-5, os.SEEK_END)
        file.write(b"OTHER")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def replace(path: Path) -> None:
    """Another file under the name, of equal size and mtime; it was made beside the tree."""
    before = path.stat()
    other = path.parent.with_name(f"{path.name}.new")
    other.write_bytes(path.read_bytes()[:-5] + b"OTHER")
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    other.rename(path)


MEDDLES: dict[str, Meddle] = {one.__name__: one for one in (append, cut, rewrite, replace)}


def fill(root: Path) -> list[Path]:
    """A small and a large file for each way to meddle; large ones are read in a lane of their own."""
    paths = []
    for name in MEDDLES:
        for size in (1000, 17 * 2**20):
            path = root / f"{name}-{size}"
            path.write_bytes(f"{path.name}\n".encode().ljust(size, b"."))
            paths.append(path)
    return paths


@fault(
    "a file is appended to, cut, rewritten with its mtime put back or replaced while it is read",
    "no hash of what it was not is ever recorded, and the right one comes",
)
@pytest.mark.parametrize("how", ["scan", "watch"])
async def test_changing_while_read(tree: Tree, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    before = {path.name: digest(path.read_bytes()) for path in fill(tree.root)}
    meddler = Meddler(monkeypatch, tree.root, lambda path: MEDDLES[path.name.partition("-")[0]](path))

    async def is_right() -> bool:
        present = await tree.present()
        if len(meddler.done) < len(before) or not all(one.content_hash for one in present.values()):
            return False
        return {path: record.content_hash for path, record in present.items()} == {
            path.name: digest(path.read_bytes()) for path in tree.root.iterdir()
        }

    if how == "scan":
        await tree.ledger.scan(tree.repository)
        assert await is_right()
    else:
        async with tree.watched():
            await until(is_right, "every hash is that of the file")
    assert meddler.done == set(before)
    after = {path.name: digest(path.read_bytes()) for path in tree.root.iterdir()}
    for entry in await tree.journal():
        assert entry.hash in (None, before[entry.path], after[entry.path])


async def is_like_the_disk(tree: Tree) -> bool:
    """Whether exactly the files have present records, each with the size and the hash of its file."""
    files = {str(path.relative_to(tree.root)): path for path in tree.root.rglob("*") if path.is_file()}
    return {
        path: (record.stat[:3], record.content_hash) for path, record in (await tree.present()).items()
    } == {
        name: (
            (path.stat().st_size, path.stat().st_mtime_ns, path.stat().st_ctime_ns),
            digest(path.read_bytes()),
        )
        for name, path in files.items()
    }


async def was_recorded(tree: Tree, content_hash: str) -> bool:
    return any(entry.hash == content_hash for entry in await tree.journal())


@fault(
    "a writer is held up between the new times of a file and its data, and the file is read meanwhile",
    "the event of the write, though no stat tells of it, has the content read again",
)
async def test_writer_held_up(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    class Old:
        """Reads the old content, once."""

        def __init__(self) -> None:
            self._digest = hashlib.sha256()
            self.hexdigest = self._digest.hexdigest

        def update(self, data: Any) -> None:
            monkeypatch.undo()
            self._digest.update(bytes(data).replace(b"new", b"old"))

    async with tree.watched():
        monkeypatch.setattr(Sha256, "new", lambda self: Old())
        path = tree.write("file", "new")
        await until(partial(was_recorded, tree, digest(b"old")), "the old content recorded")
        os.close(os.open(path, os.O_WRONLY))  # what the held up write ends with
        await until(lambda: is_like_the_disk(tree), "the new content recorded")
    assert (await tree.kinds("file"))[-1] is ChangeKind.MODIFIED
    assert await tree.ledger.store.problems(None, notes=False, limit=10) == []


async def is_known(tree: Tree) -> bool:
    """Whether the ledger is like the disk, and in no doubt of it."""
    states = {record.hash_state for record in (await tree.present()).values()}
    return states == {HashState.DONE} and await is_like_the_disk(tree)


@fault(
    "a small and a large file are edited, with size and mtime as they were",
    "their ctime tells of it, and they are read at once",
)
@pytest.mark.parametrize("how", ["scan", "watch"])
async def test_edit_that_only_ctime_shows(tree: Tree, how: str) -> None:
    paths = [tree.write("small", "a small text"), tree.root / "large"]
    paths[1].write_bytes(bytes(17 * 2**20))
    if how == "watch":
        async with tree.watched():
            await until(partial(is_known, tree), "the ledger like the disk")
            for path in paths:
                rewrite(path)
            await until(partial(is_known, tree), "the ledger like the disk")
    else:
        await tree.ledger.scan(tree.repository)
        for path in paths:
            rewrite(path)
        await tree.ledger.scan(tree.repository)
        assert await is_known(tree)


class HeldScan:
    """Stops a scan, one that was asked for, where it has looked and read, and before it writes."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, type: OperationType = OperationType.MANUAL) -> None:
        self.reached, self.go_on = anyio.Event(), anyio.Event()
        apply = Recorder.apply

        async def held(recorder: Recorder, changes: Sequence[Change], run: Run) -> Applied:
            if run.type is type:
                self.reached.set()
                await self.go_on.wait()
            return await apply(recorder, changes, run)

        monkeypatch.setattr(Recorder, "apply", held)


def remove(path: Path) -> None:
    path.unlink()


def rename(path: Path) -> None:
    path.rename(path.with_name("renamed"))


def save(path: Path) -> None:
    path.write_text("a newer and longer text")


@fault(
    "a file is saved, removed or renamed, and that recorded, between a scan's look and its writing",
    "the newer state stays, and the scan looks again",
)
@pytest.mark.parametrize("between", [save, remove, rename])
async def test_stale_scan(tree: Tree, monkeypatch: pytest.MonkeyPatch, between: Meddle) -> None:
    path = tree.write("file", "a text")
    tree.write("other")
    async with tree.watched():
        await until(lambda: is_like_the_disk(tree), "the ledger like the disk")
        scan = HeldScan(monkeypatch)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(
                partial(tree.ledger.trigger_reconciliation, tree.repository.id, rehash=True),
            )
            await scan.reached.wait()
            between(path)
            await until(lambda: is_like_the_disk(tree), "the newer state in the ledger")
            known = len(await tree.journal())
            scan.go_on.set()
        await until(lambda: is_like_the_disk(tree), "the ledger like the disk")
    kinds = {entry.kind for entry in (await tree.journal())[known:]}
    assert kinds <= {ChangeKind.DELETED}
    await assert_in_order(tree)


@fault(
    "a new file is removed between a scan's look and its writing, as an inspection sees that writes nothing",
    "the scan looks again after it has written, and the file does not stay in the ledger",
)
async def test_gone_before_it_was_recorded(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tree.write("d/file", "a text")
    scan = HeldScan(monkeypatch, OperationType.STARTUP)
    async with tree.ledger.started(command="test", root_check=0.2):
        await scan.reached.wait()
        path.unlink()
        tree.write("later")  # events come in order: once it is recorded, the loss was looked at
        await tree.until_present("later")
        scan.go_on.set()
        await tree.until_status("watching")
        await until(lambda: is_like_the_disk(tree), "the ledger like the disk")
    assert await tree.state("d/file") is RecordState.DELETED


@fault(
    "a new file is removed between a scan's look and its writing, as another scan sees that writes nothing",
    "the first one looks again after it has written, and the file does not stay in the ledger",
)
async def test_gone_before_it_was_recorded_as_a_scan_saw(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tree.write("d/file", "a text")
    tree.write("d/other")
    monkeypatch.setattr(Hearing, "_take", lambda self, batch: None)  # nothing but the scan tells of it
    scan = HeldScan(monkeypatch, OperationType.STARTUP)
    store = tree.ledger.store

    async def is_scanned() -> bool:
        return not await store.dirty(tree.repository.id)

    async with tree.ledger.started(command="test", root_check=0.2):
        await scan.reached.wait()
        path.unlink()
        await store.mark_dirty(tree.repository.id, [("d", "test")])
        await until(is_scanned, "the folder scanned")
        scan.go_on.set()
        await tree.until_status("watching")
        await until(lambda: is_like_the_disk(tree), "the ledger like the disk")
    assert await tree.state("d/file") is RecordState.DELETED


@fault(
    "a file is edited with its mtime put back, where ctimes mean nothing",
    "a scan that reads everything says that it is corrupted, and keeps the hash on record",
)
async def test_edit_that_no_stat_shows(tree: Tree) -> None:
    settings = {"change_key": "size-mtime"}
    await tree.ledger.store.update_repository(tree.repository.id, settings=settings)
    repository = await tree.ledger.repository(tree.repository.id)
    path = tree.write("file", "some text")
    await tree.ledger.scan(repository)
    before = await tree.record("file")
    rewrite(path)
    await tree.ledger.scan(repository)
    assert await tree.record("file") == before
    await tree.ledger.scan(repository, rehash=True)
    after = await tree.record("file")
    assert before is not None
    assert after is not None
    assert (after.hash_state, after.content_hash) == (HashState.CORRUPTED, before.content_hash)
    (problem,) = await tree.ledger.store.problems(repository.id, notes=False, limit=10)
    assert problem.problem.code is ProblemCode.CORRUPTED
    assert digest(path.read_bytes()) in problem.problem.message


@fault(
    "mtimes go backwards, to zero, below it, far into the future and beyond 64 bits",
    "every file is recorded, each change of time found, and a second scan finds nothing",
)
@pytest.mark.root
async def test_strange_mtimes(disk: Path, tree: Tree) -> None:
    times = [0, -1, -(10**9) * 86_400 * 365, 10**18 * 4, 2**63 - 1, 2**63 + 5, 2**64 * 10, -(2**64)]
    repository = await tree.ledger.add_repository(disk)
    tree.repository = repository
    for n in range(len(times)):
        (disk / f"f{n}").write_text(str(n))
    await tree.ledger.scan(repository)
    for n, time in enumerate(times):
        os.utime(disk / f"f{n}", ns=(time, time))
    operation = await tree.ledger.scan(repository)
    assert operation.counts.files_updated == len(times)
    present = await tree.present()
    assert [present[f"f{n}"].stat.mtime_ns for n in range(len(times))] == [
        min(max(time, -(2**63)), 2**63 - 1) for time in times
    ]
    assert all(record.hash_state is HashState.DONE for record in present.values())
    again = await tree.ledger.scan(repository)
    assert (again.counts.files_unchanged, again.counts.files_updated) == (len(times), 0)


@contextmanager
def racy_disk(root: Path, kind: str) -> Iterator[None]:
    """A file system of its own.

    Newer kernels give a write that follows a look a time of its own on ext4 and tmpfs, however soon it
    comes. One with inodes of 128 bytes cuts times to seconds: all writes within one look alike.
    """
    needs_root()
    root.mkdir()
    if kind == "tmpfs":
        mount(root)
    else:
        disk = Disk(root.parent / "image", inode_size=128 if kind == "ext4 of seconds" else 256)
        disk.mount(root)
    try:
        yield
    finally:
        unmount_all(root)


@fault(
    "hundreds of files are written, read and written again within one tick of the clock, with equal size",
    "no file is read before a further write would show, so the last content wins",
)
@pytest.mark.root
@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("how", ["scan", "watch"])
@pytest.mark.parametrize("kind", ["tmpfs", "ext4", "ext4 of seconds"])
async def test_racy_writes(
    tree: Tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, how: str
) -> None:
    root = tmp_path / "disk"
    with racy_disk(root, kind):
        tree.repository, tree.root = await tree.ledger.add_repository(root), root
        meddler = Meddler(monkeypatch, root, partial(overwrite, text="LATER"))
        paths = [root / f"f{n}" for n in range(200)]
        async with tree.watched() if how == "watch" else nullcontext():
            for _ in range(1 if kind == "ext4 of seconds" else 2):
                for path in paths:
                    path.write_text(f"{path.name}\ntext text FIRST")
                meddler.done.clear()  # only now: what is read still, of the round before, is left alone
                if how == "scan":
                    await tree.ledger.scan(tree.repository)
                    assert len(meddler.done) == len(paths)
                    assert await is_like_the_disk(tree)
                else:
                    await until(lambda: is_over(tree, meddler, len(paths)), "the last content of every file")


async def is_over(tree: Tree, meddler: Meddler, files: int) -> bool:
    """Whether every file was met by the meddler, and the ledger is like what that left."""
    return len(meddler.done) == files and await is_like_the_disk(tree)


def overwrite(path: Path, text: str) -> None:
    """Other bytes in the end, as many as before."""
    with path.open("r+b") as file:
        file.seek(-len(text), os.SEEK_END)
        file.write(text.encode())
