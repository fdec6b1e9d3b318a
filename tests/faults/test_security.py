"""Security: what the owner of a tree, who is nobody's friend, puts into it or does to it meanwhile."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from itertools import product
from pathlib import Path
from typing import TextIO

import anyio
import anyio.to_thread
import pytest
from machine import Opened, needs_root
from matrix import fault
from support import Tree

from treeledger.config.configuration import load
from treeledger.errors import ConfigurationError, RootOffline, StoreError
from treeledger.ledger import Ledger
from treeledger.model import RecordState
from treeledger.plugin_manager import PluginManager
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
                    for _ in range(3):
                        await anyio.to_thread.run_sync(rounds.readline)
                (hostile / "end").write_text("end")
                await tree.until_present("end")
            assert opened.names() == []
        assert await recorded_outside(tree) == []


# --- the ledger's own files ----------------------------------------------------------------------


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
@fault("a ledger is made, copied and migrated under an open umask", "folders are 0700, files 0600")
def test_modes(tmp_path: Path, umask: int) -> None:
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree/file").write_text("x")
    ledger = tmp_path / "home/state/deep/ledger.db"
    backup = tmp_path / "home/backup.db"
    program = f"""
import os, sys; os.umask({umask})
from treeledger.cli.main import main
import treeledger.plugins.sqlite.store as store
from pathlib import Path
store_url = "sqlite:{ledger}"
assert main(["scan", "{tmp_path}/tree", "--store", store_url]) == 0
assert main(["store", "backup", "{backup}", "--store", store_url]) == 0
store._copy(Path("{ledger}"), Path("{ledger}.backup-1-now"))
import sqlite3
with sqlite3.connect("{ledger}") as connection:
    connection.execute("PRAGMA journal_mode").fetchall()
    connection.execute("BEGIN IMMEDIATE")
    for path in [*Path("{tmp_path}/home").rglob("*"), Path("{tmp_path}/home")]:
        print(f"{{path.stat().st_mode & 0o777:o}} {{path.name}}")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    modes = dict(reversed(line.split()) for line in done.stdout.splitlines() if line[:3].isdigit())
    folders = {"home", "state", "deep"}
    assert {"ledger.db", "ledger.db-wal", "ledger.db-shm", "ledger.db.lock", "backup.db"} <= modes.keys()
    assert modes == {name: "700" if name in folders else "600" for name in modes}


def _stranger(tmp_path: Path, kind: str) -> Path:
    """A place for a ledger that somebody else has prepared in a folder like /tmp."""
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o1777)
    ledger = shared / "ledger.db"
    victim = tmp_path / "victim"
    victim.write_text("precious")
    if kind == "a symlink":
        ledger.symlink_to(victim)
    elif kind == "a dangling symlink":
        ledger.symlink_to(tmp_path / "made")
    elif kind == "a file":
        ledger.write_text("")
    elif kind == "a folder":
        (shared / "state").mkdir(mode=0o755)
        ledger = shared / "state/ledger.db"
    elif kind == "an open folder":
        (shared / "state").mkdir()
        (shared / "state").chmod(0o777)
        return shared / "state/ledger.db"
    for path in shared.iterdir():
        os.chown(path, NOBODY, NOBODY, follow_symlinks=False)
    return ledger


@pytest.mark.root
@pytest.mark.parametrize("kind", ["a symlink", "a dangling symlink", "a file", "a folder", "an open folder"])
@fault(
    "another user planted a symlink, a file or a folder where the ledger would be made",
    "it is refused with what is wrong, and nothing is opened or written",
)
async def test_planted_ledgers(tmp_path: Path, kind: str) -> None:
    needs_root()
    ledger = _stranger(tmp_path, kind)
    with pytest.raises(StoreError, match=r"is not safe here: .* (belongs to user 65534|can be written)"):
        async with Ledger.open(store=f"sqlite:{ledger}", environ={}):
            pass
    assert (tmp_path / "victim").read_text() == "precious"
    assert not (tmp_path / "made").exists()
    assert not ledger.with_name("ledger.db.lock").exists()


