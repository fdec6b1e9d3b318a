"""The `watchdog` source keeps the contract, and says of each event what it means."""

from __future__ import annotations

import asyncio
import ctypes
import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final

import anyio
import anyio.to_thread
import pytest
from hypothesis import given
from hypothesis import strategies as st
from watchdog.observers.inotify_c import inotify_init

from treeledger.errors import PluginError, RootOffline
from treeledger.model import Observation
from treeledger.names import within
from treeledger.plugins.watchdog_source import WatchdogSource
from treeledger.plugins.watchdog_source.directories import Directories, Directory
from treeledger.plugins.watchdog_source.file_systems import silent, silent_mounts
from treeledger.plugins.watchdog_source.gaps import Gap, Gaps
from treeledger.plugins.watchdog_source.inbox import EVERYTHING, MOVED, SUBTREE, WRITTEN, Inbox
from treeledger.plugins.watchdog_source.observer import ObserverSource
from treeledger.plugins.watchdog_source.renames import Renames
from treeledger.plugins.watchdog_source.tree import WatchedTree
from treeledger.plugins.watchdog_source.tree_rules import TreeRules
from treeledger.protocols import EventSource, PartRef
from treeledger.testing.sources import PATIENCE, EventSourceContract, Follower, files_in

AT_FDCWD: Final = -100
RENAME_EXCHANGE: Final = 2

paths = st.lists(st.sampled_from("abc"), max_size=4).map("/".join)


def exchange(first: Path, second: Path) -> None:
    """Swaps two names in one step, as renameat2(2) can."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.renameat2(AT_FDCWD, os.fsencode(first), AT_FDCWD, os.fsencode(second), RENAME_EXCHANGE):
        pytest.skip(f"renameat2: {os.strerror(ctypes.get_errno())}")


def kernel_watches() -> int:
    """The inotify watches that this process holds, by the kernel's own account."""
    count = 0
    for info in Path("/proc/self/fdinfo").iterdir():
        with suppress(OSError):  # of a descriptor that was closed meanwhile
            count += sum(line.startswith("inotify wd:") for line in info.read_text().splitlines())
    return count


@asynccontextmanager
async def mounted(*what: str | Path) -> AsyncIterator[Callable[[Path], object]]:
    """Something mounted, the last argument says where, and what unmounts it."""

    def unmount(_: Path) -> None:
        subprocess.run(("umount", what[-1]), capture_output=True, check=False)

    if (await anyio.run_process(("mount", *what), check=False)).returncode:
        pytest.skip("may not mount")
    try:
        yield unmount
    finally:
        await anyio.to_thread.run_sync(unmount, Path())


