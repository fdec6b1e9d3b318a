"""Event sources: what a source cannot hear, it says; limits of the system and dying threads."""

from __future__ import annotations

import ctypes
import errno
import os
import threading
from contextlib import suppress
from pathlib import Path

import anyio
import anyio.to_thread
import pytest
from machine import limit, watches_held
from matrix import fault

from treeledger.model import Observation
from treeledger.plugins.watchdog_source import WatchdogSource
from treeledger.plugins.watchdog_source.reader import Reader
from treeledger.plugins.watchdog_source.tree import WatchedTree
from treeledger.testing.sources import PATIENCE, Follower

pytestmark = pytest.mark.anyio


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "tree"
    for number in range(10):
        for name in ("a", "b"):
            (root / f"{number}/{name}").mkdir(parents=True)
    return root


@fault(
    "the source finds no watch for a part of the folders", "it names them and the limit, and hears all others"
)
@pytest.mark.root
@pytest.mark.machine
async def test_directories_above_the_watch_limit_are_named(root: Path) -> None:
    for number in range(500):  # many, for other processes take and give back watches meanwhile
        (root / f"9/a/{number}").mkdir()
    with limit("max_user_watches", watches_held() + 100):
        async with WatchdogSource().watch(str(root), ()) as watch:
            health = watch.health()
            assert health.watches < health.needed == 531
            assert health.limit is not None
            assert health.degraded is not None
            assert "fs.inotify.max_user_watches" in health.degraded
            assert health.unwatched
            await _hears_all_but(Follower(watch, root), health.unwatched)


async def _hears_all_but(follower: Follower, unwatched: tuple[str, ...]) -> None:
    root = follower.root
    for folder in sorted(path for path in root.rglob("*") if path.is_dir()):
        path = str(folder.relative_to(root))
        if not any(path == gap or path.startswith(gap + "/") for gap in unwatched):
            (folder / "file").write_bytes(b"")
            await follower.until_heard(f"{path}/file")


@pytest.mark.root
@pytest.mark.machine
async def test_a_directory_that_finds_no_watch_at_run_time_is_named_and_heard_once_it_can(root: Path) -> None:
    async with WatchdogSource(retry_after=0.05).watch(str(root), ()) as watch:
        follower = Follower(watch, root)
        with limit("max_user_watches", 0):
            (root / "new/deep").mkdir(parents=True)
            assert (await follower.until_heard("new")).subtree
            health = watch.health()
            assert health.unwatched == ("new",)
            assert health.degraded is not None
            assert health.needed > health.watches
            (root / "new/deep/file").write_bytes(b"not heard")
        await follower.until_true()
        assert watch.health().degraded is None
        (root / "new/deep/later").write_bytes(b"heard")
        await follower.until_heard("new/deep/later")


@fault("the source finds no watch at all", "the whole tree is named as unwatched")
@pytest.mark.root
@pytest.mark.machine
async def test_a_root_that_finds_no_watch_is_all_unwatched(root: Path) -> None:
    with limit("max_user_watches", 0):
        async with WatchdogSource().watch(str(root), ()) as watch:
            health = watch.health()
            assert (health.watches, health.needed, health.unwatched) == (0, 31, ("",))


@pytest.mark.root
@pytest.mark.machine
async def test_an_overflow_of_the_queue_makes_the_root_dirty(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on, heard = threading.Event(), Reader._heard

    def held_up(reader: Reader, tree: WatchedTree, events: bytes) -> None:
        go_on.wait(PATIENCE)
        heard(reader, tree, events)

    def burst() -> None:
        for number in range(100):
            (root / f"0/a/{number}").write_bytes(b"")
        (root / "made/unheard").mkdir(parents=True)
        (root / "9").rename(root.parent / "moved out unheard")
        go_on.set()

    monkeypatch.setattr(Reader, "_heard", held_up)
    with limit("max_queued_events", 8):
        async with WatchdogSource().watch(str(root), ()) as watch:
            follower = Follower(watch, root)
            await anyio.to_thread.run_sync(burst)
            assert await follower.until_heard("") == Observation("", subtree=True, at_once=True)
            await _until_all_is_heard_again(follower, "made/unheard/later", watches=30)
            health = watch.health()
            assert (health.needed, health.degraded) == (30, None)
            assert health.overflows >= 1


async def _until_all_is_heard_again(follower: Follower, path: str, *, watches: int) -> None:
    """Follows one write after another until the reader has come through every overflow."""
    file, heard = follower.root / path, False
    with anyio.fail_after(PATIENCE):
        while not heard or follower.watch.health().watches != watches:
            file.unlink(missing_ok=True)
            file.write_bytes(b"")
            await follower.until_true()
            heard = any(observation.path == path for observation in follower.heard)


async def test_a_reader_that_dies_ends_the_stream_with_an_error(root: Path) -> None:
    async with WatchdogSource().watch(str(root), ()) as watch:
        follower = Follower(watch, root)
        (reader,) = (thread for thread in threading.enumerate() if isinstance(thread, Reader))
        assert reader.ident is not None
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(reader.ident), ctypes.py_object(SystemExit))
        (root / "0/wakes it").write_bytes(b"")
        with pytest.raises(OSError, match="died: SystemExit"):
            await follower.until(lambda: False)
        assert follower.heard[-1] == Observation("", subtree=True, at_once=True)


async def test_a_tree_that_cannot_be_walked_any_more_ends_the_stream(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ValueError("a mistake")

    async with WatchdogSource().watch(str(root), ()) as watch:
        monkeypatch.setattr(WatchedTree, "_arm", broken)
        (root / "new").mkdir()
        with pytest.raises(OSError, match="a mistake"):
            await Follower(watch, root).until(lambda: False)


@pytest.mark.root
@pytest.mark.machine
async def test_no_free_inotify_instance_is_an_error_that_says_what_to_do(root: Path) -> None:
    with limit("max_user_instances", 0), pytest.raises(OSError, match="max_user_instances") as raised:
        async with WatchdogSource().watch(str(root), ()):
            pass
    assert raised.value.errno == errno.EMFILE


@fault("watching is stopped while a large tree is armed", "no thread and no descriptor is left")
async def test_a_watch_that_is_left_while_it_arms_leaves_no_thread_behind(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arming, before = threading.Event(), _descriptors()

    def endless(tree: WatchedTree, path: str) -> None:
        arming.set()
        while True:
            tree.breathe()

    monkeypatch.setattr(WatchedTree, "arm", endless)
    with anyio.fail_after(PATIENCE):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_watch_for_ever, root)
            await anyio.to_thread.run_sync(arming.wait)
            tasks.cancel_scope.cancel()
    assert not [thread for thread in threading.enumerate() if isinstance(thread, Reader)]
    assert _descriptors() <= before  # what others left open may be closed by now


def _descriptors() -> set[tuple[str, str]]:
    """The open descriptors of this process, each with what it is of."""
    folder, found = Path("/proc/self/fd"), set()
    for name in os.listdir(folder):
        with suppress(FileNotFoundError):  # the one that lists them
            found.add((name, os.readlink(folder / name)))
    return found


async def _watch_for_ever(root: Path) -> None:
    async with WatchdogSource().watch(str(root), ()):
        await anyio.sleep_forever()
