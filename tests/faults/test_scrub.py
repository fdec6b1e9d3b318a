"""Contents: bits that flip on the disk under an unchanged stat, and what a scrub makes of them."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import anyio
import anyio.to_thread
import pytest
from executable import Executable
from executable import until as until_so
from machine import needs_root
from matrix import fault
from support import Tree, until
from truth import assert_in_order

from treeledger.engine.budget import Budget
from treeledger.engine.scrub import ScrubRequest
from treeledger.engine.scrubbing import Scrubbed
from treeledger.ledger import Ledger
from treeledger.model import ChangeKind, HashState, OperationStatus, ProblemCode

pytestmark = [pytest.mark.anyio, pytest.mark.root]

EVERYTHING = ScrubRequest(budget=Budget(percent=100))
BLOCK = 4096
FAILPOINT = Path(__file__).with_name("failpoint.py")


@dataclass(frozen=True)
class Disk:
    """An ext4 file system in an image file, mounted at `root`."""

    image: Path
    root: Path

    def write(self, name: str, content: bytes) -> Path:
        """A file whose content has reached the image."""
        file = self.root / name
        file.write_bytes(content)
        descriptor = os.open(self.root, os.O_RDONLY)
        try:
            os.sync()
        finally:
            os.close(descriptor)
        return file

    def flip_bit(self, name: str) -> None:
        """One bit of a file's first block is another on the disk; nothing of the system knows of it."""
        file = self.root / name
        before, status = file.read_bytes(), file.stat()
        with self.image.open("r+b") as image:
            place = image.read().index(before[:BLOCK])
            image.seek(place)
            image.write(bytes([before[0] ^ 1]))
        descriptor = os.open(file, os.O_RDONLY)
        try:
            until_so(partial(_reads_as, descriptor, bytes([before[0] ^ 1])), "the file read from the disk")
            now = os.fstat(descriptor)
        finally:
            os.close(descriptor)
        unchanged = ("st_size", "st_mtime_ns", "st_ctime_ns", "st_ino")
        assert all(getattr(now, name) == getattr(status, name) for name in unchanged)


def _reads_as(descriptor: int, byte: bytes) -> bool:
    """Whether a file begins with a byte, once the system has forgotten of it what it can just now."""
    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    return os.pread(descriptor, 1, 0) == byte


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    needs_root()
    one = Disk(tmp_path / "image", tmp_path / "disk")
    one.root.mkdir()
    with one.image.open("wb") as image:
        image.truncate(16 * 2**20)
    try:
        subprocess.run(["mkfs.ext4", "-q", "-F", one.image], check=True, capture_output=True)
        subprocess.run(["mount", "-o", "loop", one.image, one.root], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"NOT TESTED: no ext4 can be mounted from a file here: {error}")
    try:
        yield one
    finally:
        subprocess.run(["umount", "--lazy", one.root], check=True)


@asynccontextmanager
async def cared_for(disk: Disk, store_url: str) -> AsyncIterator[Tree]:
    environ = {**os.environ, "TREELEDGER_CONFIG": ""}
    async with Ledger.open(store=store_url, environ=environ) as ledger:
        tree = Tree(disk.root, ledger)
        tree.repository = await ledger.add_repository(disk.root, name="disk")
        yield tree


@pytest.fixture
async def tree(disk: Disk, store_url: str) -> AsyncIterator[Tree]:
    async with cared_for(disk, store_url) as one:
        yield one


def content(number: int = 0) -> bytes:
    return bytes([number]) + os.urandom(2 * BLOCK)


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


async def scrub(tree: Tree) -> Scrubbed:
    return await tree.ledger.scrub(tree.repository, EVERYTHING)


async def problems(tree: Tree) -> dict[str, ProblemCode]:
    known = await tree.ledger.store.problems(tree.repository.id, notes=False, limit=100)
    return {one.problem.path: one.problem.code for one in known}


async def assert_corrupted(tree: Tree, path: str, good: bytes) -> None:
    record = await tree.record(path)
    assert record is not None
    assert (record.hash_state, record.content_hash) == (HashState.CORRUPTED, digest(good))
    assert await problems(tree) == {path: ProblemCode.CORRUPTED}


async def assert_good(tree: Tree, path: str, good: bytes) -> None:
    record = await tree.record(path)
    assert record is not None
    assert (record.hash_state, record.content_hash) == (HashState.DONE, digest(good))
    await assert_in_order(tree)


@fault(
    "a bit flips on the disk, and no stat tells of it",
    "a scrub says corrupted, once in the journal; neither it nor a scan gives up the good hash",
)
async def test_a_flipped_bit(disk: Disk, tree: Tree) -> None:
    data = content()
    disk.write("photo", data)
    disk.write("other", content(1))
    await tree.ledger.scan(tree.repository)
    before = await tree.kinds("photo")
    disk.flip_bit("photo")
    assert (await tree.ledger.scan(tree.repository)).counts.files_updated == 0
    for _ in range(2):
        done = await scrub(tree)
        assert (done.files, done.corrupted, done.modified) == (2, 1, 0)
        await tree.ledger.scan(tree.repository, rehash=True)
        await assert_corrupted(tree, "photo", data)
    assert await tree.kinds("photo") == [*before, ChangeKind.CORRUPTED]


