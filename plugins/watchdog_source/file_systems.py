"""Which file systems tell inotify (and FSEvents) of every change, and which do not."""

from __future__ import annotations

from typing import Final

from treeledger.names import stored_from_bytes

_REMOTE: Final = frozenset(
    # a change made by another machine, or by the other side of the mount, gives no event here
    (
        *("9p", "acfs", "afpfs", "afs", "beegfs", "ceph", "cifs", "coda", "davfs"),
        *("drvfs", "gfs2", "glusterfs", "gpfs", "lustre", "ncpfs", "nfs", "nfs4", "ocfs2"),
        *("orangefs", "prl_fs", "smb3", "smbfs", "vboxsf", "virtiofs", "vmhgfs", "webdav"),
    )
)


def silent(file_system_type: str) -> str | None:
    """Why changes on a file system of this type may give no event; None where all of them do.

    `fuseblk` (ntfs-3g, exfat-fuse) holds a disk of its own, so that every change passes this kernel.
    """
    if file_system_type in _REMOTE:
        return f"changes made by other machines give no event on {file_system_type}"
    if file_system_type.startswith(("fuse.", "osxfuse", "macfuse")) or file_system_type == "fuse":
        return f"changes made behind the mount give no event on {file_system_type}"
    return None


def silent_mounts(mountinfo: bytes) -> dict[str, str]:
    """The mount points of a /proc/self/mountinfo that give no events, each with the reason why."""
    found = {}
    for line in mountinfo.splitlines():
        before, _, after = line.partition(b" - ")
        reason = silent(stored_from_bytes(after.split(b" ", 1)[0]))
        if reason is not None:
            found[stored_from_bytes(_unescaped(before.split(b" ")[4]))] = reason
    return found


def _unescaped(field: bytes) -> bytes:
    """A field of mountinfo, where space, tab, newline and backslash are written in octal."""
    for octal, character in ((b"\\040", b" "), (b"\\011", b"\t"), (b"\\012", b"\n"), (b"\\134", b"\\")):
        field = field.replace(octal, character)
    return field
