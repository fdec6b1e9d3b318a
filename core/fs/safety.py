"""Whether somebody else can put another file in the place of one that we trust, and folders of our own."""

from __future__ import annotations

import errno
import os
import stat as modes
from typing import Final, NamedTuple

_MOST_STEPS: Final = 1000  # of a way with symlinks in it


class Weakness(NamedTuple):
    """What lets others in: `path` (as `os` spells it), what is `wrong` with it, and what mends it."""

    path: str
    wrong: str
    advice: str


def weakness(path: str, *, group: bool = False) -> Weakness | None:
    """The first file, folder or symlink on the way to a path, or there, by which others could replace it.

    Everything must belong to this user or root and be writable by nobody else; with `group` its group may
    write. In a folder with the sticky bit, such as /tmp, others may make but not replace. What is missing
    is no weakness. Raises OSError.
    """
    here, rest = "/", _parts(os.path.abspath(path))
    for _ in range(_MOST_STEPS):
        try:
            status = os.lstat(here)
        except FileNotFoundError:
            return None
        found = _foreign(here, status)
        if modes.S_ISLNK(status.st_mode):
            target = os.readlink(here)
            rest += _parts(target)
            here = "/" if target.startswith("/") else os.path.dirname(here)
        else:
            found = found or _open_to_others(here, status, group)
            if not rest:
                return found
            here = os.path.normpath(os.path.join(here, rest.pop()))
        if found:
            return found
    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))


def _parts(path: str) -> list[str]:
    """The names of a path, the last one first."""
    return [name for name in reversed(path.split("/")) if name not in ("", ".")]


def _foreign(path: str, status: os.stat_result) -> Weakness | None:
    user = os.geteuid()
    if status.st_uid in (0, user):
        return None
    return Weakness(path, f"belongs to user {status.st_uid}", f"chown {user} {path}")


def _open_to_others(path: str, status: os.stat_result, group: bool) -> Weakness | None:
    others = modes.S_IWOTH if group else modes.S_IWOTH | modes.S_IWGRP
    if not status.st_mode & others or (modes.S_ISDIR(status.st_mode) and status.st_mode & modes.S_ISVTX):
        return None
    mode = modes.S_IMODE(status.st_mode)
    return Weakness(path, f"can be written by others (mode {mode:04o})", f"chmod go-w {path}")


def make_private(folder: str) -> None:
    """Makes a folder, and those above it that are missing, for this user alone. Raises OSError."""
    if os.path.isdir(folder):
        return
    make_private(os.path.dirname(folder))
    try:
        os.mkdir(folder, 0o700)
    except FileExistsError:
        if not os.path.isdir(folder):
            raise
