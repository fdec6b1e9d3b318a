"""Events: whatever programs do to folders and files, the ledger ends up equal to the disk."""

from __future__ import annotations

import ctypes
import mmap
import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import anyio.to_thread
import pytest
from matrix import fault
from support import Tree, until
from truth import Heard, assert_in_order, until_equal

from treeledger.engine.hub import RepositoryState
from treeledger.model import ChangeKind, RecordState

pytestmark = pytest.mark.anyio
Deed = Callable[[Path], object]


@pytest.fixture(autouse=True)
def quiet_log(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    yield
    assert [record.getMessage() for record in caplog.records if record.exc_info] == []


@pytest.fixture
async def heard(tree: Tree) -> AsyncIterator[Heard]:
    """A small tree under watch, beside a folder `outside`; left with everything in order."""
    for name in ("a/file", "a/b/file", "a/b/c/deep", "other/file", "../outside/in/came", "../outside/one"):
        tree.write(name, name)
    one = Heard(tree)
    async with one.running():
        await one.until(RepositoryState.WATCHING)
        yield one
    await assert_in_order(tree)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def _recreated(root: Path) -> None:
    for turn in range(60):
        shutil.rmtree(root / "a")
        _write(root / f"a/{turn}/file", str(turn))


def _empty_and_recreated(root: Path) -> None:
    (root / "turns").mkdir()
    for _ in range(300):
        (root / "turns").rmdir()
        (root / "turns").mkdir()
    _write(root / "turns/file", "after all turns")


def _renamed(root: Path) -> None:
    os.rename(root / "a", root / "renamed")
    _write(root / "renamed/b/new", "written under the new name")
    os.rename(root / "renamed", root / "again")
    _write(root / "a/file", "another folder of the old name")


def _moved_out(root: Path) -> None:
    os.rename(root / "a", root.parent / "away")
    _write(root.parent / "away/b/ghost", "written outside")
    os.remove(root.parent / "away/file")


def _out_and_in_again(root: Path) -> None:
    _moved_out(root)
    os.rename(root.parent / "away", root / "a")
    _write(root / "a/b/c/after", "after it came back")


def _moved_in(root: Path) -> None:
    os.rename(root.parent / "outside/in", root / "came")
    _write(root / "came/sub/new", "after it came")


def _by_a_file(root: Path) -> None:
    shutil.rmtree(root / "a/b")
    (root / "a/b").write_text("now a file")
    os.remove(root / "other/file")
    _write(root / "other/file/inside", "now a folder")


def _by_a_symlink(root: Path) -> None:
    shutil.rmtree(root / "a/b")
    (root / "a/b").symlink_to(root.parent / "outside/in")
    os.remove(root / "other/file")
    (root / "other/file").symlink_to(root.parent / "outside/one")
    (root / "loop").symlink_to(root)


def _mkdir_p(root: Path) -> None:
    for number in range(300):
        _write(root / f"p{number}/q/r/file", str(number))
        _write(root / f"p{number}/q/file", str(number))


def _checked_out(root: Path) -> None:
    """As `git checkout` goes from one branch to another, and back: files replaced, folders come and go."""
    for branch in ("one", "two", "one", "two"):
        for number in range(40):
            file = root / f"src/{number % 5}/file{number}"
            file.unlink(missing_ok=True)
            _write(file, f"{branch} {number}")
        shutil.rmtree(root / "src/only", ignore_errors=True)
        _write(root / f"src/only/{branch}/file", branch)


def _tar_x(root: Path) -> None:
    source = root.parent / "source"
    for number in range(100):
        _write(source / f"t/{number % 7}/{number}", str(number))
    pipe = f"tar -C {source} -cf - . | tar -C {root} -xpf -"
    subprocess.run(["sh", "-c", pipe], check=True)


def _rsync(root: Path) -> None:
    """As rsync does: a hidden temporary beside it, its times set, renamed over."""
    for turn in range(3):
        for number in range(30):
            temporary = root / f"other/.file{number}.Xa3b"
            temporary.write_text(f"{turn} {number}")
            os.utime(temporary, ns=(1, 10**18 + turn))
            os.chmod(temporary, 0o644)
            os.rename(temporary, root / f"other/file{number}")


def _cp_al(root: Path) -> None:
    subprocess.run(["cp", "-al", root / "a", root / "links"], check=True)
    subprocess.run(["cp", "-al", root / "a", root.parent / "links outside"], check=True)


def _saved(root: Path) -> None:
    """As editors save: a new file renamed over; and vim, which moves the old one aside first."""
    for turn in range(20):
        file = root / "a/file"
        _write(root / "a/file.tmp", f"saved {turn}")
        os.rename(root / "a/file.tmp", file)
        os.rename(root / "a/b/file", root / "a/b/file~")
        _write(root / "a/b/file", f"by vim {turn}")
        os.remove(root / "a/b/file~")


def _short_lived(root: Path) -> None:
    for number in range(300):
        file = root / f"other/short{number}"
        file.write_text("here")
        file.unlink()
    _write(root / "other/last", "stays")


def _exchanged(root: Path) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    for _ in range(7):
        names = os.fsencode(root / "a"), os.fsencode(root / "other")
        assert libc.renameat2(-100, names[0], -100, names[1], 2) == 0, "RENAME_EXCHANGE"


def _nested(root: Path) -> None:
    """A folder moves into its own neighbour, which moves away, and back."""
    for _ in range(10):
        os.rename(root / "a", root / "other/a")
        os.rename(root / "other", root / "third")
        _write(root / "third/a/b/new", "written three levels down")
        os.rename(root / "third/a", root / "a")
        os.rename(root / "third", root / "other")


def _deeds(**deeds: Deed) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("deed", deeds.values(), ids=deeds.keys())


@fault(
    "folders are deleted and made anew, renamed, exchanged, moved out, written to outside, moved in and back",
    "the ledger equals the disk; nothing that was written outside is recorded",
)
@_deeds(
    recreated=_recreated,
    empty_and_recreated=_empty_and_recreated,
    renamed=_renamed,
    moved_out=_moved_out,
    out_and_in_again=_out_and_in_again,
    moved_in=_moved_in,
    exchanged=_exchanged,
    nested=_nested,
)
async def test_folders(tree: Tree, heard: Heard, deed: Deed) -> None:
    await anyio.to_thread.run_sync(deed, tree.root)
    await until_equal(tree)
    _write(tree.root / "a/b/at last", "heard there")
    await until_equal(tree)


@fault(
    "folders and files are replaced by each other, or by symlinks to what is outside",
    "the ledger equals the disk, and no link is followed",
)
@_deeds(by_a_file=_by_a_file, by_a_symlink=_by_a_symlink)
async def test_replaced(tree: Tree, heard: Heard, deed: Deed) -> None:
    await anyio.to_thread.run_sync(deed, tree.root)
    await until_equal(tree)
    _write(tree.root.parent / "outside/in/later", "never recorded")
    _write(tree.root / "last", "recorded")
    await until_equal(tree)


@fault(
    "mkdir -p and files at once, checkouts, tar, rsync, cp -al, editors' saves, short-lived files",
    "the ledger equals the disk",
)
@_deeds(
    mkdir_p=_mkdir_p,
    checked_out=_checked_out,
    tar_x=_tar_x,
    rsync=_rsync,
    cp_al=_cp_al,
    saved=_saved,
    short_lived=_short_lived,
)
async def test_programs(tree: Tree, heard: Heard, deed: Deed) -> None:
    await anyio.to_thread.run_sync(deed, tree.root)
    await until_equal(tree)


@fault("a file stays open for writing for a long time", "each part that was written is recorded meanwhile")
async def test_open_for_long(tree: Tree, heard: Heard) -> None:
    descriptor = os.open(tree.root / "long", os.O_WRONLY | os.O_CREAT)
    for part in range(3):
        os.write(descriptor, b"part %d" % part)
        await until_equal(tree)
    os.close(descriptor)


@fault(
    "a file is written through memory, which gives no event",
    "what the system has seen of it is recorded by the next scan, and when it is unmapped",
)
async def test_mmap(tree: Tree, heard: Heard) -> None:
    file = tree.write("mapped", "." * 8192)
    await until_equal(tree)
    descriptor = os.open(file, os.O_RDWR)
    mapped = mmap.mmap(descriptor, 8192)
    os.close(descriptor)
    mapped[:5] = b"first"
    await tree.ledger.trigger_reconciliation(tree.repository.id)
    await until_equal(tree)
    mapped.flush()  # until then more may be written to the page, and no time of the file changes
    mapped[:6] = b"second"
    mapped.close()
    await until_equal(tree)


@fault(
    "a file is written under its other name, outside the tree",
    "no event says so; the next scan records it",
)
async def test_hard_link_outside(tree: Tree, heard: Heard) -> None:
    os.link(tree.root / "a/file", tree.root.parent / "outside/link")
    await until_equal(tree)
    (tree.root.parent / "outside/link").write_text("written outside, by the other name")
    await tree.ledger.trigger_reconciliation(tree.repository.id)
    await until_equal(tree)


@fault(
    "an ignored folder is written to, and the rules change while it is watched",
    "records become ignored, never deleted; what is ignored no more comes back with its id",
)
async def test_rules_change_live(tree: Tree, heard: Heard) -> None:
    tree.write("a/b/noise/one", "noise")
    await until_equal(tree)
    before = await tree.record("a/b/file")
    assert before is not None
    tree.write(".treeledgerignore", "a/b/\n")
    await tree.until_state("a/b/c/deep", RecordState.IGNORED)
    await tree.until_state("a/b/file", RecordState.IGNORED)
    tree.write("a/b/unheard/file", "in an ignored folder")
    tree.write("heard", "elsewhere")
    await tree.until_present("heard")
    assert await tree.state("a/b/unheard/file") is None
    (tree.root / "a/b/c/deep").unlink()
    (tree.root / ".treeledgerignore").unlink()
    await until_equal(tree)
    after = await tree.record("a/b/file")
    assert after is not None
    assert after.id == before.id
    tree.write("a/b/unheard/file", "heard now")
    await until_equal(tree)
    assert ChangeKind.DELETED not in await tree.kinds("a/b/file")


@fault(
    "folders were marked dirty before the start, by a kill or by another process",
    "they are scanned, and only the marks that the scan saw are cleared",
)
async def test_marks_survive(tree: Tree) -> None:
    tree.write("d/known")
    await tree.ledger.scan(tree.repository)
    tree.write("d/unknown", "while nobody watched")
    await tree.ledger.store.mark_dirty(tree.repository.id, [("d", "killed"), ("", "overflow"), ("gone", "x")])
    one = Heard(tree)
    async with one.running():
        await until_equal(tree)

        async def is_clean() -> bool:
            return not await tree.ledger.store.dirty(tree.repository.id)

        await until(is_clean, "no mark left")
        await one.until(RepositoryState.WATCHING)
    await assert_in_order(tree)
