"""Mounts and the identity of file systems: read from /proc on Linux; elsewhere what is known without."""

from __future__ import annotations

import os
import platform
import re
import select
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, NamedTuple

from treeledger.model import FileSystemIdentity
from treeledger.names import os_from_stored, stored_from_bytes, within

_MOUNTS: Final = "/proc/self/mountinfo"
_BY_UUID: Final = "/dev/disk/by-uuid"
_OCTAL: Final = re.compile(rb"\\([0-7]{3})")

_STABLE_FSID: Final = frozenset(("ext2", "ext3", "ext4", "btrfs", "zfs", "bcachefs", "jfs", "reiserfs"))
"""Types that make f_fsid from what is written on the disk. XFS, F2FS and FAT make it from the device
number, tmpfs anew for each mount (`*_statfs` in the Linux source)."""

_HAVE_UUID: Final = frozenset(("xfs", "f2fs", "vfat", "exfat", "ntfs", "ntfs3", "nilfs2", "udf", "hfsplus"))

_NETWORK: Final = re.compile(
    "nfs4?|cifs|smb3|smbfs|ncpfs|afs|afpfs|webdav|davfs|9p|ceph|lustre|gfs2|ocfs2|glusterfs|beegfs|orangefs"
    "|coda|virtiofs|vboxsf|vmhgfs|prl_fs"
    r"|fuse\.(sshfs|rclone|s3fs|gcsfuse|goofys|geesefs|mount-s3|s3ql|blobfuse2?|juicefs|seaweedfs|moosefs|mfs"
    "|lizardfs|glusterfs|ceph|davfs2?|curlftpfs|gvfsd-fuse|google-drive-ocamlfuse|vmhgfs-fuse|grpcfuse|osxfs)"
)

_MULTIGRAIN: Final = frozenset(("btrfs", "ext4", "tmpfs", "xfs"))
_MULTIGRAIN_SINCE: Final = (6, 13)  # of Linux; see its Documentation/filesystems/multigrain-ts.rst


class Mount(NamedTuple):
    """One mount. Paths in stored form; `device` as lstat gives it for most types (not btrfs); `root` is
    the directory of the file system that is mounted here, by its path within it."""

    id: int
    mount_path: str
    type: str
    source: str
    device: int
    root: str = "/"


def mounts() -> list[Mount]:
    """Every mount of this process's namespace, in the order they were made; empty where there is no /proc."""
    try:
        with open(_MOUNTS, "rb") as file:
            return [parse_mount(line) for line in file]
    except FileNotFoundError:
        return []


@contextmanager
def mount_changes() -> Iterator[Callable[[], bool]]:
    """Gives what says whether a mount was made, moved or ended since it was last asked, see
    proc_pid_mounts(5); where there is no /proc, never."""
    try:
        table = open(_MOUNTS, "rb")  # noqa: SIM115 - closed below
    except FileNotFoundError:
        yield lambda: False
        return
    with table:
        poll = select.poll()
        poll.register(table, select.POLLPRI)
        yield lambda: bool(poll.poll(0))


def parse_mount(line: bytes) -> Mount:
    """One line of mountinfo, see proc_pid_mountinfo(5)."""
    fields = line.split()
    after = fields.index(b"-", 6)
    major, minor = fields[2].split(b":")
    return Mount(
        int(fields[0]),
        stored_from_bytes(_unescaped(fields[4])),
        fields[after + 1].decode("utf-8", "replace"),
        stored_from_bytes(_unescaped(fields[after + 2])),
        os.makedev(int(major), int(minor)),
        stored_from_bytes(_unescaped(fields[3])),
    )


def mount_of(path: str) -> Mount:
    """The mount that holds a path (absolute, stored form). Raises OSError if nothing is there."""
    name = os_from_stored(path)
    device = os.stat(name).st_dev
    known = mounts()
    number = _mount_number(name) if known else None
    for mount in known:
        if mount.id == number:
            return mount
    point = os.path.realpath(name)
    while not os.path.ismount(point):
        point = os.path.dirname(point)
    return Mount(0, stored_from_bytes(os.fsencode(point)), "", "", device)


