"""What every event source promises. A plugin's author inherits the suite and gives it a source:

class TestMySource(EventSourceContract):
    @pytest.fixture
    def source(self) -> EventSource:
        return MySource()

Events are only hints, so the promise is about somebody who follows them: whoever looks at what was
hinted at, and at nothing else, knows the tree.
"""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Final

import anyio
import anyio.to_thread
import pytest

from treeledger.errors import RootOffline
from treeledger.model import FileStat, Observation, Problem
from treeledger.names import os_from_stored, stored_from_os
from treeledger.protocols import EventSource, PartRef, ReadText, Verdict, Watch

IGNORED: Final = "ignored"
PATIENCE: Final = 120.0  # seconds until a promise counts as broken, on a busy machine, too

Files = dict[str, tuple[int, int, int, int]]
Change = Callable[[Path], object]


class IgnoresByName:
    """An ignore filter for what is called `ignored`, whatever a directory's ignore file names, and below."""

    problems: Sequence[Problem] = ()

    def root(self, read: ReadText) -> IgnoresByName.Directory:
        return self.Directory(read, "")

    def check_stat(self, path: str, stat: FileStat) -> Verdict | None:
        return None

    class Directory:
        def __init__(self, read: ReadText, base: str) -> None:
            self._read = read
            self._base = base
            self._names = {IGNORED, *(read(f"{base}.treeledgerignore") or "").split()}

        def check(self, name: str, is_directory: bool) -> Verdict | None:
            return Verdict(True, name, "the contract suite") if name in self._names else None

        def below(self, name: str) -> IgnoresByName.Directory:
            return IgnoresByName.Directory(self._read, f"{self._base}{name}/")

        def rules(self) -> Sequence[Verdict]:
            return [Verdict(True, name, "the contract suite") for name in self._names]


def files_in(root: Path, path: str = "") -> Files:
    """Every file at or below a stored path, with inode, size, mtime and mode, as a fresh look shows it."""
    start = os.path.join(root, os_from_stored(path)) if path else str(root)
    found: Files = {}
    if not os.path.isdir(start) or os.path.islink(start):
        return {path: look} if path and (look := _look(start)) else {}
    for folder, folders, names in os.walk(start):
        folders[:] = [name for name in folders if name != IGNORED]
        for name in names:
            absolute = os.path.join(folder, name)
            if name != IGNORED and (look := _look(absolute)):
                found[stored_from_os(os.path.relpath(absolute, root))] = look
    return found


def _look(absolute: str) -> tuple[int, int, int, int] | None:
    try:
        status = os.lstat(absolute)
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_mode


class Follower:
    """Knows a tree by what hints say: it looks at what they name, and never at anything else."""

    def __init__(self, watch: Watch, root: Path) -> None:
        self.watch = watch
        self.files = files_in(root)
        self.heard: list[Observation] = []
        self.root = root
        self._lasts = 0
        self._stream = watch.observations()

    async def until(self, reached: Callable[[], bool]) -> None:
        """Follows until something is so. Raises what the stream raises, TimeoutError if it never is."""
        with anyio.fail_after(PATIENCE):
            while not reached():
                batch = await anext(self._stream)
                self.heard.extend(batch)
                await anyio.to_thread.run_sync(self._follow, batch)
                if any(not observation.path for observation in batch):
                    self.watch.scanned(0.0)

    async def until_true(self) -> None:
        """Follows until the tree is known as it is."""
        await self.until(lambda: self.files == files_in(self.root))

    async def until_heard(self, path: str) -> Observation:
        """Follows until a path itself was named; returns what was said of it, merged."""
        await self.until(lambda: any(observation.path == path for observation in self.heard))
        said = [observation for observation in self.heard if observation.path == path]
        return Observation(
            path,
            subtree=any(one.subtree for one in said),
            at_once=any(one.at_once for one in said),
            written=any(one.written for one in said),
            source=next((one.source for one in said if one.source is not None), None),
        )

    async def after(self, change: Change) -> None:
        """Changes the tree, in a thread."""
        await anyio.to_thread.run_sync(change, self.root)

    async def all_said(self) -> list[Observation]:
        """All that was said of the changes so far: what a last change, which is heard after them, closes."""
        self._lasts += 1
        last = f"last change {self._lasts}"
        await self.after(_write(last))
        await self.until_heard(last)
        return [observation for observation in self.heard if not observation.path.startswith("last change")]

    def _follow(self, batch: Sequence[Observation]) -> None:
        for path, subtree, *_ in batch:
            if not path:
                self.files = {}
            elif subtree:
                below = path + "/"
                self.files = {name: look for name, look in self.files.items() if not name.startswith(below)}
            self.files.pop(path, None)
            if subtree or not os.path.isdir(os.path.join(self.root, os_from_stored(path))):
                self.files.update(files_in(self.root, path))


