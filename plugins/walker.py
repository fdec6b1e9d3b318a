"""The local tree: everything through a chain of directory descriptors, never through a symlink.

Opened relative to its parent, a directory may be nested deeper than PATH_MAX allows, and nobody can
slip a symlink into the way between two calls.
"""

from __future__ import annotations

import errno
import os
import stat as modes
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Final, NamedTuple

from treeledger.errors import RootOffline
from treeledger.fs import problem_of, signed_inode, stat_of
from treeledger.fs.root import ANOTHER, open_directory
from treeledger.hookspecs import impl
from treeledger.model import INT64_MAX as _MOST
from treeledger.model import FileStat, Problem, ProblemCode
from treeledger.names import os_from_stored, shown, stored_from_bytes
from treeledger.protocols import Entry, PartRef

if TYPE_CHECKING:
    from treeledger.config.tables import PluginTables

_DIRECTORY: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_NO_ATIME: Final = getattr(os, "O_NOATIME", 0)
_FORMAT: Final = 0o170000
_REGULAR: Final = 0o100000
_SHED: Final = -1  # in place of a descriptor that was closed to keep the chain short
_KINDS: Final = {
    modes.S_IFIFO: "a FIFO",
    modes.S_IFSOCK: "a socket",
    modes.S_IFBLK: "a block device",
    modes.S_IFCHR: "a character device",
}


class _Directory(NamedTuple):
    name: str
    descriptor: int
    file_system: int


