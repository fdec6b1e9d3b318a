"""What every tree must do. Inherit, and say how to build yours over a folder."""

from __future__ import annotations

import errno
import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from treeledger.errors import RootOffline
from treeledger.model import INT64_MAX, FileStat, ProblemCode
from treeledger.names import stored_from_bytes
from treeledger.protocols import Entry, Tree

FILE_SYSTEM = 7


def open_within(folder: Path) -> int:
    """How many descriptors this process has open of a folder and what is in it. Of all descriptors some may
    come and go meanwhile, as other threads and what is left of other tests have them."""
    places = {_place(path.lstat()) for path in (folder, *folder.rglob("*"))}
    return sum(_of_descriptor(int(number)) in places for number in os.listdir("/dev/fd"))


def _place(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


def _of_descriptor(number: int) -> tuple[int, int] | None:
    try:
        return _place(os.fstat(number))
    except OSError:  # it was closed since, as that of the listing was
        return None


class TreeContract:
    def build(self, root: Path, devices: dict[int, int]) -> Tree:
        raise NotImplementedError

    @pytest.fixture
    def root(self, tmp_path: Path) -> Iterator[Path]:
        root = tmp_path / "root"
        root.mkdir()
        yield root
        subprocess.run(["rm", "-rf", root], check=True)  # shutil gives up on deep trees

    @pytest.fixture
    def tree(self, root: Path) -> Iterator[Tree]:
        tree = self.build(root, {root.stat().st_dev: FILE_SYSTEM})
        yield tree
        tree.close()

    def listed(self, tree: Tree, path: str = "") -> dict[str, Entry]:
        return {entry.name: entry for entry in tree.list(path)}

    def read(self, tree: Tree, path: str) -> bytes:
        with open(tree.open(path), "rb") as file:
            return file.read()

    def test_it_satisfies_the_protocol(self, tree: Tree) -> None:
        assert isinstance(tree, Tree)

    def test_a_file_is_listed_with_what_lstat_says(self, root: Path, tree: Tree) -> None:
        (root / "a.txt").write_bytes(b"hello")
        status = (root / "a.txt").lstat()
        expected = FileStat(
            5, status.st_mtime_ns, status.st_ctime_ns, FILE_SYSTEM, status.st_ino, status.st_mode
        )
        assert self.listed(tree) == {"a.txt": Entry("a.txt", False, expected, None)}

    def test_directories_have_no_stat_and_an_empty_one_no_entries(self, root: Path, tree: Tree) -> None:
        (root / "d" / "e").mkdir(parents=True)
        assert self.listed(tree) == {"d": Entry("d", True, None, None)}
        assert self.listed(tree, "d/e") == {}

    def test_one_entry_is_what_the_listing_says_of_it(self, root: Path, tree: Tree) -> None:
        (root / "d" / "below").mkdir(parents=True)
        (root / "d" / "file").write_bytes(b"x")
        (root / "d" / "link").symlink_to("file")
        os.mkfifo(root / "d" / "fifo")
        assert {name: tree.entry(f"d/{name}") for name in os.listdir(root / "d")} == self.listed(tree, "d")

    def test_what_is_no_regular_file_is_a_note_and_is_not_opened(
        self, root: Path, tree: Tree, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (root / "link").symlink_to("/etc")
        os.mkfifo(root / "fifo")
        monkeypatch.chdir(root)
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind("socket")
        entries = self.listed(tree)
        codes = {name: entry.problem.code for name, entry in entries.items() if entry.problem}
        assert codes == {
            "link": ProblemCode.SYMLINK,
            "fifo": ProblemCode.NOT_REGULAR,
            "socket": ProblemCode.NOT_REGULAR,
        }
        assert not any(entry.is_directory or entry.stat for entry in entries.values())

    def test_no_symlink_is_followed_on_the_way_or_at_the_end(
        self, root: Path, tree: Tree, tmp_path: Path
    ) -> None:
        outside = tmp_path / "outside"
        outside.mkdir()
        (outside / "secret").write_bytes(b"secret")
        (root / "dir").symlink_to(outside)
        (root / "file").symlink_to(outside / "secret")
        with pytest.raises(NotADirectoryError):
            list(tree.list("dir"))
        with pytest.raises(NotADirectoryError):
            tree.entry("dir/secret")
        with pytest.raises(NotADirectoryError):
            tree.open("dir/secret")
        with pytest.raises(OSError, match=os.strerror(errno.ELOOP)):
            tree.open("file")

    def test_what_is_not_there_is_said_to_be_not_there(self, root: Path, tree: Tree) -> None:
        (root / "file").write_bytes(b"")
        for path in ("no", "no/way", "no/way/out"):
            with pytest.raises(FileNotFoundError):
                tree.entry(path)
        with pytest.raises(NotADirectoryError):
            tree.entry("file/below")
        with pytest.raises(NotADirectoryError):
            tree.file_system("file")

    def test_contents_are_read(self, root: Path, tree: Tree) -> None:
        (root / "a").mkdir()
        (root / "a" / "b").write_bytes(b"content")
        assert self.read(tree, "a/b") == b"content"
        assert tree.file_system("a") == FILE_SYSTEM

    @pytest.mark.parametrize(
        "name", [b"\xff\xfe", b"new\nline", b"\xf4\x8f\xbe\x80", "ünï".encode(), b"x" * 255, b" -rf", b"\xc3"]
    )
    def test_names_are_bytes(self, root: Path, tree: Tree, name: bytes) -> None:
        folder = os.fsencode(root) + b"/" + name
        os.mkdir(folder)
        with open(folder + b"/" + name, "wb") as file:
            file.write(name)
        stored = stored_from_bytes(name)
        assert list(self.listed(tree)) == [stored]
        assert list(self.listed(tree, stored)) == [stored]
        assert self.read(tree, f"{stored}/{stored}") == name

    def test_depth_and_length_of_paths_have_no_limit(self, root: Path, tree: Tree) -> None:
        name = "long-" * 5
        here = os.open(root, os.O_RDONLY)
        for _ in range(1100):
            os.mkdir(name, dir_fd=here)
            below = os.open(name, os.O_RDONLY, dir_fd=here)
            os.close(here)
            here = below
        os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=here))
        os.close(here)
        for depth in (*range(1101), *range(1100, -1, -1), 1100, 5, 1100):
            path = "/".join([name] * depth)
            assert list(self.listed(tree, path)) == ["file" if depth == 1100 else name]
        assert self.read(tree, "/".join([name] * 1100 + ["file"])) == b""

    def test_after_forgetting_it_goes_by_the_names_of_now(self, root: Path, tree: Tree) -> None:
        for letter in "ab":
            (root / letter / "sub").mkdir(parents=True)
            (root / letter / "sub" / letter).write_bytes(b"")
        assert list(self.listed(tree, "a/sub")) == ["a"]
        (root / "a").rename(root / "c")
        (root / "b").rename(root / "a")
        tree.forget()
        assert list(self.listed(tree, "a/sub")) == ["b"]

    def test_every_value_fits_a_signed_64_bit_integer(self, root: Path, tree: Tree) -> None:
        for name, year in (("early", -400), ("late", 400)):
            (root / name).write_bytes(b"")
            seconds = year * 31_556_952
            os.utime(root / name, ns=(seconds * 10**9,) * 2)
        for entry in self.listed(tree).values():
            assert entry.stat is not None
            assert all(-INT64_MAX - 1 <= value <= INT64_MAX for value in entry.stat)

    def test_a_missing_root_is_offline_never_an_empty_tree(self, root: Path) -> None:
        tree = self.build(root / "absent", {root.stat().st_dev: FILE_SYSTEM})
        with pytest.raises(RootOffline):
            list(tree.list(""))
        with pytest.raises(RootOffline):
            tree.entry("a")
        tree.close()

    def test_close_leaves_no_descriptor_behind(self, root: Path) -> None:
        (root / "a" / "b" / "c").mkdir(parents=True)
        tree = self.build(root, {root.stat().st_dev: FILE_SYSTEM})
        list(tree.list("a/b/c"))
        with pytest.raises(FileNotFoundError):
            tree.open("a/b/c/no")
        tree.close()
        assert open_within(root) == 0

    def test_what_vanishes_while_it_is_listed_is_left_out(self, root: Path, tree: Tree) -> None:
        for number in range(3000):
            (root / f"{number}").write_bytes(b"")
        listing = iter(tree.list(""))
        first = next(listing).name
        for number in range(3000):
            (root / f"{number}").unlink()
        rest = [entry.name for entry in listing]
        assert first not in rest