class TestWatchdogSource(EventSourceContract):
    @pytest.fixture
    def source(self) -> EventSource:
        return WatchdogSource()

    @pytest.mark.parametrize(
        ("change", "path", "at_once", "written"),
        [
            (lambda root: (root / "new").write_bytes(b"x"), "new", True, True),
            (lambda root: os.truncate(root / "a/file", 0), "a/file", False, True),
            (lambda root: os.link(root / "a/file", root / "link"), "link", False, True),
            (lambda root: os.chmod(root / "a/file", 0o600), "a/file", False, False),
            (lambda root: os.unlink(root / "a/file"), "a/file", True, True),
            (lambda root: os.rename(root / "a/file", root / "to"), "a/file", True, False),
            (lambda root: os.rename(root / "a/file", root / "to"), "to", True, False),
            (lambda root: os.rename(root / "a/file", root / "a/other"), "a/other", True, False),
        ],
        ids=["closed", "modified", "linked", "chmod", "deleted", "moved from", "moved to", "moved over"],
    )
    async def test_a_file_event_says_what_it_knows(
        self,
        source: EventSource,
        root: Path,
        change: Callable[[Path], object],
        path: str,
        at_once: bool,
        written: bool,
    ) -> None:
        async with self.following(source, root) as follower:
            await follower.after(change)
            await follower.all_said()  # what is written to may be heard of before it is closed
            said = await follower.until_heard(path)
        assert said == Observation(path, subtree=False, at_once=at_once, written=written)

    async def test_an_open_file_that_is_written_is_not_reported_as_closed(
        self, source: EventSource, root: Path
    ) -> None:
        async with self.following(source, root) as follower:
            descriptor = os.open(root / "a/file", os.O_WRONLY)
            os.write(descriptor, b"more")
            assert not (await follower.until_heard("a/file")).at_once
            os.close(descriptor)

    async def test_reading_makes_no_events(self, source: EventSource, root: Path) -> None:
        async with self.following(source, root) as follower:
            await follower.after(lambda root: [path.read_bytes() for path in root.rglob("file")])
            assert await follower.all_said() == []

    async def test_a_renamed_directory_is_reported_under_both_names(
        self, source: EventSource, root: Path
    ) -> None:
        async with self.following(source, root) as follower:
            await follower.after(lambda root: os.rename(root / "a", root / "z"))
            for path, source_path in (("a", None), ("z", "a")):
                said = await follower.until_heard(path)
                assert said == Observation(
                    path, subtree=True, at_once=True, written=False, source=source_path
                )
            assert follower.watch.health().watches == 3

    async def test_what_is_in_a_new_directory_is_told_file_by_file(
        self, source: EventSource, root: Path
    ) -> None:
        """So that a tree that is copied here is looked at once, and not scanned while it comes."""

        def copy(root: Path) -> None:
            for name in ("copy/b/c", "copy/empty"):
                (root / name).mkdir(parents=True)
                for number in range(20):
                    (root / name / str(number)).write_bytes(b"")

        async with self.following(source, root) as follower:
            await follower.after(copy)
            said = await follower.all_said()
            await follower.until_true()
        assert not any(one.subtree for one in said)

    async def test_a_directory_that_is_made_before_the_new_one_above_it_is_listed_is_told_file_by_file(
        self, source: EventSource, root: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        listed = WatchedTree._listed

        def late(self: WatchedTree, path: str, came: list[str] | None = None) -> list[str]:
            if path == "copy" and not (root / "copy/b").exists():
                (root / "copy/b").mkdir()
                (root / "copy/b/file").write_bytes(b"")
            return listed(self, path, came)

        async with self.following(source, root) as follower:
            monkeypatch.setattr(WatchedTree, "_listed", late)
            await follower.after(lambda root: (root / "copy").mkdir())
            await follower.until_heard("copy/b/file")
            said = await follower.all_said()
            await follower.until_true()
        assert not any(one.subtree for one in said)

    async def test_a_directory_that_was_moved_out_is_heard_no_more(
        self, source: EventSource, root: Path
    ) -> None:
        async with self.following(source, root) as follower:
            await follower.after(lambda root: os.rename(root / "a", root.parent / "gone"))
            await follower.until_heard("a")
            (root.parent / "gone/b/file").write_bytes(b"a ghost")
            assert not [one for one in await follower.all_said() if one.path.startswith("a/")]
            assert follower.watch.health().watches == kernel_watches() == 1

    async def test_removed_directories_give_their_watches_back(self, source: EventSource, root: Path) -> None:
        async with self.following(source, root) as follower:
            await follower.after(lambda root: shutil.rmtree(root / "a"))
            await follower.all_said()
            assert follower.watch.health().watches == kernel_watches() == 1

    async def test_exchanged_directories_are_both_heard_under_their_new_names(
        self, source: EventSource, root: Path
    ) -> None:
        (root / "other/c").mkdir(parents=True)
        async with self.following(source, root) as follower:
            await follower.after(lambda root: exchange(root / "a", root / "other"))
            await follower.all_said()
            for path in ("a/c/new", "other/b/new"):
                (root / path).write_bytes(b"")
                await follower.until_heard(path)
            assert follower.watch.health().watches == 5

    async def test_a_root_that_was_deleted_ends_the_stream(self, source: EventSource, root: Path) -> None:
        async with self.following(source, root) as follower:
            await follower.after(shutil.rmtree)
            with pytest.raises(OSError, match="was deleted"):
                await follower.until(lambda: False)

    async def test_an_absent_root_is_offline(self, source: EventSource, root: Path) -> None:
        with pytest.raises(RootOffline, match="No such file"):
            async with self.following(source, root / "absent"):
                pass

    async def test_a_filter_that_cannot_be_built_is_an_error_of_the_caller(
        self, source: EventSource, root: Path
    ) -> None:
        with pytest.raises(PluginError):
            async with source.watch(str(root), (PartRef("treeledger.testing.sources", "Nothing", {}),)):
                pass

    async def test_more_than_may_wait_collapses_and_nothing_is_lost(self, root: Path) -> None:
        async with self.following(WatchdogSource(waiting=50), root) as follower:
            for number in range(200):
                (root / f"a/b/{number}").write_bytes(b"")
            await follower.until_true()
            assert len(follower.heard) < 200

    async def test_health_counts_what_was_heard(self, source: EventSource, root: Path) -> None:
        async with self.following(source, root) as follower:
            assert follower.watch.health().events == 0
            await follower.all_said()
            health = follower.watch.health()
        assert health.events >= 1
        assert health.last_event is not None
        assert (health.watches, health.needed, health.degraded, health.unwatched) == (3, 3, None, ())
        assert health.limit is not None
        assert health.limit >= health.watches

    @pytest.mark.root
    async def test_what_an_unmounted_file_system_covered_is_watched(
        self, source: EventSource, root: Path
    ) -> None:
        mount = mounted("-t", "tmpfs", "tmpfs", root / "a/b")
        async with mount as unmount, self.following(source, root) as follower:
            await follower.after(unmount)
            assert (await follower.until_heard("a/b")).subtree
            (root / "a/b/file").write_bytes(b"uncovered")
            await follower.until_heard("a/b/file")

    @pytest.mark.root
    async def test_a_directory_that_is_there_twice_is_heard_under_one_path_and_the_other_is_named(
        self, source: EventSource, root: Path
    ) -> None:
        (root / "c").mkdir()
        async with mounted("--bind", root / "a", root / "c"), self.following(source, root) as follower:
            (unwatched,) = follower.watch.health().unwatched
            assert unwatched in ("a", "c")
            heard = {"a": "c", "c": "a"}[unwatched]
            (root / "a/b/new").write_bytes(b"")
            await follower.until_heard(f"{heard}/b/new")


class TestWatchedTree:
    """The tree without its reader: whatever happens here is not heard."""

    @pytest.fixture
    def tree(self, tmp_path: Path) -> Iterator[WatchedTree]:
        (tmp_path / "tree/a/b").mkdir(parents=True)
        root = str(tmp_path / "tree")
        rules = TreeRules(root, (PartRef("treeledger.testing.sources", "IgnoresByName", {}),))
        descriptor = inotify_init()
        tree = WatchedTree(descriptor, root, rules, lambda: None)
        tree.arm("")
        yield tree
        os.close(descriptor)

    def test_to_rebuild_gives_back_what_is_gone_and_takes_what_is_new(
        self, tree: WatchedTree, tmp_path: Path
    ) -> None:
        os.rename(tmp_path / "tree/a", tmp_path / "moved out")
        (tmp_path / "tree/new").mkdir()
        tree.rebuild()
        assert tree.directories.at("a/b") is None
        assert tree.directories.at("new") is not None
        assert len(tree.directories) == kernel_watches() == 2

    def test_a_new_directory_tells_what_was_in_it_unless_it_is_much_or_not_all_is_heard(
        self, tree: WatchedTree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "tree/new/sub").mkdir(parents=True)
        for number in range(90):
            (tmp_path / f"tree/new/sub/{number}").write_bytes(b"")
        assert sorted(tree.arm_new("new") or ()) == sorted(
            ["new/sub", *(f"new/sub/{number}" for number in range(90))]
        )
        mountinfo = tmp_path / "mountinfo"
        mountinfo.write_text(f"37 36 0:50 / {tmp_path}/tree/new/sub rw - nfs4 nas:/photos rw\n")
        with monkeypatch.context() as patch:
            patch.setattr("treeledger.plugins.watchdog_source.tree._MOUNTS", mountinfo)
            tree.rebuild()
            assert tree.arm_new("new") is None
        tree.rebuild()
        for number in range(20):
            (tmp_path / f"tree/new/{number}").write_bytes(b"")
        assert tree.arm_new("new") is None

    def test_another_directory_at_a_path_has_rules_of_its_own(
        self, tree: WatchedTree, tmp_path: Path
    ) -> None:
        ignore_file = tmp_path / "tree/a/.treeledgerignore"
        ignore_file.write_text("b")
        tree.rules.changed()
        assert tree.rules.ignores("a/b", True)
        ignore_file.unlink()
        gone = tree.directories.at("a")
        assert gone is not None
        tree.drop(gone)
        assert not tree.rules.ignores("a/b", True)

    def test_an_ignore_file_that_a_listing_shows_is_read(self, tree: WatchedTree, tmp_path: Path) -> None:
        (tmp_path / "tree/a/new").mkdir()
        (tmp_path / "tree/a/.treeledgerignore").write_text("new")
        tree.arm("a")
        assert tree.directories.at("a/new") is None

    def test_an_ignore_file_that_is_a_pipe_is_not_waited_for(self, tree: WatchedTree, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "tree/a/.treeledgerignore")
        tree.rules.changed()
        assert not tree.rules.ignores("a/b", True)

    def test_a_network_file_system_takes_no_watch_and_raises_no_alarm(
        self, tree: WatchedTree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        mountinfo = tmp_path / "mountinfo"
        mountinfo.write_text(f"37 36 0:50 / {tmp_path}/tree/a rw - nfs4 nas:/photos rw\n")
        monkeypatch.setattr("treeledger.plugins.watchdog_source.tree._MOUNTS", mountinfo)
        tree.rebuild()
        assert len(tree.directories) == 1
        assert (tree.gaps.paths(), tree.gaps.degraded()) == (("a",), None)


@pytest.mark.anyio
async def test_the_observer_of_other_systems_names_the_directory(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    async with ObserverSource().watch(str(tmp_path), ()) as watch:
        follower = Follower(watch, tmp_path)
        (tmp_path / "a/file").write_bytes(b"x")
        assert await follower.until_heard("a") == Observation("a", subtree=True, at_once=True)
        assert follower.files == files_in(tmp_path)


@pytest.mark.parametrize("type", ["nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs", "fuse", "vboxsf"])
def test_file_systems_that_others_change_are_refused_with_the_reason(type: str) -> None:
    assert type in (WatchdogSource().suits("/data", type) or "")


@pytest.mark.parametrize("type", ["ext4", "btrfs", "xfs", "zfs", "tmpfs", "overlay", "fuseblk", "vfat", ""])
def test_file_systems_of_this_machine_suit(type: str) -> None:
    assert silent(type) is None


def test_mounts_that_give_no_events_are_found() -> None:
    mountinfo = (
        b"36 35 98:0 / /data rw,noatime master:1 - ext4 /dev/sda1 rw\n"
        b"37 36 0:50 / /data/my\\040nas\\012 rw - nfs4 nas:/photos rw\n"
        b"38 36 0:51 / /data/phone rw shared:3 - fuse.jmtpfs jmtpfs rw\n"
    )
    found = silent_mounts(mountinfo)
    assert set(found) == {"/data/my nas\n", "/data/phone"}


@given(st.lists(st.tuples(st.sampled_from((True, True, False)), paths, st.integers(1, 6)), max_size=60))
def test_every_descriptor_has_one_path_and_the_reverse(steps: list[tuple[bool, str, int]]) -> None:
    """Whatever is put and dropped: the table by descriptor and the tree by name hold the same."""
    known, freed = Directories(), set[int]()
    for put, path, wd in steps:
        above, _, name = path.rpartition("/")
        if put and (not path or known.at(above) is not None):
            directory = known.at(above) if path else None
            placed, displaced = known.put(wd, directory, name)
            freed = (freed - {wd}) | set(displaced)
            assert placed is None or (placed.wd, placed.path) == (wd, path)
        elif not put and (gone := known.at(path)) is not None:
            freed |= set(known.drop(gone))
        assert not freed & known.descriptors()
        assert len(known) == len(known.descriptors())
        for descriptor in known.descriptors():
            directory = known.get(descriptor)
            assert isinstance(directory, Directory)
            assert known.at(directory.path) is directory


@given(st.lists(st.tuples(paths, st.integers(1, EVERYTHING)), max_size=40), st.integers(1, 10))
def test_an_inbox_covers_whatever_was_put(hints: list[tuple[str, int]], limit: int) -> None:
    async def put_and_take() -> list[Observation]:
        inbox = Inbox(asyncio.get_running_loop(), limit)
        for path, hint in hints:
            inbox.put({path: hint})
        inbox.end()
        with anyio.fail_after(PATIENCE):
            return [one async for batch in inbox.batches() for one in batch]

    taken = asyncio.run(put_and_take())
    assert len({one.path for one in taken}) == len(taken)
    for path, hint in hints:
        assert any(one.path == path or (one.subtree and within(one.path, path)) for one in taken)
        assert not hint & SUBTREE or any(one.subtree and within(one.path, path) for one in taken)


@pytest.mark.anyio
async def test_an_inbox_tells_where_renamed_directories_came_from() -> None:
    """Until they collapse: what covers them all came from nowhere."""
    inbox = Inbox(asyncio.get_running_loop(), limit=3)
    inbox.put({"a": MOVED, "b": MOVED}, {"b": "a"})
    inbox.put({"b": WRITTEN, "c": MOVED}, {"c": "b"})
    batch = await anext(inbox.batches())
    assert {one.path: (one.source, one.written) for one in batch} == {
        "a": (None, False),
        "b": ("a", True),
        "c": ("b", False),
    }
    inbox.put({"x/a": MOVED, "x/b": MOVED, "x/c": MOVED, "x/d": MOVED}, {"x/b": "x/a"})
    assert {one.source for one in await anext(inbox.batches())} == {None}


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 6), st.text("abc", min_size=1))))
def test_a_directory_came_from_where_one_of_its_cookie_left(steps: list[tuple[bool, int, str]]) -> None:
    renames, left, expected = Renames(), dict[int, str](), dict[str, str]()
    for is_arrival, cookie, path in steps:
        if is_arrival:
            renames.arrived(cookie, path)
            if cookie in left:
                expected[path] = left.pop(cookie)
        else:
            renames.left(cookie, path)
            left[cookie] = path
    assert renames.take() == expected
    assert renames.take() == {}


