"""Where a ledger file may lie, and who may read it."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from treeledger.errors import StoreError
from treeledger.fs.mounts import is_network, mount_of
from treeledger.fs.safety import make_private, weakness
from treeledger.names import os_from_stored, stored_from_os


def prepare(path: Path) -> None:
    """Makes the folder (0700) and the file (0600) of a ledger where they do not exist.

    A file that exists is not opened: closing it again would end the locks that this process' connections
    have on it (POSIX; https://sqlite.org/howtocorrupt.html, 2.2).

    Raises StoreError if the file would lie on a network file system or where others could replace it, or
    if something else than a file is there, and OSError if it cannot be made.
    """
    refuse_foreign(path)
    refuse_other_than_file(path)
    refuse_network(path, mount_of(stored_from_os(str(_existing(path)))).type)
    make_private(str(path.parent))
    with suppress(FileExistsError):
        os.close(os.open(path.resolve(), os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))


def refuse_foreign(path: Path) -> None:
    """Raises StoreError for a ledger that another user has put there or could replace, as by a symlink.

    The group of its folders may write them. Raises OSError.
    """
    found = weakness(str(path), group=True)
    if found is not None:
        raise StoreError(
            f"the ledger {path} is not safe here: {found.path} {found.wrong}. Nothing was opened. "
            f"Name another place with --store sqlite:PATH; or, if you trust what is there: {found.advice}"
        )


def refuse_other_than_file(path: Path) -> None:
    """Raises StoreError where something else is in the ledger's place, such as a folder or a FIFO."""
    if path.exists() and not path.is_file():
        what = "a folder" if path.is_dir() else "no regular file"
        raise StoreError(
            f"{path} is {what}, so it is no ledger. Nothing was changed. "
            "Name a file with --store sqlite:PATH; it is made if it is missing"
        )


def refuse_network(path: Path, file_system_type: str) -> None:
    """Raises StoreError for a ledger on a network file system: there SQLite's locks and its log lose data."""
    if is_network(file_system_type):
        raise StoreError(
            f"{path} would be on a network file system ({file_system_type}), where SQLite loses data. "
            "Nothing was written. Put the ledger on a local disk with --store sqlite:PATH, or use PostgreSQL."
        )


def _existing(path: Path) -> Path:
    """The path itself or the nearest folder above it that is there."""
    return path if path.exists() else _existing(path.parent)


def path_of(url: str) -> Path | None:
    """The absolute path in `sqlite:PATH` or `sqlite:///PATH`; None for any other URL."""
    if not url.startswith("sqlite:"):
        return None
    rest = url.removeprefix("sqlite:")
    path = "/" + rest.lstrip("/") if rest.startswith("///") else rest
    return Path(os.path.abspath(os.path.expanduser(os_from_stored(path))))
