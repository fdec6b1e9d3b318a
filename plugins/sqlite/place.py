"""Where a ledger file may lie, and who may read it."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final

from treeledger.errors import StoreError
from treeledger.names import os_from_stored

_NETWORK: Final = frozenset(
    ("nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "glusterfs", "lustre", "ncpfs", "davfs")
)
_LOCAL_FUSE: Final = frozenset(("fuse.mergerfs", "fuse.lxcfs", "fuseblk"))
_ESCAPE: Final = re.compile(r"\\(\d{3})")


def prepare(path: Path) -> None:
    """Makes the folder (0700) and the file (0600) of a ledger where they do not exist.

    Raises StoreError if the file would lie on a network file system, where SQLite's locks and its
    write-ahead log lose data, and OSError if it cannot be made.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    refuse_network(path.parent)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))


def refuse_network(folder: Path) -> None:
    """Raises StoreError if a folder lies on a network file system (Linux; elsewhere nothing is known)."""
    try:
        mounts = Path("/proc/self/mountinfo").read_text("utf-8", "surrogateescape")
    except OSError:
        return
    kind = file_system_type(str(folder.resolve()), mounts)
    if kind in _NETWORK or (kind.startswith("fuse.") and kind not in _LOCAL_FUSE):
        raise StoreError(
            f"{folder} is on a network file system ({kind}), where SQLite loses data. Nothing was written. "
            "Put the ledger on a local disk with --store sqlite:PATH, or use PostgreSQL."
        )


def file_system_type(path: str, mountinfo: str) -> str:
    """The type of the file system that a path lies on, by the mounts of /proc/self/mountinfo."""
    best, kind = "", ""
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        point = _ESCAPE.sub(lambda match: chr(int(match[1], 8)), before.split(" ")[4])
        holds = path == point or path.startswith(point.rstrip("/") + "/")
        if holds and len(point) >= len(best):  # the last mount on a point hides those before it
            best, kind = point, after.split(" ")[0]
    return kind


def path_of(url: str) -> Path | None:
    """The absolute path in `sqlite:PATH` or `sqlite:///PATH`; None for any other URL."""
    if not url.startswith("sqlite:"):
        return None
    rest = url.removeprefix("sqlite:")
    path = "/" + rest[3:].lstrip("/") if rest.startswith("///") else rest
    return Path(os.path.abspath(os.path.expanduser(os_from_stored(path))))
