"""What people and programs do to files, an operation a method: each goes through or does nothing.

Every step is noted as a line of shell-like text, and followed by a look at the tree, so that a sequence can
be told in words and judged step by step.
"""

from __future__ import annotations

import ctypes
import errno
import hashlib
import os
import shutil
import stat as modes
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from treeledger.names import stored_from_os

_IN_THE_WAY: Final = frozenset(
    (
        *(errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENOTEMPTY),
        *(errno.EINVAL, errno.ENXIO, errno.ELOOP, errno.EPERM),
    )
)
_NO_FOLLOW: Final = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_AT_FDCWD: Final = -100
_RENAME_EXCHANGE: Final = 2


class Truth(NamedTuple):
    """A regular file as it is on the disk."""

    size: int
    mtime_ns: int
    inode: int


Sight = dict[str, Truth]


def regular_files(root: Path) -> Sight:
    """Every regular file below a directory that the default rules do not ignore, by its stored path."""
    found = {}
    for folder, _, names in os.walk(root):
        for name in names:
            status = os.lstat(os.path.join(folder, name))
            if modes.S_ISREG(status.st_mode) and not name.startswith("."):
                path = os.path.relpath(os.path.join(folder, name), root)
                found[stored_from_os(path)] = Truth(status.st_size, status.st_mtime_ns, status.st_ino)
    return found


def digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _brief(content: bytes) -> str:
    return repr(content) if len(content) < 20 else f"{len(content)} bytes"


