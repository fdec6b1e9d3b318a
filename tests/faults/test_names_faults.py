"""Names and kinds: every name is kept as its bytes, and only regular files are read."""

from __future__ import annotations

import os
import signal
import socket
from pathlib import Path

import pytest
from executable import Executable
from executable import until as wait_until
from machine import needs_root
from matrix import fault
from support import Tree, until
from victim import APPLY, Victim, before

from treeledger.model import HashState, ProblemCode, RecordState
from treeledger.names import bytes_from_stored
from treeledger.plugins.walker import LocalTree
from treeledger.walk import Walk

pytestmark = pytest.mark.anyio

NAMES = [
    b"n" * 255,
    b"not utf-8 \xff\xfe\x80",
    b"new\nline",
    b"tab\tand \x1b[31mescape",
    "reserved \U0010ff80\U0010ffff".encode(),
    "reserved \U0010ff80".encode() + b" and \xff",
    b"Case",
    b"case",
    "caf\u00e9".encode(),
    "cafe\u0301".encode(),
    b"back\\slash %s _ *",
    b"-n",
    b" ",
]


def paths_on_disk(root: Path) -> set[bytes]:
    top = os.fsencode(root)
    return {
        os.path.relpath(os.path.join(folder, name), top)
        for folder, _, names in os.walk(top)
        for name in names
    }


@fault(
    "names of 255 bytes, of invalid UTF-8, with control characters, or that only case or normalisation parts",
    "each is a record of its own whose path is its bytes again, found by watch and by scan",
)
@pytest.mark.parametrize("how", ["scan", "watch"])
async def test_names(tree: Tree, how: str) -> None:
    def fill() -> None:
        for folder in (b".", b"d\xff\n"):
            os.makedirs(os.path.join(os.fsencode(tree.root), folder), exist_ok=True)
            for name in NAMES:
                path = os.path.join(os.fsencode(tree.root), folder, name)
                with open(path, "wb") as file:
                    file.write(name)

    async def is_complete() -> bool:
        present = await tree.present()
        hashed = {path for path, record in present.items() if record.hash_state is HashState.DONE}
        return {bytes_from_stored(path) for path in hashed} == paths_on_disk(tree.root)

    if how == "watch":
        async with tree.watched():
            fill()
            await until(is_complete, "a record of every name")
    else:
        fill()
        await tree.ledger.scan(tree.repository)
        assert await is_complete()
    again = await tree.ledger.scan(tree.repository)
    assert again.counts.files_unchanged == 2 * len(NAMES)
    known = await tree.ledger.store.problems(tree.repository.id, notes=True, limit=100)
    collide = [one for one in known if one.problem.code is ProblemCode.NAMES_COLLIDE]
    assert len(collide) == len(known) == 8  # both names of two pairs, in two folders


@fault("a path is longer than PATH_MAX", "it is recorded with its hash, and nothing is skipped")
async def test_path_longer_than_path_max(tree: Tree) -> None:
    descriptor = os.open(tree.root, os.O_RDONLY)
    for n in range(25):
        name = f"{n:02}" + os.urandom(99).hex()
        os.mkdir(name, dir_fd=descriptor)
        below = os.open(name, os.O_RDONLY, dir_fd=descriptor)
        os.close(descriptor)
        descriptor = below
    os.close(os.open("deep", os.O_CREAT | os.O_WRONLY, dir_fd=descriptor))
    os.close(descriptor)
    tree.write("shallow")
    operation = await tree.ledger.scan(tree.repository)
    assert operation.counts.files_added == 2
    assert max(map(len, await tree.present())) > os.pathconf("/", "PC_PATH_MAX")
    assert {record.hash_state for record in (await tree.present()).values()} == {HashState.DONE}


