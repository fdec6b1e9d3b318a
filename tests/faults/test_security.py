"""Security: what the owner of a tree, who is nobody's friend, puts into it or does to it meanwhile."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TextIO

import anyio.to_thread
import pytest
from machine import Opened, needs_root
from matrix import fault
from support import Tree

from treeledger.errors import RootOffline
from treeledger.ledger import Ledger
from treeledger.model import RecordState
from treeledger.protocols import FileQuery

pytestmark = pytest.mark.anyio
NOBODY = 65534
OUTSIDE = "this is outside, and longer than anything inside"
_SWAP = """
import os, sys, time
os.chdir(sys.argv[1])
os.setgid(65534); os.setuid(65534)
ours, link = sys.argv[2:]
while True:
    print("so far", flush=True)
    for _ in range(1000):
        os.rename(ours, "aside"); os.rename(link, ours); os.rename(ours, link); os.rename("aside", ours)
"""


@contextmanager
def swapping(folder: Path, ours: str, link: str) -> Iterator[TextIO]:
    """The owner of a folder puts a symlink in the place of one of its entries, and back, as fast as it goes.

    Each 1,000 times are a line.
    """
    process = subprocess.Popen(
        [sys.executable, "-c", _SWAP, folder, ours, link], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "so far\n"
        yield process.stdout
        assert process.poll() is None, "it stopped swapping"
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


_INSTALLED = """
import sys
if __name__ == "__main__":
    from treeledger.cli.main import main
    sys.exit(main())
"""


@pytest.mark.parametrize("stolen", ["multiprocessing", "treeledger", "os", "resource"])
@fault(
    "the working folder is a tree with files named like Python's own modules",
    "none of them is run, not by worker processes either",
)
def test_modules_in_the_working_folder(tmp_path: Path, stolen: str) -> None:
    tree, run = tmp_path / "tree", tmp_path / "run"
    (tree / "many").mkdir(parents=True)
    for number in range(400):  # enough for processes
        (tree / f"many/{number}").write_text(str(number))
    (tree / f"{stolen}.py").write_text(f"open({str(run)!r}, 'w')")
    (tmp_path / "bin").mkdir()
    script = tmp_path / "bin/treeledger"  # as it is installed: it begins with the folder of the script
    script.write_text(_INSTALLED)
    store = f"sqlite:{tmp_path}/state/ledger.db"
    done = subprocess.run(
        [sys.executable, script, "scan", ".", "--store", store],
        cwd=tree,
        env=os.environ | {"XDG_CONFIG_HOME": str(tmp_path), "XDG_STATE_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, "hashed=401" in done.stdout) == (0, True), done
    assert not run.exists()


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A folder of root's, with names that are in the tree, too."""
    folder = tmp_path / "outside"
    (folder / "deep/er").mkdir(parents=True)
    for name in ("file", "deep/file", "deep/er/file", ".treeledgerignore"):
        (folder / name).write_text(OUTSIDE)
    return folder


@pytest.fixture
def hostile(tmp_path: Path, outside: Path) -> Path:
    """A tree that belongs to somebody else, with a symlink to the outside."""
    needs_root()
    root = tmp_path / "home/tree"
    (root / "a/deep/er").mkdir(parents=True)
    for name in ("file", "a/file", "a/deep/file", "a/deep/er/file"):
        (root / name).write_text("inside")
    (root / "a/.treeledgerignore").write_text("*.no\n")
    (root / "link").symlink_to(outside)
    (tmp_path / "home/link").symlink_to(outside)
    for path in (tmp_path / "home", *(tmp_path / "home").rglob("*")):
        os.chown(path, NOBODY, NOBODY, follow_symlinks=False)
    return root


@asynccontextmanager
async def kept(root: Path, tmp_path: Path) -> AsyncIterator[Tree]:
    """The tree under care of root."""
    async with Ledger.open(store=f"sqlite:{tmp_path}/state/ledger.db", environ={}) as ledger:
        tree = Tree(root, ledger)
        tree.repository = await ledger.add_repository(root)
        yield tree


async def recorded_outside(tree: Tree) -> list[str]:
    """The paths that ever had the size of what is outside."""
    sizes = [entry.path for entry in await tree.journal() if entry.stat.size == len(OUTSIDE)]
    states = tuple(RecordState)
    query = FileQuery(tree.repository.id, states=states)
    return sizes + [one.path async for one in tree.ledger.files(query) if one.stat.size == len(OUTSIDE)]


@pytest.mark.root
@fault(
    "the tree's owner swaps folders for symlinks to the outside at full speed during scans",
    "nothing outside is opened or recorded",
)
@pytest.mark.parametrize(
    ("above", "ours"), [("", "a"), ("a", "deep"), ("a", ".treeledgerignore"), ("a", "file"), ("..", "tree")]
)
async def test_swapped_for_symlinks(
    tmp_path: Path, hostile: Path, outside: Path, above: str, ours: str
) -> None:
    folder = hostile / above
    target = outside / ours if ours in ("deep", "file", ".treeledgerignore") else outside
    (folder / "way out").symlink_to(target)
    async with kept(hostile, tmp_path) as tree:
        with Opened(outside, outside / "deep", outside / "file", outside / ".treeledgerignore") as opened:
            with swapping(folder, ours, "way out"):
                for _ in range(10):
                    try:
                        await tree.ledger.scan(tree.repository, rehash=True, wait=False)
                    except* RootOffline:
                        pass
            assert opened.names() == []
        assert await recorded_outside(tree) == []


@pytest.mark.root
@fault(
    "the tree's owner swaps folders for symlinks to the outside at full speed under watch",
    "no folder outside is listed or watched, nothing of it recorded",
)
async def test_swapped_for_symlinks_under_watch(tmp_path: Path, hostile: Path, outside: Path) -> None:
    (hostile / "way out").symlink_to(outside)
    async with kept(hostile, tmp_path) as tree:
        with Opened(outside, outside / "deep", outside / "file", outside / ".treeledgerignore") as opened:
            async with tree.watched():
                with swapping(hostile, "a", "way out") as rounds:
                    for _ in range(10):
                        await anyio.to_thread.run_sync(rounds.readline)
                (hostile / "end").write_text("end")
                await tree.until_present("end")
            assert opened.names() == []
        assert await recorded_outside(tree) == []
