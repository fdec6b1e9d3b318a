"""The tree under watch: every directory that is not ignored takes a watch, and what could not is a gap."""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from watchdog.observers.inotify_c import InotifyConstants as C
from watchdog.observers.inotify_c import Mask, WatchDescriptor, inotify_add_watch, inotify_rm_watch

from treeledger.errors import RootOffline
from treeledger.ignoring import IGNORE_FILE_NAME
from treeledger.names import os_from_stored, parent, shown, stored_from_os
from treeledger.plugins.watchdog_source.directories import Directories, Directory
from treeledger.plugins.watchdog_source.file_systems import silent_mounts
from treeledger.plugins.watchdog_source.gaps import Gap, Gaps
from treeledger.plugins.watchdog_source.tree_rules import TreeRules

# No open and no close-without-write: our own reading would flood the queue.
_FILES: Final = C.IN_MODIFY | C.IN_ATTRIB | C.IN_CLOSE_WRITE
_NAMES: Final = C.IN_CREATE | C.IN_DELETE | C.IN_MOVED_FROM | C.IN_MOVED_TO
_DIRECTORY: Final = Mask(_FILES | _NAMES | C.IN_ONLYDIR | C.IN_EXCL_UNLINK)
_ROOT: Final = Mask(_DIRECTORY | C.IN_DELETE_SELF | C.IN_MOVE_SELF)
_LIMIT: Final = Path("/proc/sys/fs/inotify/max_user_watches")
_MOUNTS: Final = Path("/proc/self/mountinfo")
_PIECE: Final = 1_000  # entries of a listing between two breaths
_TOLD: Final = 100  # paths in a new directory that are told one by one
_VANISHED: Final = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)


def watch_limit() -> int | None:
    """How many watches a user may hold; None where the system does not say."""
    try:
        return int(_LIMIT.read_text())
    except (OSError, ValueError):
        return None