@fault("a directory holds 60,000 files, more than are sorted in memory", "each is recorded, once")
async def test_large_directory(tree: Tree, store_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    count = 60_000
    if store_url.startswith("postgres"):  # what is sorted elsewhere is sorted before any store has it
        count = 6000
        monkeypatch.setitem(Walk.__init__.__kwdefaults__, "most_in_memory", 5000)
    for n in range(count):
        os.close(os.open(tree.root / f"{n:x}", os.O_CREAT | os.O_WRONLY))
    settings = {"reconciliation": {"calculate_hashes": False}}
    await tree.ledger.store.update_repository(tree.repository.id, settings=settings)
    repository = await tree.ledger.repository(tree.repository.id)
    assert (await tree.ledger.scan(repository)).counts.files_added == count
    again = await tree.ledger.scan(repository)
    assert (again.counts.files_unchanged, again.counts.files_removed) == (count, 0)


def make(kind: str, path: Path) -> None:
    match kind:
        case "fifo":
            os.mkfifo(path)
        case "device":
            os.mknod(path, 0o20666, os.makedev(1, 5))  # /dev/zero
        case "socket":
            with socket.socket(socket.AF_UNIX) as one:
                one.bind(str(path))
        case "symlink loop":
            path.symlink_to(path.name)
        case "symlink":
            path.symlink_to("/etc/passwd")
        case "directory":
            path.mkdir()
            (path / "inner").write_text("x")


KINDS = ["fifo", "device", "socket", "symlink loop", "symlink", "directory"]


@fault(
    "a FIFO, device, socket, link or directory takes a file's place before it is opened",
    "nothing blocks, nothing of it is read, and the record ends",
)
@pytest.mark.root
@pytest.mark.parametrize("kind", KINDS)
async def test_other_kind_before_open(tree: Tree, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    needs_root()
    path = tree.write("file", "x")
    tree.write("other")
    opened = LocalTree.open

    def swapped(self: LocalTree, name: str) -> int:
        if name == "file" and path.is_file() and not path.is_symlink():
            path.unlink()
            make(kind, path)
        return opened(self, name)

    monkeypatch.setattr(LocalTree, "open", swapped)
    await tree.ledger.scan(tree.repository)
    await tree.ledger.scan(tree.repository)
    assert set(await tree.present()) == {"other"} | ({"file/inner"} if kind == "directory" else set())
    assert all(entry.hash is None for entry in await tree.journal() if entry.path == "file")
    assert await tree.state("file") in (RecordState.MISSING, RecordState.DELETED, None)
    operations = await tree.ledger.sync_operations(tree.repository.id)
    assert {one.status.value for one in operations} == {"completed"}


@fault(
    "a parent directory becomes a symlink out of the root between look and open",
    "it is not followed: no byte outside of the root is read",
)
async def test_parent_swapped_for_a_symlink(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tree.write("d/file", "inside")
    outside = tree.root.parent / "outside"
    outside.mkdir()
    os.link(path, outside / "file")  # the very file that lstat saw, so that only the way there tells
    opened, ways = LocalTree.open, []

    def swapped(self: LocalTree, name: str) -> int:
        if name == "d/file" and not (tree.root / "d").is_symlink():
            (tree.root / "d").rename(tree.root.parent / "away")
            (tree.root / "d").symlink_to(outside)
            self.forget()  # as if a worker that was never there opened it
        descriptor = opened(self, name)
        ways.append(os.readlink(f"/proc/self/fd/{descriptor}"))
        return descriptor

    monkeypatch.setattr(LocalTree, "open", swapped)
    await tree.ledger.scan(tree.repository)
    assert ways == []
    assert await tree.state("d/file") is not RecordState.PRESENT


@fault(
    "sparse files of exabytes lie in the tree, more bytes than 64 bits can count",
    "they are recorded and not read beyond the limits, and all others are hashed",
)
@pytest.mark.root
async def test_exabytes(disk: Path, tree: Tree) -> None:
    settings = {"reconciliation": {"hash_timeout": "1s"}}
    tree.repository = await tree.ledger.add_repository(disk, settings=settings)
    (disk / "small").write_text("x")
    for n in range(3):
        (disk / f"huge{n}").touch()
        os.truncate(disk / f"huge{n}", 2**62)
    await tree.ledger.scan(tree.repository)
    states = {path: record.hash_state for path, record in (await tree.present()).items()}
    assert states == {"small": HashState.DONE} | {f"huge{n}": HashState.SKIPPED for n in range(3)}
    codes = {
        one.problem.code
        for one in await tree.ledger.store.problems(tree.repository.id, notes=False, limit=10)
    }
    assert codes == {ProblemCode.HASH_TIMEOUT}
    counted = (await tree.ledger.repository(tree.repository.id)).bytes
    for n in range(3):
        (disk / f"huge{n}").unlink()
    await tree.ledger.scan(tree.repository)
    left = (await tree.ledger.repository(tree.repository.id)).bytes
    assert isinstance(counted, int)
    assert (counted > 2**50, left) == (True, 1)


@fault(
    "names of invalid UTF-8, with newlines, escapes or reserved characters are asked for on the command line",
    "`files -0` gives their bytes, `files --json` what stands for them, after a scan and after live events",
)
@pytest.mark.parametrize("how", ["scan", "watch"])
def test_names_on_the_command_line(tmp_path: Path, store_url: str, how: str) -> None:
    victim, program = Victim(tmp_path, store_url), Executable(tmp_path, store=store_url)
    victim.root.mkdir()
    top = os.fsencode(victim.root)

    def fill() -> None:
        for folder in (top, os.path.join(top, b"d\xff\n\x1b")):
            os.makedirs(folder, exist_ok=True)
            for name in NAMES:
                Path(os.fsdecode(os.path.join(folder, name))).write_bytes(name)

    def listed() -> set[bytes]:
        return set(program("files", "-0").out.split(b"\0")[:-1])

    if how == "scan":
        fill()
        program("scan", victim.root)
    else:
        with victim.live(before(APPLY), "SIGCONT") as running:
            fill()
            wait_until(lambda: listed() == paths_on_disk(victim.root), "every name listed")
            running.process.send_signal(signal.SIGTERM)
    assert listed() == paths_on_disk(victim.root)
    records = program("files", "--json").json
    assert {bytes_from_stored(one["path"]) for one in records} == paths_on_disk(victim.root)
    assert len(records) == 2 * len(NAMES)