def test_of_directories_that_moved_out_the_last_are_remembered() -> None:
    renames = Renames()
    for cookie in range(1000):
        renames.left(cookie, f"from {cookie}")
    for cookie in range(1000):
        renames.arrived(cookie, f"to {cookie}")
    assert renames.take() == {f"to {cookie}": f"from {cookie}" for cookie in range(900, 1000)}


@given(st.dictionaries(paths, st.integers(1, 5)))
def test_gaps_count_what_is_not_watched_and_forget_what_is(sizes: dict[str, int]) -> None:
    gaps = Gaps()
    for path, size in sizes.items():
        gaps.add(path, Gap(size, "the limit is reached"))
    gaps.add("nas", Gap(0, "nfs", expected=True))
    assert gaps.directories() == sum(sizes.values())
    assert (gaps.degraded() is None) == (not sizes)
    gaps.forget("a")
    assert gaps.directories() == sum(size for path, size in sizes.items() if not within("a", path))


def test_many_gaps_collapse_upward_and_none_is_lost() -> None:
    gaps = Gaps()
    for number in range(20_000):
        gaps.add(f"{number % 10}/{number}", Gap(1, "the limit is reached"))
    assert gaps.directories() == 20_000
    assert len(gaps.paths()) <= 1_000
    assert all(any(within(path, f"{number % 10}/{number}") for path in gaps.paths()) for number in range(100))