class LocalTree:
    """A tree on a file system of this machine.

    `root` is absolute, in stored form; `devices` gives the store's number of each file system that may
    be entered, by its device number. `inode`: what the root must have, so that another directory in its
    place is never taken for it. `barred`: directories, by path below the root, that are not entered though
    their device may be (bind mounts). The root is held from its first use until `forget`, no longer, so
    that its disk can be unmounted while nothing looks at it.
    """

    def __init__(
        self,
        root: str,
        devices: Mapping[int, int],
        *,
        inode: int | None = None,
        barred: Sequence[str] = (),
        longest_chain: int = 64,
    ) -> None:
        self._root_path = root
        self._devices = dict(devices)
        self._inode = inode
        self._barred = frozenset(barred)
        self._longest_chain = longest_chain
        self._root: _Directory | None = None
        self._chain: list[_Directory] = []  # the directories from the root to the current one
        self._path: str | None = None  # of the current one; None after a failure
        self._file_flags = _FILE | _NO_ATIME

    def list(self, path: str) -> Iterator[Entry]:
        directory = self._enter(path)
        base = path + "/" if path else ""
        descriptor, file_system = directory.descriptor, directory.file_system
        new = tuple.__new__  # half the time of calling Entry
        with self._scan(descriptor) as listing:
            for item in listing:
                name = item.name
                if not name.isascii():
                    name = stored_from_bytes(os.fsencode(name))
                try:
                    status = item.stat(follow_symlinks=False)
                except FileNotFoundError:
                    continue
                except OSError as error:
                    yield _unseen(name, base + name, item, error)
                    continue
                mode = status.st_mode
                if mode & _FORMAT == _REGULAR:
                    # `stat_of` but for the call, which is a tenth of a walk.
                    mtime, ctime, inode = status.st_mtime_ns, status.st_ctime_ns, status.st_ino
                    if mtime >= 0 and ctime >= 0 and mtime <= _MOST and ctime <= _MOST and inode <= _MOST:
                        stat = new(FileStat, (status.st_size, mtime, ctime, file_system, inode, mode))
                    else:
                        stat = stat_of(status, file_system)
                    yield new(Entry, (name, False, stat, None))
                else:
                    yield self._other(name, base + name, status)

    def entry(self, path: str) -> Entry:
        above, _, name = path.rpartition("/")
        directory = self._enter(above)
        status = os.stat(os_from_stored(name) or ".", dir_fd=directory.descriptor, follow_symlinks=False)
        if modes.S_ISREG(status.st_mode):
            return Entry(name, False, stat_of(status, directory.file_system), None)
        return self._other(name, path, status)

    def open(self, path: str) -> int:
        above, _, name = path.rpartition("/")
        descriptor = self._enter(above).descriptor
        name = os_from_stored(name)
        try:
            return self._open(name, self._file_flags, descriptor)
        except PermissionError as error:
            if error.errno != errno.EPERM or self._file_flags == _FILE:
                raise
            self._file_flags = _FILE  # O_NOATIME is for the owner of a file only
            return self._open(name, _FILE, descriptor)

    def file_system(self, path: str) -> int:
        return self._enter(path).file_system

    def forget(self) -> None:
        self._leave(0)
        if self._root is not None:
            os.close(self._root.descriptor)
            self._root = None

    def close(self) -> None:
        self.forget()

    def _other(self, name: str, path: str, status: os.stat_result) -> Entry:
        """The entry of what is no regular file."""
        kind = modes.S_IFMT(status.st_mode)
        if kind == modes.S_IFDIR:
            crossed = status.st_dev in self._devices and path not in self._barred
            return Entry(name, True, None, None if crossed else _not_crossed(path))
        if kind == modes.S_IFLNK:
            return Entry(name, False, None, Problem(path, ProblemCode.SYMLINK, "a symlink is not followed"))
        message = f"{_KINDS.get(kind, 'no regular file')} is not read"
        return Entry(name, False, None, Problem(path, ProblemCode.NOT_REGULAR, message))

    def _enter(self, path: str) -> _Directory:
        """Makes a directory the current one; what the way to it shares with the last is not opened again."""
        if path == self._path:
            return self._chain[-1] if path else self._open_root()
        root = self._open_root()
        names = path.split("/") if path else []
        self._leave(self._shared(names))
        chain = self._chain
        for depth in range(len(chain), len(names)):
            above = chain[-1] if chain else root
            chain.append(self._open_directory(names, depth, above.descriptor))
            if len(chain) > self._longest_chain:
                self._shed(len(chain) - self._longest_chain - 1)
        self._path = path
        return chain[-1] if chain else root

    def _shared(self, names: Sequence[str]) -> int:
        """How many directories of the chain lead to `names`; 0 if the last of them was shed."""
        count = 0
        for name, directory in zip(names, self._chain, strict=False):
            if directory.name != name:
                break
            count += 1
        return 0 if count and self._chain[count - 1].descriptor == _SHED else count

    def _open_directory(self, names: Sequence[str], depth: int, above: int) -> _Directory:
        name = names[depth]
        if self._barred and "/".join(names[: depth + 1]) in self._barred:
            raise OSError(errno.EXDEV, "a mount point that is not crossed")
        try:
            descriptor = self._open(os_from_stored(name), _DIRECTORY, above)
        except OSError as error:
            if error.errno == errno.ELOOP:
                raise NotADirectoryError(errno.ENOTDIR, "a symlink is not followed") from None
            raise
        file_system = self._devices.get(os.fstat(descriptor).st_dev)
        if file_system is None:
            os.close(descriptor)
            raise OSError(errno.EXDEV, "a file system that is not crossed")
        return _Directory(name, descriptor, file_system)

    def _open(self, name: str, flags: int, above: int) -> int:
        try:
            return os.open(name, flags, dir_fd=above)
        except OSError as error:
            self._make_room(above, error)
            return os.open(name, flags, dir_fd=above)

    def _scan(self, descriptor: int) -> AbstractContextManager[Iterator[os.DirEntry[str]]]:
        try:
            return os.scandir(descriptor)
        except OSError as error:
            self._make_room(descriptor, error)
            return os.scandir(descriptor)

    def _make_room(self, keep: int, error: OSError) -> None:
        """Closes all of the chain but one directory if descriptors ran out; another error is raised."""
        if error.errno not in (errno.EMFILE, errno.ENFILE):
            raise error
        for depth in range(len(self._chain)):
            if self._chain[depth].descriptor != keep:
                self._shed(depth)

    def _open_root(self) -> _Directory:
        if self._root is None:
            try:
                descriptor = open_directory(self._root_path)
            except OSError as error:
                raise RootOffline(
                    f"{shown(self._root_path)}: {error.strerror}. Nothing was changed"
                ) from error
            status = os.fstat(descriptor)
            file_system = self._devices.get(status.st_dev)
            if file_system is None or self._inode not in (None, signed_inode(status.st_ino)):
                os.close(descriptor)
                raise RootOffline(f"{shown(self._root_path)} is {ANOTHER}")
            self._root = _Directory("", descriptor, file_system)
        return self._root

    def _shed(self, depth: int) -> None:
        directory = self._chain[depth]
        if directory.descriptor != _SHED:
            os.close(directory.descriptor)
            self._chain[depth] = directory._replace(descriptor=_SHED)

    def _leave(self, depth: int) -> None:
        """Closes all of the chain from `depth` on."""
        self._path = None
        while len(self._chain) > depth:
            self._shed(len(self._chain) - 1)
            self._chain.pop()


def _unseen(name: str, path: str, item: os.DirEntry[str], error: OSError) -> Entry:
    """The entry of what could not be looked at; the listing itself mostly knows what is a directory."""
    try:
        is_directory = item.is_dir(follow_symlinks=False)
    except OSError:
        is_directory = False
    return Entry(name, is_directory, None, problem_of(path, error, directory=is_directory))


def _not_crossed(path: str) -> Problem:
    return Problem(
        path, ProblemCode.MOUNT_NOT_CROSSED, "another file system is mounted here; it is not crossed"
    )


@impl
def walkers(tables: PluginTables) -> dict[str, PartRef]:
    return {"walker": PartRef(__name__, "LocalTree", {})}