def _write(path: str, content: bytes = b"content") -> Change:
    def write(root: Path) -> None:
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)

    return write


def _append(root: Path) -> None:
    with open(root / "a/file", "ab") as file:
        file.write(b"more")


def _replace_directory(root: Path) -> None:
    shutil.rmtree(root / "a")
    (root / "a").mkdir()
    (root / "a/file").write_bytes(b"another")


def _rename_directory(root: Path) -> None:
    os.rename(root / "a", root / "renamed")
    (root / "renamed/b/new").write_bytes(b"written under the new name")


def _directory_over_directory(root: Path) -> None:
    (root / "empty").mkdir()
    os.rename(root / "a", root / "empty")
    (root / "empty/b/new").write_bytes(b"x")


def _move_in(root: Path) -> None:
    os.rename(root.parent / "outside", root / "came")
    (root / "came/deep/new").write_bytes(b"written after it came")


def _odd_names(root: Path) -> None:
    for name in (b"\xff\xfe", b"a\nb", b" ", b"-rf", b"x" * 255, "é\u202e\U0010ff80".encode()):
        folder = os.fsencode(root) + b"/" + name
        os.mkdir(folder)
        with open(folder + b"/" + name, "wb") as file:
            file.write(name)


def _folders(root: Path) -> None:
    for number in range(500):
        folder = root / f"{number}/b/c"
        folder.mkdir(parents=True)
        for name in "1234":
            (folder / name).write_bytes(b"")


def _burst(root: Path) -> None:
    for number in range(20_000):
        (root / f"a/burst{number}").write_bytes(b"")


CHANGES: Final[dict[str, Change]] = {
    "create": _write("new"),
    "create below": _write("x/y/z/new"),
    "modify": _write("a/file", b"other"),
    "append": _append,
    "delete": lambda root: os.unlink(root / "a/file"),
    "rename": lambda root: os.rename(root / "a/file", root / "a/b/moved"),
    "rename over": lambda root: os.rename(root / "a/file", root / "a/other"),
    "move in": lambda root: os.rename(root.parent / "outside/file", root / "a/came"),
    "move out": lambda root: os.rename(root / "a/file", root.parent / "gone"),
    "chmod": lambda root: os.chmod(root / "a/file", 0o600),
    "hard link": lambda root: os.link(root / "a/file", root / "a/link"),
    "remove all": lambda root: shutil.rmtree(root / "a"),
    "directory renamed": _rename_directory,
    "directory renamed over another": _directory_over_directory,
    "directory replaced": _replace_directory,
    "directory moved in": _move_in,
    "directory moved out": lambda root: os.rename(root / "a", root.parent / "gone"),
    "odd names": _odd_names,
    "500 times mkdir -p": _folders,
    "20,000 files": _burst,
}


def change_at_random(root: Path, seed: int, steps: int = 300) -> None:
    """Creates, writes, moves and removes files and directories with names that come back again."""
    chance = random.Random(seed)

    def somewhere() -> Path:
        return root.joinpath(*(chance.choice("abc") for _ in range(chance.randint(1, 4))))

    for _ in range(steps):
        path, other = somewhere(), somewhere()
        try:
            match chance.randrange(6):
                case 0:
                    path.mkdir(parents=True)
                case 1 | 2:
                    path.write_bytes(bytes(chance.randrange(10)))
                case 3 | 4:
                    os.rename(path, other)
                case _:
                    shutil.rmtree(path) if path.is_dir() else path.unlink()
        except OSError:
            continue  # nothing there, or something else: as with people