@fault("a corrupted file is restored from a backup, with its old time or a new one", "the problem ends")
@pytest.mark.parametrize("with_time", [True, False])
async def test_a_restored_file(disk: Disk, tree: Tree, tmp_path: Path, with_time: bool) -> None:
    data = content()
    disk.write("photo", data)
    backup = shutil.copy2(disk.root / "photo", tmp_path / "backup")
    await tree.ledger.scan(tree.repository)
    disk.flip_bit("photo")
    assert (await scrub(tree)).corrupted == 1
    (shutil.copy2 if with_time else shutil.copyfile)(backup, disk.root / "photo")
    assert (await scrub(tree)).corrupted == 0
    await assert_good(tree, "photo", data)


@fault("a corrupted file is restored while it is watched", "the problem ends without a scrub")
async def test_a_restored_file_is_seen_live(disk: Disk, tree: Tree, tmp_path: Path) -> None:
    data = content()
    disk.write("photo", data)
    backup = shutil.copy2(disk.root / "photo", tmp_path / "backup")
    await tree.ledger.scan(tree.repository)
    disk.flip_bit("photo")
    assert (await scrub(tree)).corrupted == 1
    async with tree.watched():
        await assert_corrupted(tree, "photo", data)
        shutil.copy2(backup, disk.root / "photo")

        async def is_well() -> bool:
            return await problems(tree) == {}

        await until(is_well, "no problem any more")
    await assert_good(tree, "photo", data)


@fault("a person accepts a corrupted file", "the new content counts, the journal keeps the old hash")
async def test_an_accepted_file(disk: Disk, tree: Tree) -> None:
    data = content()
    disk.write("photo", data)
    await tree.ledger.scan(tree.repository)
    disk.flip_bit("photo")
    assert (await scrub(tree)).corrupted == 1
    flipped = bytes([data[0] ^ 1]) + data[1:]
    (judged,) = await tree.ledger.accept(tree.repository, ["photo"])
    assert judged.is_accepted
    entry = (await tree.journal())[-1]
    assert (entry.kind, entry.hash_before, entry.hash) == (
        ChangeKind.ACCEPTED,
        digest(data),
        digest(flipped),
    )
    assert (await scrub(tree)).corrupted == 0
    await assert_good(tree, "photo", flipped)


@fault("the same content is written again", "it is no corruption, and the hash is as it was")
async def test_the_same_content_again(disk: Disk, tree: Tree) -> None:
    data = content()
    file = disk.write("photo", data)
    await tree.ledger.scan(tree.repository)
    before = await tree.kinds("photo")
    status = file.stat()
    disk.write("photo", data)
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    done = await scrub(tree)
    assert (done.files, done.corrupted, done.modified) == (1, 0, 0)
    await assert_good(tree, "photo", data)
    assert await tree.kinds("photo") == before


@fault("a bit flips in a file that is modified as well", "it is recorded as modified, by its stat")
async def test_a_modified_file(disk: Disk, tree: Tree) -> None:
    disk.write("photo", content())
    await tree.ledger.scan(tree.repository)
    new = content(1)
    disk.write("photo", new)
    done = await scrub(tree)
    assert (done.corrupted, done.modified) == (0, 1)
    await assert_good(tree, "photo", new)


@fault(
    "a scrub is killed half way",
    "the next one goes on where it was: nothing is read twice before all was read",
)
async def test_a_killed_scrub(disk: Disk, tree: Tree, store_url: str) -> None:
    for number in range(40):
        disk.write(f"{number:02}", content(number)[: BLOCK + number])
    await tree.ledger.scan(tree.repository)
    failpoint = (FAILPOINT, "treeledger.engine.recorder:Recorder.apply", "after", "1", "kill")
    command = (sys.executable, *failpoint, "--store", store_url, "scrub", "disk", "--rate", str(20 * BLOCK))
    environ = {**os.environ, "TREELEDGER_CONFIG": ""}
    killed = await anyio.run_process(command, env=environ, check=False)
    assert killed.returncode == -signal.SIGKILL, killed
    early = {path for path, one in (await tree.present()).items() if one.last_verified}
    assert 0 < len(early) < 40
    rest = await tree.ledger.scrub(tree.repository, ScrubRequest(budget=Budget(files=40 - len(early))))
    assert rest.corrupted == 0
    assert len({path for path, one in (await tree.present()).items() if one.last_verified}) == 40
    operations = await tree.ledger.sync_operations(tree.repository.id)
    assert OperationStatus.RUNNING not in {one.status for one in operations}


@fault("a file cannot be read while it is scrubbed", "its hash is kept; the problem ends once it can be read")
@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)  # without root's rights no other is reached
async def test_an_unreadable_file(disk: Disk, tree: Tree, store_url: str, tmp_path: Path) -> None:
    data = content()
    file = disk.write("photo", data)
    disk.write("other", content(1))
    await tree.ledger.scan(tree.repository)
    file.chmod(0)
    treeledger = Executable(tmp_path, store=store_url)
    for _ in range(2):
        done = await anyio.to_thread.run_sync(
            partial(treeledger, "scrub", disk.root, code=3, without_roots_rights=True)
        )
        assert "scrubbed=1 " in done.text
        assert "unreadable=1 " in done.text
        record = await tree.record("photo")
        assert record is not None
        assert record.content_hash == digest(data)
        assert await problems(tree) == {"photo": ProblemCode.UNREADABLE}
    assert (await scrub(tree)).unreadable == 0
    await assert_good(tree, "photo", data)
