"""The ledger equals what find and sha256sum say, path for path, on every store."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from executable import Executable

from treeledger.names import bytes_from_stored

_SEED = 20261121
_FILES = 3000
_ODD = [
    "caf\u00e9",
    "\u65e5\u672c",
    "new\nline",
    "in\udcffvalid",
    " ",
    "*",
    "-rf",
    ".hidden",
    "a.tmp",
    "back\\",
]

Sums = dict[bytes, tuple[int, str]]


def on_disk(root: Path) -> Sums:
    """Size and SHA-256 of each regular file, by path: what find and sha256sum say."""
    find = ["find", ".", "-type", "f", "-printf", r"%s %P\0"]
    listed = subprocess.run(find, cwd=root, capture_output=True, check=True).stdout
    sizes = dict(reversed(entry.split(b" ", 1)) for entry in listed.split(b"\0")[:-1])
    summed = subprocess.run(
        ["xargs", "-0", "-r", "sha256sum", "-z", "--"],
        cwd=root,
        input=b"".join(b"./" + path + b"\0" for path in sizes),
        capture_output=True,
        check=True,
    ).stdout
    sums = dict(reversed(entry.split(b"  ./", 1)) for entry in summed.split(b"\0")[:-1])
    return {path: (int(size), sums[path].decode()) for path, size in sizes.items()}


def in_ledger(treeledger: Executable) -> Sums:
    """The same from `treeledger files --json`; what is not settled is unlike everything on disk."""
    records = treeledger("files", "--json").json
    found = {bytes_from_stored(one["path"]): (one["size"], _told(one)) for one in records}
    assert len(found) == len(records)
    return found


def _told(record: dict[str, Any]) -> str:
    """The hash on record, if it is of what is there; else how things are."""
    state, hash_state = record["state"], record["hash_state"]
    is_settled = state == "present" and hash_state in ("done", "verify")  # a move is verified later
    return str(record["hash"]) if is_settled else f"{state}, {hash_state}"


class Scribbler:
    """Makes a tree, and changes it as people and programs do; the same each time."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._random = random.Random(_SEED)
        self._targets: list[Path] = []
        self._made = 0

    def grow(self, count: int) -> None:
        """Adds files in nested folders: empty ones, small ones, a few of some 100 kB, some alike."""
        folders = [self.root, *self._folders()]
        for _ in range(count):
            if self._random.random() < 0.05:
                folders.append(self._random.choice(folders) / self._name("dir"))
                folders[-1].mkdir()
            (self._random.choice(folders) / self._name("file")).write_bytes(self._content())

    def disturb(self) -> None:
        """Adds what is no regular file: links to a file, a folder and nothing, a FIFO, an empty folder."""
        os.symlink(self._random.choice(self._files()), self.root / "link")
        os.symlink(self.root, self.root / "loop")
        os.symlink("nowhere", self.root / "dangling")
        os.mkfifo(self.root / "fifo")
        (self.root / "empty folder").mkdir()

    def edit(self, count: int) -> None:
        """Random edits of files, then of folders."""
        actions = [self._write, self._write_alike, self._append, self._remove, self._rename, self._replace]
        actions += [self._touch, self._chmod, self._swap, self._copy]
        files, self._targets = self._files(), self._folders()
        for file, other in zip(
            self._random.sample(files, count), self._random.sample(files, count), strict=True
        ):
            if file.exists():
                self._random.choice(actions)(file, other)
        for folder in self._random.sample(self._targets, 5):
            if folder.exists():
                folder.rename(self.root / self._name("moved"))
        self._into_folder(self._files()[0])
        shutil.rmtree(min(self._folders(), key=lambda folder: sum(1 for _ in folder.rglob("*"))))
        self.grow(count // 4)

    def _name(self, kind: str) -> str:
        self._made += 1
        return f"{kind} {self._made} {self._random.choice(_ODD)}"

    def _content(self) -> bytes:
        length = self._random.choice([0, 1, 10, 10, 1000, 1000, 5000, 100_000 if self._made % 20 == 0 else 1])
        return self._random.randbytes(length) if self._random.random() < 0.9 else b"alike"

    def _files(self) -> list[Path]:
        return sorted(path for path in self.root.rglob("*") if path.is_file() and not path.is_symlink())

    def _folders(self) -> list[Path]:
        return sorted(path for path in self.root.rglob("*") if path.is_dir() and not path.is_symlink())

    def _write(self, file: Path, other: Path) -> None:
        file.write_bytes(self._content())

    def _write_alike(self, file: Path, other: Path) -> None:
        """Another content of the same size, with the old modification time."""
        stat = file.stat()
        file.write_bytes(self._random.randbytes(stat.st_size))
        os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))

    def _append(self, file: Path, other: Path) -> None:
        with file.open("ab") as opened:
            opened.write(b"more")

    def _remove(self, file: Path, other: Path) -> None:
        file.unlink()

    def _rename(self, file: Path, other: Path) -> None:
        file.rename(self._random.choice(self._targets) / self._name("renamed"))

    def _replace(self, file: Path, other: Path) -> None:
        """As editors save: a new file takes the name."""
        saved = file.with_name(self._name("saved"))
        saved.write_bytes(self._content())
        saved.replace(file)

    def _touch(self, file: Path, other: Path) -> None:
        os.utime(file, ns=(0, self._random.randrange(2**60)))

    def _chmod(self, file: Path, other: Path) -> None:
        file.chmod(0o640)

    def _swap(self, file: Path, other: Path) -> None:
        if other != file and other.exists():
            parking = self.root / self._name("parked")
            file.rename(parking)
            other.rename(file)
            parking.rename(other)

    def _copy(self, file: Path, other: Path) -> None:
        shutil.copy2(file, self.root / self._name("copy"))

    def _into_folder(self, file: Path) -> None:
        file.unlink()
        file.mkdir()
        (file / "inside").write_text("now a folder")


@pytest.fixture
def treeledger(tmp_path: Path, store_url: str) -> Executable:
    return Executable(tmp_path, store=store_url)


def test_the_ledger_equals_the_tree_after_any_edits(treeledger: Executable) -> None:
    root = treeledger.home / "tree"
    root.mkdir()
    scribbler = Scribbler(root)
    scribbler.grow(_FILES)
    scribbler.disturb()
    treeledger("repo", "add", root, "--no-default-ignores")
    treeledger("scan", "tree")
    assert in_ledger(treeledger) == on_disk(root)
    assert "added=0 updated=0 moved=0 removed=0 hashed=0" in treeledger("scan", "tree").text
    for _ in range(2):
        scribbler.edit(400)
        treeledger("scan", "tree")
        assert in_ledger(treeledger) == on_disk(root)
    listed = treeledger("files", "--format", "sha256sum").out
    check = ["sha256sum", "--check", "--strict", "--quiet"]
    subprocess.run(check, cwd=root, input=listed, check=True)
    assert listed.count(b"\n") == len(on_disk(root))


def test_a_part_that_is_scanned_alone_leaves_the_rest_as_it_was(treeledger: Executable) -> None:
    root = treeledger.home / "tree"
    for name in ("part", "rest", "part-2"):
        (root / name).mkdir(parents=True)
        (root / name / "file").write_text(name)
    treeledger("scan", root)
    before = in_ledger(treeledger)
    for name in ("part", "rest", "part-2"):
        (root / name / "file").write_text("changed")
    treeledger("scan", root / "part")
    after = in_ledger(treeledger)
    assert after == before | {b"part/file": on_disk(root)[b"part/file"]}
