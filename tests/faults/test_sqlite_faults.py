"""SQLite: a ledger file that is locked, full, read-only, left behind, damaged, gone or another one."""

# ruff: noqa: ASYNC221, ASYNC230, ASYNC240 - what is done to the machine is done at once

from __future__ import annotations

import logging
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import anyio
import pytest
from executable import Executable
from machine import fill, mounted, needs_root
from matrix import fault
from support import WITHIN, Tree, tree_on, until

from treeledger.engine.hub import RepositoryState
from treeledger.errors import StoreVersionError
from treeledger.migrations import Scripted, scripts
from treeledger.plugins.sqlite.store import SqliteStore

DEGRADED, WATCHING = RepositoryState.DEGRADED, RepositoryState.WATCHING
LATER = Scripted(max(scripts("sqlite")).version + 1, "notes", "CREATE TABLE notes (text text);\n")


@pytest.fixture(autouse=True)
def no_traceback(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Whatever happens, nobody is shown a traceback, and nothing fails that was not foreseen."""
    yield
    shown = [record for record in caplog.records if record.exc_info or record.levelno >= logging.ERROR]
    assert shown == []


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    return tmp_path / "state" / "ledger.db"


@pytest.fixture
async def tree(tmp_path: Path, ledger: Path) -> AsyncIterator[Tree]:
    async with tree_on(tmp_path / "tree", f"sqlite:{ledger}") as tree:
        yield tree


def grow(tree: Tree, files: int) -> None:
    for number in range(files):
        tree.write(f"d{number % 7}/{number}", f"content {number}")


@contextmanager
def _holding(ledger: Path, *statements: str) -> Iterator[None]:
    """Another program in the middle of something."""
    with closing(sqlite3.connect(ledger, isolation_level=None)) as other:
        for statement in statements:
            other.execute(statement).fetchone()
        yield


@fault(
    "another program has the ledger locked during a burst", "said so, hearing goes on, all is written then"
)
@pytest.mark.anyio
@pytest.mark.parametrize("lock", ["IMMEDIATE", "EXCLUSIVE"])
async def test_locked_in_a_burst(
    tree: Tree, ledger: Path, lock: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("treeledger.plugins.sqlite.session._PATIENCE", 0.5)
    async with tree.watched():
        with _holding(ledger, f"BEGIN {lock}"):
            grow(tree, 200)
            await tree.until_told(DEGRADED, "locked by another program")
        await tree.until_equal()
        await tree.until_told(WATCHING)
    await tree.check_sound()


@fault("another program has the ledger locked during a scan", "the scan waits, goes on and ends complete")
@pytest.mark.anyio
async def test_locked_in_a_scan(tree: Tree, ledger: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("treeledger.plugins.sqlite.session._PATIENCE", 0.2)
    grow(tree, 300)
    waiting = anyio.Event()
    monkeypatch.setattr("treeledger.engine.patience.log.warning", lambda *_: waiting.set())

    async def scan() -> None:
        operation = await tree.ledger.scan(tree.repository)
        assert operation.counts.files_added == 300

    async with anyio.create_task_group() as tasks:
        with _holding(ledger, "BEGIN IMMEDIATE"):
            tasks.start_soon(scan)
            with anyio.fail_after(WITHIN):
                await waiting.wait()
    await tree.check_sound()


@fault("a reader holds an old snapshot for long", "writing goes on; the log is taken in once it lets go")
@pytest.mark.anyio
async def test_old_snapshot(tree: Tree, ledger: Path) -> None:
    async with tree.watched():
        with _holding(ledger, "BEGIN", "SELECT * FROM repositories"):
            grow(tree, 1000)
            await tree.until_equal()
            assert await _left_in_log(ledger) > 0

        async def is_taken_in() -> bool:
            return await _left_in_log(ledger) == 0

        await until(is_taken_in, "the log taken in")
    await tree.check_sound()


async def _left_in_log(ledger: Path) -> int:
    """The pages of the log that could not be taken into the ledger, by whoever did it last."""
    left = -1

    async def is_known() -> bool:  # not while somebody else is at it
        nonlocal left
        with closing(sqlite3.connect(ledger)) as other:
            is_busy, logged, taken_in = other.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        left = logged - taken_in
        return not is_busy

    await until(is_known, "a look at the log")
    return left


@fault("the disk of the ledger is full", "what is committed stays, said so; with room it goes on by itself")
@pytest.mark.root
@pytest.mark.anyio
async def test_full_disk(tmp_path: Path) -> None:
    with mounted(tmp_path / "disk", size="4m") as disk:
        async with tree_on(tmp_path / "tree", f"sqlite:{disk}/ledger.db") as tree:
            async with tree.watched():
                tree.write("before")
                await tree.until_present("before")
                fill(disk / "ballast")
                grow(tree, 1000)
                await tree.until_told(DEGRADED, "disk is full")
                assert list(await tree.present())
                (disk / "ballast").unlink()
                await tree.until_equal()
                await tree.until_told(WATCHING)
            await tree.check_sound()


@fault(
    "the ledger file is deleted under a running engine",
    "said so, nothing written elsewhere; put back, it goes on",
)
@pytest.mark.anyio
async def test_deleted(tree: Tree, ledger: Path, tmp_path: Path) -> None:
    async with tree.watched():
        aside = tmp_path / "aside.db"
        ledger.rename(aside)
        tree.write("meanwhile")
        await tree.until_told(DEGRADED, "was removed")
        assert not ledger.exists()
        aside.rename(ledger)
        await tree.until_present("meanwhile")
    await tree.check_sound()


@fault("the ledger file is replaced under a running engine", "said so; neither file is written")
@pytest.mark.anyio
async def test_replaced(tree: Tree, ledger: Path, tmp_path: Path) -> None:
    copy, aside = tmp_path / "copy.db", tmp_path / "aside.db"
    async with tree.watched():
        await tree.ledger.store.backup(str(copy))
        ledger.rename(aside)
        shutil.copy(copy, ledger)
        tree.write("meanwhile")
        await tree.until_told(DEGRADED, "is another file now")
        assert ledger.read_bytes() == copy.read_bytes()
        ledger.unlink()
        aside.rename(ledger)
        await tree.until_present("meanwhile")
    await tree.check_sound()


@fault(
    "the ledger's file system is unmounted under a running engine",
    "said so; no second ledger below the mount point",
)
@pytest.mark.root
@pytest.mark.anyio
async def test_unmounted(tmp_path: Path) -> None:
    with mounted(tmp_path / "disk") as disk:
        async with tree_on(tmp_path / "tree", f"sqlite:{disk}/ledger.db") as tree, tree.watched():
            subprocess.run(["umount", "--lazy", disk], check=True)
            tree.write("meanwhile")
            await tree.until_told(DEGRADED, "was removed, or its disk unmounted")
            assert list(disk.iterdir()) == []


@fault("the ledger is damaged in the middle", "exit code 4 and what to do; the file stays as it is")
def test_damaged(tmp_path: Path) -> None:
    program = _scanned(tmp_path)
    with open(program.ledger, "r+b") as file:
        file.seek(8192)
        file.write(os.urandom(os.path.getsize(program.ledger) - 8192))
    before = program.ledger.read_bytes()
    for command in (("status",), ("scan", "tree"), ("files",), ("watch", "tree")):
        assert "restore a backup" in program(*command, code=4).err
    assert program.ledger.read_bytes() == before


@fault("the ledger is cut off", "exit code 4 and what to do")
@pytest.mark.parametrize("size", [100, 20_000])
def test_truncated(tmp_path: Path, size: int) -> None:
    program = _scanned(tmp_path)
    os.truncate(program.ledger, size)
    for command in (("status",), ("scan", "tree"), ("watch", "tree")):
        said = program(*command, code=4).err
        assert "restore a backup" in said or "not a ledger" in said


def _scanned(home: Path) -> Executable:
    program = Executable(home)
    (home / "tree").mkdir()
    for number in range(50):
        (home / f"tree/{number}").write_text(str(number))
    program("scan", "tree")
    return program


@fault(
    "the ledger is damaged under a running engine",
    "said so, and the program does not go on as if nothing was",
)
@pytest.mark.anyio
async def test_damaged_under_way(tmp_path: Path) -> None:
    program = _scanned(tmp_path)
    with program.started("watch", "tree") as running:
        running.until("watching, ")
        with open(program.ledger, "r+b") as file:
            file.write(b"\0" * 65536)
        os.truncate(f"{program.ledger}-wal", 0)
        (tmp_path / "tree/new").write_text("new")
        running.until("restore a backup|not a ledger")


@fault("the ledger, or its folder, may only be read", "reading works; writing: exit code 4 at once, and why")
@pytest.mark.root
@pytest.mark.parametrize("what", ["file", "folder"])
def test_read_only(tmp_path: Path, what: str) -> None:
    needs_root()
    program = _scanned(tmp_path)
    path = program.ledger if what == "file" else program.ledger.parent
    path.chmod(0o400 if what == "file" else 0o500)
    (tmp_path / "tree/new").write_text("new")
    try:
        said = program("scan", "tree", code=4, without_roots_rights=True).err
        assert "permissions" in said
        if what == "file":
            assert program("status", "--json", without_roots_rights=True).json[0]["files"] == 50
    finally:
        path.chmod(0o600 if what == "file" else 0o700)
    program("scan", "tree")


@fault("kill -9 leaves a log behind", "the next open takes it in, also one that only reads")
@pytest.mark.parametrize("command", ["status", "scan"])
def test_log_left_behind(tmp_path: Path, command: str) -> None:
    program = _scanned(tmp_path)
    with program.started("watch", "tree") as running:
        running.until("watching, ")
        (tmp_path / "tree/last").write_text("last")
        running.until("last")
        running.signal(signal.SIGKILL, group=True)
        running.process.wait()
    assert Path(f"{program.ledger}-wal").stat().st_size > 0
    if command == "scan":
        assert "scanned=51 added=0" in program("scan", "tree").text
    [status] = program("status", "--json").json
    assert status["files"] == 51


@fault(
    "the ledger was written by a newer program, or is older and may not be migrated",
    "refused, nothing is changed",
)
@pytest.mark.anyio
async def test_of_another_version(ledger: Path) -> None:
    await _opened(SqliteStore(ledger))
    newer = [*scripts("sqlite"), LATER]
    with pytest.raises(StoreVersionError, match="auto_migrate"):
        await _opened(SqliteStore(ledger, newer, may_migrate=False))
    await _opened(SqliteStore(ledger, newer))
    with pytest.raises(StoreVersionError, match="newer"):
        await _opened(SqliteStore(ledger))


async def _opened(store: SqliteStore) -> None:
    try:
        await store.open()
    finally:
        await store.aclose()


@fault("many processes open a new ledger at once", "one makes it, all have it")
def test_many_open_at_once(tmp_path: Path) -> None:
    program = Executable(tmp_path)
    command = [sys.executable, "-m", "treeledger", "status"]
    processes = [
        subprocess.Popen(
            command, cwd=tmp_path, env=program.environ(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        for _ in range(8)
    ]
    for process in processes:
        _, said = process.communicate(timeout=60)
        assert process.returncode == 0, said.decode()
    assert list(program.ledger.parent.glob("*.backup-*")) == []