class WatchedTree:
    """Adds and removes the watches of one inotify descriptor; belongs to the thread that reads it.

    A watch is added before its directory is listed: what comes into it later is an event, what was
    there before is in the listing. `breathe` is called between the steps of long walks, and may raise.
    """

    def __init__(self, descriptor: int, root: str, rules: TreeRules, breathe: Callable[[], None]) -> None:
        self.directories = Directories()
        self.gaps = Gaps()
        self.rules = rules
        self._descriptor = descriptor
        self._root = root.rstrip("/")
        self._descent = rules.descent
        self.breathe = breathe
        self._mounts: dict[str, str] = {}

    def arm(self, path: str) -> None:
        """Watches a directory and all below that is not ignored; watches that are there already stay.

        Nothing happens if it is not there, or not watched from above. Raises RootOffline.
        """
        self._arm(path, None)

    def arm_new(self, path: str) -> list[str] | None:
        """As `arm`, for a directory that was made just now; returns all that was in it already.

        Whatever comes later is an event. None if it has to be scanned: much is there, or not all is heard.
        """
        came: list[str] = []
        self._arm(path, came)
        return None if len(came) > _TOLD or self.gaps.within(path) else came

    def _arm(self, path: str, came: list[str] | None) -> None:
        self.gaps.forget(path)
        above = self.directories.at(parent(path)) if path else None
        if path and above is None:
            return
        if not path:
            self._mounts = silent_mounts(_MOUNTS.read_bytes())
        try:
            self._arm_below(above, path.rpartition("/")[2], came)
        finally:
            self._descent.close()

    def drop(self, directory: Directory) -> None:
        """Gives back the watches of a directory that is gone from its path, and of all below."""
        self._free(self.directories.drop(directory))
        self.gaps.forget(directory.path)
        self.rules.left(directory.path)

    def rebuild(self) -> None:
        """Watches what is there now, whatever was known before. Raises RootOffline."""
        before = self.directories.descriptors()
        self.directories, self.gaps = Directories(), Gaps()
        self.rules.changed()
        self.arm("")
        self._free(before - self.directories.descriptors())

    def fill_gaps(self) -> list[str]:
        """Tries again where no watch could be had. Returns the paths that are watched now."""
        filled = []
        for path in self.gaps.to_try_again():
            try:
                self._add(path)
            except OSError as error:
                if error.errno == errno.ENOSPC:
                    break
                continue
            self.arm(path)
            if path not in self.gaps:
                filled.append(path)
        return filled

    def _arm_below(self, above: Directory | None, name: str, came: list[str] | None) -> None:
        pending = [(above, name)]
        while pending:
            self.breathe()
            directory = self._watch(*pending.pop())
            if directory is not None:
                pending.extend((directory, name) for name in self._listed(directory.path, came))

    def _watch(self, above: Directory | None, name: str) -> Directory | None:
        """The directory with its watch, or None: it vanished or became a gap."""
        path = name if above is None else above.base + name
        if reason := self._mounts.get(self._absolute(path)) if path else None:
            self.gaps.add(path, Gap(0, reason, expected=True))
            return None
        try:
            wd = self._add(path)
        except OSError as error:
            self._failed(path, error)
            return None
        known = self.directories.get(wd)
        if known is not None and known.path != path and self._is_same(known.path, path):
            self.gaps.add(path, Gap(0, f"it is also {shown(known.path)}", expected=True))
            return None
        directory, displaced = self.directories.put(wd, above, name)
        if displaced:
            self._free(displaced)
            self.rules.left(path)
        return directory

    def _failed(self, path: str, error: OSError) -> None:
        if error.errno == errno.ENOSPC:
            reason = f"the limit fs.inotify.max_user_watches = {watch_limit()} is reached"
            self.gaps.add(path, Gap(self._count(path), reason))
        elif not path:
            raise RootOffline(f"{shown(self._root or '/')}: {error.strerror}. Nothing was changed") from error
        elif error.errno not in _VANISHED:
            self.gaps.add(path, Gap(1, error.strerror or str(error)))

    def _listed(self, path: str, came: list[str] | None = None) -> list[str]:
        """The subdirectories that are not ignored; none, and a gap, if they cannot be listed.

        To `came` the path of everything is added, of a bit more than are told at most.
        """
        names = []
        base = path + "/" if path else ""
        try:
            with os.scandir(self._descent.open(path)) as entries:
                for number, entry in enumerate(entries):
                    if number % _PIECE == 0:
                        self.breathe()
                    if came is not None and len(came) <= _TOLD:
                        came.append(base + stored_from_os(entry.name))
                    if entry.name == IGNORE_FILE_NAME:
                        self.rules.has_file(path)
                    elif entry.is_dir(follow_symlinks=False):
                        names.append(stored_from_os(entry.name))
        except OSError as error:
            self._failed(path, error)
            return []
        return [name for name in names if not self.rules.ignores(base + name, True)]

    def _count(self, path: str) -> int:
        """How many directories there are, at least, at a path that is not watched and below it."""
        count, pending = 0, [path]
        while pending:
            self.breathe()
            current = pending.pop()
            base = current + "/" if current else ""
            pending.extend(base + name for name in self._listed(current))
            count += 1
        return count

    def _add(self, path: str) -> WatchDescriptor:
        """The watch of the directory at a path, exactly the one that was opened. Raises OSError."""
        opened = b"/proc/self/fd/%d" % self._descent.open(path)
        wd = inotify_add_watch(self._descriptor, opened, _DIRECTORY if path else _ROOT)
        if wd == -1:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
        return wd

    def _free(self, descriptors: Iterable[int]) -> None:
        for wd in descriptors:  # one whose directory was deleted is gone already: not worth an error
            inotify_rm_watch(self._descriptor, WatchDescriptor(wd))

    def _absolute(self, path: str) -> str:
        return f"{self._root}/{path}" if path else self._root or "/"

    def _is_same(self, path: str, other: str) -> bool:
        try:
            status = os.lstat(os_from_stored(self._absolute(path)))
            return os.path.samestat(status, os.lstat(os_from_stored(self._absolute(other))))
        except OSError:
            return False