@pytest.mark.root
@fault("a lock file is a symlink that somebody planted", "nothing is written through it")
async def test_planted_lock(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.db"
    (tmp_path / "victim").write_text("precious")
    (tmp_path / "ledger.db.lock").symlink_to(tmp_path / "victim")
    (tmp_path / "tree").mkdir()
    async with Ledger.open(store=f"sqlite:{ledger}", environ={}) as opened:
        repository = await opened.add_repository(tmp_path / "tree")
        with pytest.raises(OSError, match="symbolic links"):
            await opened.scan(repository)
    assert (tmp_path / "victim").read_text() == "precious"


# --- what runs code ------------------------------------------------------------------------------


@pytest.mark.root
@pytest.mark.parametrize(
    ("thing", "how"),
    [
        *product(["plugins.toml", "own.py", "plugin_dirs", "above"], ["owner", "group", "others"]),
        ("link", "owner"),  # it has no mode
    ],
)
@fault(
    "a configuration or plugin file, a folder or symlink on the way to it, is somebody else's",
    "it is not read, and the error says whose it is",
)
def test_code_of_others(tmp_path: Path, thing: str, how: str) -> None:
    needs_root()
    folder = tmp_path / "above/etc"
    (folder / "dir").mkdir(parents=True)
    ran = tmp_path / "ran"
    hostile, well = folder / "own.py", folder / "dir/more.py"
    if thing == "plugin_dirs":
        hostile, well = well, hostile
    hostile.write_text(f"import os; os.mkdir({str(ran)!r})")
    well.write_text("")
    text = f"plugin_dirs = ['{folder}/dir']\n[plugins.own]\nfile = '{folder}/own.py'\n"
    (folder / "plugins.toml").write_text(text)
    (tmp_path / "link").symlink_to(folder / "plugins.toml")
    places = {"plugin_dirs": folder / "dir", "above": tmp_path / "above", "link": tmp_path / "link"}
    path = places.get(thing, folder / thing)
    if how == "owner":
        os.chown(path, NOBODY, NOBODY, follow_symlinks=False)
    else:
        path.chmod(path.stat().st_mode | (0o020 if how == "group" else 0o002))
    with pytest.raises(ConfigurationError, match=r"belongs to user 65534|can be written by others"):
        PluginManager(load(tmp_path / "link", {})).load()
    assert not ran.exists()


# --- trees that cost too much --------------------------------------------------------------------


async def _scanned(root: Path, tmp_path: Path) -> tuple[int, list[str]]:
    """How many files were recorded, and the codes of the problems, once a scan is through."""
    async with kept(root, tmp_path) as tree:
        with anyio.fail_after(60):
            await tree.ledger.scan(tree.repository)
        problems = await tree.ledger.store.problems(tree.repository.id, notes=True, limit=100)
        return len(await tree.present()), sorted({one.problem.code.value for one in problems})


@pytest.mark.parametrize("kind", ["a symlink", "a FIFO", "100 MB", "catastrophic", "many", "binary"])
@fault(
    "an ignore file is a symlink to the outside, a FIFO, huge, catastrophic or no text",
    "the scan ends, nothing outside is read, what cannot be used is a problem",
)
async def test_hostile_ignore_files(tmp_path: Path, outside: Path, kind: str) -> None:
    root = tmp_path / "tree"
    root.mkdir()
    for name in ("file", "a" * 200):
        (root / name).write_text(name)
    ignore = root / ".treeledgerignore"
    expected: list[str] = []
    if kind == "a symlink":
        ignore.symlink_to(outside / ".treeledgerignore")
        expected = ["unreadable"]
    elif kind == "a FIFO":
        os.mkfifo(ignore)
        expected = ["unreadable"]
    elif kind == "100 MB":
        with ignore.open("wb") as file:
            file.truncate(100_000_000)
        expected = ["unreadable"]
    elif kind == "catastrophic":
        ignore.write_text("*a" * 100 + "b\n" + "**/a*a*a*a*a*a*a*a*a*a*a*a*a*b\n" * 50)
    elif kind == "many":
        ignore.write_text("".join(f"*{number}*a*a*a*b\n" for number in range(50_000)))
        expected = ["bad_ignore_rule"]
    else:
        ignore.write_bytes(bytes(range(256)) * 100)
    with Opened(outside / ".treeledgerignore") as opened:
        files, codes = await _scanned(root, tmp_path)
        assert opened.names() == []
    assert files >= 1
    assert set(expected) <= set(codes)


@fault("folders are nested 2,500 deep", "the scan ends; what is too deep for a path is a problem")
async def test_deep_nesting(tmp_path: Path) -> None:
    root = tmp_path / "tree"
    root.mkdir()
    (root / "file").write_text("x")
    descriptor = os.open(root, os.O_RDONLY)
    for _ in range(2500):
        os.mkdir("d", dir_fd=descriptor)
        below = os.open("d", os.O_RDONLY, dir_fd=descriptor)
        os.close(descriptor)
        descriptor = below
    os.close(os.open("deepest", os.O_CREAT | os.O_WRONLY, 0o600, dir_fd=descriptor))
    os.close(descriptor)
    files, codes = await _scanned(root, tmp_path)
    assert files + ("path_too_long" in codes) == 2
    await anyio.run_process(["rm", "-rf", root])