class Hands:
    """Works on the tree at `root`; `away` is a place outside of what is watched, on the same disk.

    Paths are relative to the root. `history` holds what was in both places after every step.
    """

    def __init__(self, root: Path, away: Path) -> None:
        self.root = root
        self.away = away
        self.told: list[str] = []
        self.history: list[Sight] = []

    def look(self) -> Sight:
        """The files of the tree, and those away, by their paths there with "../" before."""
        outside = {f"../{path}": truth for path, truth in regular_files(self.away).items()}
        return regular_files(self.root) | outside

    def _step(self, words: str) -> None:
        self.told.append(words)
        self.history.append(self.look())

    @contextmanager
    def _trying(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno not in _IN_THE_WAY:
                raise

    def _opened(self, path: str, flags: int, use: Callable[[int], object], words: str) -> None:
        with self._trying():
            descriptor = os.open(self.root / path, flags | _NO_FOLLOW, 0o644)
            try:
                if modes.S_ISREG(os.fstat(descriptor).st_mode):
                    use(descriptor)
            finally:
                os.close(descriptor)
            self._step(words)

    # --- contents ----------------------------------------------------------------------------------

    def write(self, path: str, content: bytes) -> None:
        """Creates or overwrites a file, and the folders above it."""
        with self._trying():
            self._above(self.root / path)
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
            self._opened(path, flags, lambda file: os.write(file, content), f"write {path} {_brief(content)}")

    def append(self, path: str, content: bytes) -> None:
        flags = os.O_WRONLY | os.O_APPEND
        self._opened(path, flags, lambda file: os.write(file, content), f"append {path} {_brief(content)}")

    def truncate(self, path: str, size: int) -> None:
        self._opened(path, os.O_WRONLY, lambda file: os.ftruncate(file, size), f"truncate {path} {size}")

    def rewrite_unseen(self, path: str, byte: bytes) -> None:
        """Other content of the same size, with the modification time put back."""

        def rewrite(file: int) -> None:
            status = os.fstat(file)
            os.write(file, byte * status.st_size)
            os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))

        self._opened(path, os.O_WRONLY, rewrite, f"rewrite {path} with {byte!r}, mtime put back")

    def rotate(self, path: str, target: str, content: bytes) -> None:
        """As logs are rotated: renamed while they are open, and written to until they are closed."""

        def rotate(file: int) -> None:
            os.write(file, content)
            with self._trying():
                os.rename(self.root / path, self.root / target)
                self._step(f"  (open, written to) mv {path} {target}")
            os.write(file, content)

        self._opened(path, os.O_WRONLY | os.O_APPEND, rotate, f"append to {path} through its rename, close")

    def save(self, path: str, content: bytes, mtime_ns: int | None) -> None:
        """As editors save: a hidden file takes the name."""
        with self._trying():
            saved = self.root / path
            saved = saved.with_name(f".{saved.name}.saved")
            saved.write_bytes(content)
            if mtime_ns is not None:
                os.utime(saved, ns=(mtime_ns, mtime_ns))
            try:
                os.rename(saved, self.root / path)
            except OSError:
                saved.unlink()
                raise
            self._step(f"save {path} {_brief(content)} mtime={mtime_ns}")

    # --- names -------------------------------------------------------------------------------------

    def rename(self, source: str, target: str) -> None:
        """Of a file or a directory, over a file or an empty directory."""
        with self._trying():
            os.rename(self.root / source, self.root / target)
            self._step(f"mv {source} {target}")

    def swap(self, one: str, other: str) -> None:
        """Through a parking path."""
        parked = self.root / "parked"
        with self._trying():
            if one == other or not (self.root / other).exists():
                return
            os.rename(self.root / one, parked)
            self._step(f"mv {one} parked")
            try:
                os.rename(self.root / other, self.root / one)
            except OSError:
                os.rename(parked, self.root / one)
                self._step(f"mv parked {one}")
                raise
            self._step(f"mv {other} {one}")
            with self._trying():
                os.rename(parked, self.root / other)
                self._step(f"mv parked {other}")

    def exchange(self, one: str, other: str) -> None:
        """At once, as renameat2 can."""
        libc = ctypes.CDLL(None, use_errno=True)
        first, second = os.fsencode(self.root / one), os.fsencode(self.root / other)
        if libc.renameat2(_AT_FDCWD, first, _AT_FDCWD, second, _RENAME_EXCHANGE) == 0:
            self._step(f"exchange {one} {other}")

    def move_out(self, path: str, outside: str) -> None:
        with self._trying():
            self._clear(self.away / outside)
            os.rename(self.root / path, self.away / outside)
            self._step(f"mv {path} ../{outside}")

    def move_in(self, outside: str, path: str) -> None:
        with self._trying():
            os.rename(self.away / outside, self.root / path)
            self._step(f"mv ../{outside} {path}")

    def prepare(self, outside: str, content: bytes, mtime_ns: int) -> None:
        """A file and a folder outside of the tree, to be moved in."""
        with self._trying():
            self._clear(self.away / outside)
            file = self.away / outside / "a"
            file.parent.mkdir()
            file.write_bytes(content)
            os.utime(file, ns=(mtime_ns, mtime_ns))
            self._step(f"write ../{outside}/a {_brief(content)} mtime={mtime_ns}")

    def remove(self, path: str) -> None:
        with self._trying():
            self._clear(self.root / path)
            self._step(f"rm -r {path}")

    def make_folder(self, path: str) -> None:
        with self._trying():
            os.makedirs(self.root / path)
            self._step(f"mkdir -p {path}")

    def into_folder(self, path: str, content: bytes) -> None:
        """A file gives way to a folder with a file in it."""
        with self._trying():
            os.unlink(self.root / path)
            self._step(f"rm {path}")
            os.mkdir(self.root / path)
            (self.root / path / "a").write_bytes(content)
            self._step(f"write {path}/a {_brief(content)}")

    def into_file(self, path: str, content: bytes) -> None:
        """A folder and all below gives way to a file."""
        with self._trying():
            if (self.root / path).is_dir():
                self._clear(self.root / path)
                self._step(f"rm -r {path}")
                self.write(path, content)

    # --- what is no content, and what is no file -----------------------------------------------------

    def touch(self, path: str, mtime_ns: int) -> None:
        with self._trying():
            os.utime(self.root / path, ns=(mtime_ns, mtime_ns))
            self._step(f"touch {path} mtime={mtime_ns}")

    def chmod(self, path: str, mode: int) -> None:
        with self._trying():
            if (self.root / path).is_file():
                os.chmod(self.root / path, mode)
                self._step(f"chmod {mode:o} {path}")

    def link(self, source: str, target: str) -> None:
        with self._trying():
            os.link(self.root / source, self.root / target, follow_symlinks=False)
            self._step(f"ln {source} {target}")

    def symlink(self, to: str, path: str) -> None:
        with self._trying():
            os.symlink(self.root / to, self.root / path)
            self._step(f"ln -s {to} {path}")

    def fifo(self, path: str) -> None:
        with self._trying():
            os.mkfifo(self.root / path)
            self._step(f"mkfifo {path}")

    def _above(self, file: Path) -> None:
        if not file.parent.is_dir():
            os.makedirs(file.parent)
            self._step(f"mkdir -p {file.parent.relative_to(self.root)}")

    def _clear(self, path: Path) -> None:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif os.path.lexists(path):
            path.unlink()