def mounts_below(root: str) -> list[Mount]:
    """The mounts strictly below a directory (absolute, stored form), by path; of stacked ones the topmost.

    Raises OSError where it, or what is above it, is swapped meanwhile.
    """
    real = stored_from_bytes(os.fsencode(os.path.realpath(os_from_stored(root)))).rstrip("/")
    topmost = {
        mount.mount_path: mount
        for mount in mounts()
        if mount.mount_path != (real or "/") and within(real, mount.mount_path)
    }
    return [topmost[path] for path in sorted(topmost)]


def place_of(path: str) -> tuple[int, str]:
    """Where a directory (absolute, stored form) really is: device, and path within its file system.

    The same for every way in which bind mounts lead there. Raises OSError if nothing is there.
    """
    mount = mount_of(path)
    real = stored_from_bytes(os.fsencode(os.path.realpath(os_from_stored(path))))
    below = real[len(mount.mount_path.rstrip("/")) :].strip("/")
    return mount.device, f"{mount.root.rstrip('/')}/{below}".rstrip("/") or "/"


def identify(path: str, host: str) -> FileSystemIdentity:
    """How the file system that holds a path is recognised again. Raises OSError if nothing is there."""
    mount = mount_of(path)
    name = os_from_stored(path)
    return FileSystemIdentity(
        host, mount.mount_path, mount.type, _identity(mount, name), os.stat(name).st_dev
    )


def tells_writes_apart(type: str) -> bool:
    """Whether a write to a file after its ctime was looked at always gives it another one, however soon.

    Not where a ctime is a whole second: there the disk may have room for no more (ext4's small inodes).
    """
    release = re.match(r"(\d+)\.(\d+)", platform.release()) if sys.platform == "linux" else None
    return (
        release is not None
        and (int(release[1]), int(release[2])) >= _MULTIGRAIN_SINCE
        and type in _MULTIGRAIN
    )


def is_network(type: str) -> bool:
    """Whether files of this file system type may change behind the back of this machine."""
    return _NETWORK.fullmatch(type) is not None


def host_id(configured: str | None) -> str:
    """What names this machine in the ledger: as configured, else the machine's id, else its host name."""
    if configured:
        return configured
    try:
        with open("/etc/machine-id", encoding="ascii") as file:
            return file.read().strip() or platform.node()
    except (OSError, UnicodeError):
        return platform.node()


def _unescaped(field: bytes) -> bytes:
    return _OCTAL.sub(lambda match: bytes((int(match[1], 8),)), field)


def _mount_number(name: str) -> int | None:
    """The id of the mount that a path is on: exact also for bind mounts and mounts over mounts."""
    descriptor = os.open(name, getattr(os, "O_PATH", os.O_RDONLY) | os.O_CLOEXEC)
    try:
        with open(f"/proc/self/fdinfo/{descriptor}", encoding="ascii") as file:
            return next((int(line.split()[1]) for line in file if line.startswith("mnt_id:")), None)
    finally:
        os.close(descriptor)


def _identity(mount: Mount, name: str) -> str:
    """Always by the same means for one type, so that it does not change with what /dev holds today.

    f_fsid comes first because btrfs subvolumes share a UUID but not their inode numbers.
    """
    if mount.type in _STABLE_FSID:
        number = os.statvfs(name).f_fsid
        return f"fsid:{number:x}" if number else ""
    if mount.type in _HAVE_UUID and sys.platform == "linux":
        uuid = _uuid_of(mount.device)
        return f"uuid:{uuid}" if uuid else ""
    return ""


def _uuid_of(device: int) -> str | None:
    try:
        with os.scandir(_BY_UUID) as links:
            return next((link.name for link in links if link.stat().st_rdev == device), None)
    except OSError:
        return None
