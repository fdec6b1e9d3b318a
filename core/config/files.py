"""Reading files that run code, or name code to run, and replacing a file as a whole."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

from treeledger.errors import ConfigurationError

_OTHERS_MAY_WRITE = stat.S_IWGRP | stat.S_IWOTH


def read_safely(path: Path) -> bytes:
    """The content of a configuration or plugin file that nobody else can have written.

    Raises ConfigurationError if it cannot be read, if group or others may write it, or if it belongs
    to another user than this one or root: what it says runs code here.
    """
    try:
        with path.open("rb") as file:
            check_owner(path, os.fstat(file.fileno()))
            return file.read()
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read: {error.strerror}") from None


def check_owner(path: Path, status: os.stat_result) -> None:
    """Raises ConfigurationError if somebody else can write what `status` describes."""
    user = os.geteuid()
    if status.st_uid not in (0, user):
        raise ConfigurationError(
            f"{path} belongs to user {status.st_uid}, who could run code as you; not read. "
            f"If you trust it: chown {user} {path}"
        )
    if status.st_mode & _OTHERS_MAY_WRITE:
        raise ConfigurationError(
            f"{path} can be written by others (mode {stat.S_IMODE(status.st_mode):04o}), "
            f"who could run code as you; not read. Look at it, then: chmod go-w {path}"
        )


def replace_text(path: Path, text: str) -> None:
    """Writes a file as a whole or not at all, keeping its mode and owner; a new one has mode 0644.

    A symlink is followed. Raises OSError if the file or its folder cannot be written.
    """
    target = path.resolve()
    try:
        before = target.stat()
    except FileNotFoundError:
        before = None
    descriptor, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with open(descriptor, "w", encoding="utf-8", newline="") as file:
            file.write(text)
            file.flush()
            if before is not None and (before.st_uid, before.st_gid) != (os.geteuid(), os.getegid()):
                os.fchown(file.fileno(), before.st_uid, before.st_gid)
            os.fchmod(file.fileno(), 0o644 if before is None else stat.S_IMODE(before.st_mode))
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException:
        os.unlink(temporary)
        raise
    _sync_folder(target.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
