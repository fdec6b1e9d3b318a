"""Reading files that run code, or name code to run, and replacing a file as a whole."""

from __future__ import annotations

import errno
import os
import stat
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Final

from treeledger.errors import ConfigurationError
from treeledger.fs.safety import weakness

_LONGEST: Final = 2**22  # bytes
_WRITABLE: Final = stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH


def read_safely(path: Path) -> bytes:
    """The content of a configuration or plugin file that nobody else can have written.

    Raises ConfigurationError if it cannot be read or is longer than 4 MiB, and if it, or a folder or
    symlink on the way to it, belongs to another user than this one or root, or can be written by others:
    what it says runs code here.
    """
    try:
        content, status = read_regular(path, _LONGEST)
        check_way(path)
        if not os.path.samestat(status, path.stat()):
            raise ConfigurationError(f"{path} was replaced while it was read; try again")
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read: {error.strerror}") from None
    return content


def read_regular(path: Path, longest: int) -> tuple[bytes, os.stat_result]:
    """A regular file's content, and what fstat says of it. Never waits, as for a FIFO. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "is no regular file")
        content = file.read(longest + 1)
    if len(content) > longest:
        raise OSError(errno.EFBIG, f"is longer than {longest:,} bytes")
    return content, status


def check_way(path: Path) -> None:
    """Raises ConfigurationError if somebody else can change what is at a path, OSError if that cannot be
    told."""
    found = weakness(str(path))
    if found is not None:
        where = "" if found.path == str(path) else f"{path}: "
        raise ConfigurationError(
            f"{where}{found.path} {found.wrong}, who could run code as you; not read. "
            f"Look at it, then: {found.advice}"
        )


def replace_text(path: Path, text: str) -> None:
    """Writes a file as a whole or not at all, keeping its mode and owner; a new one has mode 0600.

    A symlink is followed. Raises OSError if the file or its folder cannot be written, and for a file that
    nobody may write by its mode: whoever made it so meant that, though the folder would let it be replaced.
    """
    target = path.resolve()
    try:
        before = target.stat()
    except FileNotFoundError:
        before = None
    if before is not None and not before.st_mode & _WRITABLE:
        raise OSError(errno.EACCES, f"its mode is {stat.S_IMODE(before.st_mode):04o}: read-only")
    descriptor, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with open(descriptor, "w", encoding="utf-8", newline="") as file:
            file.write(text)
            file.flush()
            if before is not None and (before.st_uid, before.st_gid) != (os.geteuid(), os.getegid()):
                os.fchown(file.fileno(), before.st_uid, before.st_gid)
            os.fchmod(file.fileno(), 0o600 if before is None else stat.S_IMODE(before.st_mode))
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException:
        os.unlink(temporary)
        raise
    _sync_folder(target.parent)


def _sync_folder(folder: Path) -> None:
    """Has a new name outlast a power cut, where the file system can; it is there already."""
    with suppress(OSError):  # some network file systems cannot, nor can who may not list the folder
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
