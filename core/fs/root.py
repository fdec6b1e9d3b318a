"""The root of a repository: is it there, and is it the one it was."""

from __future__ import annotations

import os
from enum import StrEnum
from typing import Final, NamedTuple

from treeledger.errors import RootOffline
from treeledger.fs import signed_inode
from treeledger.fs.mounts import mount_of
from treeledger.names import os_from_stored, shown

ANOTHER: Final = "another directory than before: unmounted, or replaced. Nothing was changed"
_DIRECTORY: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_THROUGH: Final = _DIRECTORY | getattr(os, "O_PATH", 0)  # needs no right to list it


class RootLook(NamedTuple):
    """What is at a root now. `is_empty`: it holds no entry at all. `type` of its file system."""

    device: int
    inode: int
    is_empty: bool
    type: str


class RootVerdict(StrEnum):
    SAME = "same"
    REPLACED = "replaced"  # another directory is in its place
    UNSURE = "unsure"  # nothing stable to know it by: a sample of records decides


def open_directory(path: str) -> int:
    """A descriptor of a directory (stored form) to which no symlink leads, in no part of the path.

    So whoever owns a folder above a root cannot lead us elsewhere. Raises OSError.
    """
    above = os.open("/" if path.startswith("/") else ".", _THROUGH)
    try:
        names = os_from_stored(path).strip("/").split("/")
        for name in names[:-1]:
            below = os.open(name, _THROUGH, dir_fd=above)
            os.close(above)
            above = below
        return os.open(names[-1] or ".", _DIRECTORY, dir_fd=above)
    finally:
        os.close(above)


def look_at_root(root: str, marker: str | None = None) -> RootLook:
    """Looks at a root (absolute, stored form); `marker` is an entry without which it counts as offline.

    Raises RootOffline with a message for people.
    """
    try:
        descriptor = open_directory(root)
        try:
            status = os.fstat(descriptor)
            with os.scandir(descriptor) as entries:
                is_empty = next(entries, None) is None
            if marker is not None:
                os.stat(os_from_stored(marker), dir_fd=descriptor, follow_symlinks=False)
        finally:
            os.close(descriptor)
        mount = mount_of(root)
    except OSError as error:
        raise offline(root, error, marker) from error
    return RootLook(status.st_dev, signed_inode(status.st_ino), is_empty, mount.type)


def judge_root(
    look: RootLook,
    file_system: int,
    *,
    known_file_system: int | None,
    known_inode: int | None,
    identity_is_stable: bool,
) -> RootVerdict:
    """Whether this is the root that it was. `file_system` is the store's number of the one it is on now.

    Without a stable identity a number means no more than a mount path and a type, which a foreign disk
    has as well, and inodes may be made up at each mount; so even equality proves nothing there.
    """
    if known_file_system is None or known_inode is None:
        return RootVerdict.SAME
    if not identity_is_stable:
        return RootVerdict.UNSURE
    is_same = (file_system, look.inode) == (known_file_system, known_inode)
    return RootVerdict.SAME if is_same else RootVerdict.REPLACED


def offline(root: str, error: OSError, marker: str | None = None) -> RootOffline:
    """What went wrong when a root was looked at, for people."""
    name = shown(root)
    match error:
        case FileNotFoundError() if marker is not None and os.path.isdir(os_from_stored(root)):
            what = f"{name} does not hold {shown(marker)}, without which it counts as offline"
            then = f"Mount what belongs there, or create {shown(marker)}"
        case FileNotFoundError():
            what, then = f"{name} is not there", "Mount or restore it"
        case NotADirectoryError():
            what, then = f"{name} is no directory, or a symlink leads to it", "Put the directory back"
        case PermissionError():
            what, then = f"{name} cannot be read ({error.strerror})", "Give this user the right to read it"
        case _:
            what, then = f"{name} cannot be read ({error.strerror})", "Check the disk or the connection"
    return RootOffline(f"{what}. Nothing was changed. {then}")
