"""Event sources: what is not heard is known, said, scanned, and heard again as soon as it can be."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import anyio
import anyio.to_thread
import pytest
from machine import limit, watches_held
from matrix import fault
from support import Tree, until
from truth import Heard, assert_in_order, until_equal

from treeledger.engine.hub import RepositoryState
from treeledger.plugins.watchdog_source import WatchdogSource
from treeledger.plugins.watchdog_source.reader import Reader

pytestmark = pytest.mark.anyio
DEGRADED, WATCHING = RepositoryState.DEGRADED, RepositoryState.WATCHING

_WRITE_MANY = """
import pathlib, sys
root, count = pathlib.Path(sys.argv[1]), int(sys.argv[2])
for number in range(count):
    if number % 200 == 0:
        folder = root / f"burst/{number // 2000}/{number}"
        folder.mkdir(parents=True)
    (folder / str(number)).write_bytes(b"%d" % number)
"""


@pytest.fixture(autouse=True)
def quiet_log(caplog: pytest.LogCaptureFixture) -> None:
    yield
    assert [record.getMessage() for record in caplog.records if record.exc_info] == []


@asynccontextmanager
async def heard(tree: Tree) -> AsyncIterator[Heard]:
    """The engine watching; left with everything in order."""
    one = Heard(tree)
    async with one.running():
        await one.until(WATCHING)
        yield one
    await assert_in_order(tree)


@fault(
    "the kernel's queue of events overflows under a burst of 20,000 files",
    "the whole tree is marked in the ledger, the loss is said, everything is recorded, then all is well",
)
@pytest.mark.root
@pytest.mark.machine
async def test_queue_overflow(tree: Tree, store_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    count = 20_000 if store_url.startswith("sqlite") else 4_000
    marked = _spy_on_marks(tree, monkeypatch)
    one = Heard(tree)
    with limit("max_queued_events", 64):
        running = one.running()
        await running.__aenter__()
        await one.until(WATCHING)
    try:
        await anyio.run_process([sys.executable, "-c", _WRITE_MANY, str(tree.root), str(count)])
        await until_equal(tree, within=60)
        assert one.has_said(DEGRADED, "overflowed")
        assert ("", "events were lost: the system's queue of them overflowed") in marked
        await until(partial(_is_clean, tree), "no mark left")
        await one.until(WATCHING)
    finally:
        await running.__aexit__(None, None, None)
    await assert_in_order(tree)


async def _is_clean(tree: Tree) -> bool:
    return not await tree.ledger.store.dirty(tree.repository.id)


def _spy_on_marks(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    marked: list[tuple[str, str]] = []
    mark_dirty = tree.ledger.store.mark_dirty

    async def mark(repository_id, prefixes):  # type: ignore[no-untyped-def]
        marked.extend(prefixes)
        await mark_dirty(repository_id, prefixes)

    monkeypatch.setattr(tree.ledger.store, "mark_dirty", mark)
    return marked


@fault(
    "the limit of watches is reached at the start, and more folders come",
    "it is said, what takes no watch is scanned at short intervals, and heard once there is room",
)
@pytest.mark.root
@pytest.mark.machine
async def test_watch_limit(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(300):
        tree.write(f"d{number % 10}/{number}/file")
    monkeypatch.setattr("treeledger.engine.subtrees.UNWATCHED_EVERY", 0.1)
    monkeypatch.setattr(WatchdogSource, "__init__", _retrying_soon)
    one = Heard(tree)
    async with one.running():
        with limit("max_user_watches", watches_held() + 50):
            await one.until(DEGRADED, "max_user_watches")
            await one.until(DEGRADED, "they are scanned every")
            await until_equal(tree)
            for number in range(0, 300, 20):
                tree.write(f"d{number % 10}/{number}/unheard", str(number))
            tree.write("new/deep/file")
            await until_equal(tree)
        await one.until(WATCHING)
        tree.write("new/deep/heard")
        tree.write("d9/299/heard")
        await until_equal(tree)
    await assert_in_order(tree)


def _retrying_soon(source: WatchdogSource) -> None:
    source._retry_after, source._waiting = 0.1, 50_000


@fault(
    "a tree at the limit of watches is written to without a pause",
    "folders without a watch are tried again nevertheless",
)
@pytest.mark.root
@pytest.mark.machine
async def test_gaps_are_filled_while_events_never_cease(tmp_path: Path) -> None:
    (tmp_path / "busy").mkdir()
    async with WatchdogSource(retry_after=0.05).watch(str(tmp_path), ()) as watch:
        with _writing(tmp_path / "busy/file"):
            with limit("max_user_watches", 0):
                (tmp_path / "new").mkdir()
                await until(_async(lambda: watch.health().degraded), "a folder without a watch")
            await until(_async(lambda: watch.health().degraded is None), "a watch for it")


def _async(condition):  # type: ignore[no-untyped-def]
    async def ask() -> bool:
        return bool(condition())

    return ask


class _writing:
    """A process that writes a file without a pause."""

    def __init__(self, file: Path) -> None:
        self._command = ["sh", "-c", 'while :; do echo x > "$0"; done', str(file)]

    def __enter__(self) -> None:
        self._process = subprocess.Popen(self._command)

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()


@fault(
    "no inotify instance is free",
    "the repository is degraded and says what to raise, is scanned meanwhile, and heard once one is free",
)
@pytest.mark.root
@pytest.mark.machine
async def test_no_free_instance(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("treeledger.engine.watching._BETTER_EVERY", 0.2)
    tree.write("before")
    one = Heard(tree)
    with limit("max_user_instances", 0):
        running = one.running()
        await running.__aenter__()
        await one.until(DEGRADED, "max_user_instances")
        assert "by polling" in one.keeper.message
        await until_equal(tree)
    try:
        await one.until(WATCHING)
        assert one.reader().is_alive()
        tree.write("after")
        await until_equal(tree)
    finally:
        await running.__aexit__(None, None, None)
    await assert_in_order(tree)


@fault(
    "no inotify instance is free, and the configuration wants no other source",
    "the repository is degraded and says what to raise, and is watched once one is free",
)
@pytest.mark.root
@pytest.mark.machine
async def test_no_free_instance_and_no_other_source(tmp_path: Path, store_url: str) -> None:
    from treeledger.ledger import Ledger

    root = tmp_path / "tree"
    root.mkdir()
    async with Ledger.open(store=store_url, environ={**os.environ, "TREELEDGER_CONFIG": ""}) as ledger:
        tree = Tree(root, ledger)
        tree.repository = await ledger.add_repository(root, settings={"file_watcher": {"source": "watchdog"}})
        one = Heard(tree)
        with limit("max_user_instances", 0):
            running = one.running()
            await running.__aenter__()
            await one.until(DEGRADED, "max_user_instances")
        try:
            await one.until(WATCHING)
            tree.write("after")
            await until_equal(tree)
        finally:
            await running.__aexit__(None, None, None)


def _die(one: Heard) -> None:
    ident = ctypes.c_ulong(one.reader().ident or 0)
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ident, ctypes.py_object(SystemExit))


def _close(one: Heard) -> None:
    """As when a mistake elsewhere closes it, and another file takes its number."""
    with open(os.devnull, "rb") as other:
        os.dup2(other.fileno(), one.reader()._inotify_fd)


@fault(
    "the thread of the event source is killed, or its descriptor is closed under it",
    "the repository is degraded, a new source is armed, and what changed meanwhile is found",
)
@pytest.mark.parametrize("harm", [_die, _close], ids=["killed", "closed"])
async def test_the_source_dies(tree: Tree, harm, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    tree.write("before")
    async with heard(tree) as one:
        first = one.reader()
        tree.write("a/b/heard")
        await until_equal(tree)
        harm(one)
        for number in range(20):
            tree.write(f"a/{number}/meanwhile", str(number))
        await one.until(DEGRADED, "starting again")
        (tree.root / "before").unlink()
        await one.until(WATCHING)
        assert one.reader() is not first
        await until_equal(tree)
        tree.write("a/b/after")
        await until_equal(tree)


@fault(
    "a watch is removed under the source, of a folder or of the root",
    "the folder is watched again and scanned; for the root all starts again",
)
@pytest.mark.parametrize("path", ["a", "a/b", ""])
async def test_a_watch_is_removed(tree: Tree, path: str) -> None:
    tree.write("a/b/before")
    async with heard(tree) as one:
        reader = one.reader()
        assert reader._tree is not None
        directory = reader._tree.directories.at(path)
        assert directory is not None
        ctypes.CDLL(None).inotify_rm_watch(reader._inotify_fd, directory.wd)
        tree.write(f"{path}/unheard".strip("/"))
        await until_equal(tree)
        await one.until(WATCHING)
        for number in range(5):
            tree.write(f"a/b/{number}")
        await until_equal(tree)
        assert reader.is_alive() == bool(path)


@fault(
    "a mistake in the source's own thread",
    "the stream ends with an error, a new source is armed, nothing is lost",
)
async def test_a_mistake_in_the_source(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    heard_by = Reader._heard

    def broken(reader: Reader, *arguments: object) -> None:
        monkeypatch.setattr(Reader, "_heard", heard_by)
        raise ValueError("a mistake")

    async with heard(tree) as one:
        monkeypatch.setattr(Reader, "_heard", broken)
        tree.write("lost with it")
        await one.until(DEGRADED, "a mistake")
        await one.until(WATCHING)
        await until_equal(tree)