@pytest.mark.anyio
class EventSourceContract:
    """`hears_paths`: the source names single paths; a polling one only ever names the root."""

    hears_paths = True

    @pytest.fixture
    def source(self) -> EventSource:
        raise NotImplementedError("the source, ready to watch")

    @pytest.fixture
    def anyio_backend(self) -> str:
        return "asyncio"

    @pytest.fixture
    def root(self, tmp_path: Path) -> Path:
        """A tree to watch, beside a folder `outside`."""
        root = tmp_path / "tree"
        for name in ("tree/a/file", "tree/a/other", "tree/a/b/file", "outside/file", "outside/deep/file"):
            _write(name)(tmp_path)
        return root

    @asynccontextmanager
    async def following(self, source: EventSource, root: Path) -> AsyncIterator[Follower]:
        filters = (PartRef("treeledger.testing.sources", "IgnoresByName", {}),)
        async with source.watch(stored_from_os(str(root)), filters) as watch:
            yield Follower(watch, root)

    @pytest.mark.parametrize("change", CHANGES)
    async def test_whoever_follows_the_hints_knows_the_tree(
        self, source: EventSource, root: Path, change: str
    ) -> None:
        async with self.following(source, root) as follower:
            await follower.after(CHANGES[change])
            await follower.until_true()

    @pytest.mark.parametrize("seed", range(8))
    async def test_nothing_is_missed_when_much_happens_at_once(
        self, source: EventSource, root: Path, seed: int
    ) -> None:
        async def change() -> None:
            async with anyio.create_task_group() as two:
                two.start_soon(follower.after, partial(change_at_random, seed=seed))
                two.start_soon(follower.after, partial(change_at_random, seed=seed + 1000))
            await follower.after(_write("last"))

        async with self.following(source, root) as follower:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(change)
                await follower.until(lambda: "last" in follower.files)
            await follower.until_true()

    async def test_the_stream_ends_when_the_watch_is_left(self, source: EventSource, root: Path) -> None:
        async with self.following(source, root) as follower:
            stream = follower.watch.observations()
        with anyio.fail_after(PATIENCE):
            assert [batch async for batch in stream] == []

    async def test_a_scan_may_be_told(self, source: EventSource, root: Path) -> None:
        async with self.following(source, root) as follower:
            follower.watch.scanned(0.0)
            await follower.after(CHANGES["create"])
            await follower.until_true()

    async def test_ignored_directories_are_not_heard(self, source: EventSource, root: Path) -> None:
        if not self.hears_paths:
            pytest.skip("names no paths")
        (root / "a" / IGNORED / "deep").mkdir(parents=True)
        async with self.following(source, root) as follower:
            before = follower.watch.health().watches
            await follower.after(_write(f"a/{IGNORED}/deep/file"))
            await follower.after(_write(f"b/{IGNORED}/file"))
            await follower.after(_write(f"c/{IGNORED}"))
            said = await follower.all_said()
            assert not [one for one in said if IGNORED in one.path.split("/")]
            if before:
                assert before == 3  # the root, a and a/b
                assert follower.watch.health().watches == 5  # b and c have come

    async def test_a_changed_ignore_file_has_its_directory_looked_at(
        self, source: EventSource, root: Path
    ) -> None:
        if not self.hears_paths:
            pytest.skip("names no paths")
        (root / "a/.treeledgerignore").write_text("b .treeledgerignore")
        async with self.following(source, root) as follower:
            await follower.after(_write("a/b/unheard"))
            assert not [one for one in await follower.all_said() if one.path.startswith("a/b/")]
            await follower.after(_write("a/.treeledgerignore", b".treeledgerignore other"))
            await follower.until_heard("a/.treeledgerignore")
            assert (await follower.until_heard("a")).subtree
            await follower.after(_write("a/b/heard"))
            await follower.until_heard("a/b/heard")
            await follower.after(_write("a/other", b"now ignored"))
            assert not [one for one in await follower.all_said() if one.path == "a/other"]

    async def test_a_root_that_is_gone_ends_the_stream_with_an_error(
        self, source: EventSource, root: Path
    ) -> None:
        if not self.hears_paths:
            pytest.skip("does not look at the root")
        async with self.following(source, root) as follower:
            await follower.after(lambda root: os.rename(root, root.parent / "elsewhere"))
            with pytest.raises((OSError, RootOffline)):
                await follower.until(lambda: False)
            assert follower.heard[-1] == Observation("", subtree=True, at_once=True)
