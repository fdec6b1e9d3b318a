"""Mounts, the identity of file systems, and roots."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from treeledger.errors import RootOffline
from treeledger.fs.mounts import (
    host_id,
    identify,
    is_network,
    mount_of,
    mounts_below,
    parse_mount,
    tells_writes_apart,
)
from treeledger.fs.root import RootLook, RootVerdict, judge_root, look_at_root
from treeledger.names import stored_from_bytes

linux = pytest.mark.skipif(sys.platform != "linux", reason="MOUNTS NOT TESTED: no /proc/self/mountinfo")


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Path]:
    """A folder with a tmpfs mounted at `a b` in it, and its folder `plain` bound to `bound`."""
    if os.geteuid() != 0:
        pytest.skip("MOUNTS NOT TESTED: only root can mount")
    for name in ("a b", "plain", "bound"):
        (tmp_path / name).mkdir()
    done = []
    for command in (
        ["mount", "-t", "tmpfs", "none", str(tmp_path / "a b")],
        ["mount", "--bind", str(tmp_path / "plain"), str(tmp_path / "bound")],
    ):
        if subprocess.run(command, check=False, capture_output=True).returncode == 0:
            done.append(command[-1])
    if len(done) == 2:
        yield tmp_path
    for target in done:
        subprocess.run(["umount", "--lazy", target], check=True)
    if len(done) < 2:
        pytest.skip("MOUNTS NOT TESTED: this root may not mount")


def test_a_line_of_mountinfo_is_understood() -> None:
    line = (
        rb"36 35 98:5 /mnt1 /mnt\0402/\134x rw,noatime master:1 - ext3 /dev/root rw,errors=continue" + b"\n"
    )
    mount = parse_mount(line)
    assert mount == (36, "/mnt 2/\\x", "ext3", "/dev/root", os.makedev(98, 5), "/mnt1")


@linux
def test_a_path_is_on_a_mount_above_it(tmp_path: Path) -> None:
    mount = mount_of(str(tmp_path))
    assert str(tmp_path).startswith(mount.mount_path)
    assert mount.type


@linux
@pytest.mark.root
def test_mounts_are_found_by_path_also_when_bound(mounted: Path) -> None:
    assert [mount.mount_path for mount in mounts_below(str(mounted))] == [
        f"{mounted}/a b",
        f"{mounted}/bound",
    ]
    assert mounts_below(f"{mounted}/a b") == []
    assert mount_of(f"{mounted}/a b").type == "tmpfs"
    assert mount_of(f"{mounted}/bound").mount_path == f"{mounted}/bound"
    assert mount_of(f"{mounted}/plain").mount_path == mount_of(str(mounted)).mount_path


@linux
@pytest.mark.root
def test_a_file_system_has_one_identity_wherever_it_is_mounted(mounted: Path) -> None:
    here, bound = (identify(f"{mounted}/{name}", "host") for name in ("plain", "bound"))
    assert (here.identity, here.type, here.device) == (bound.identity, bound.type, bound.device)
    assert identify(f"{mounted}/a b", "host").identity == ""  # a tmpfs is another at each mount
    if here.type.startswith("ext"):
        assert here.identity


@pytest.mark.parametrize(
    "type", ["nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs", "fuse.rclone", "virtiofs"]
)
def test_network_file_systems_are_known(type: str) -> None:
    assert is_network(type)


@pytest.mark.parametrize(
    "type", ["ext4", "btrfs", "xfs", "zfs", "tmpfs", "overlay", "fuseblk", "fuse.mergerfs", ""]
)
def test_local_file_systems_are_known(type: str) -> None:
    assert not is_network(type)


def test_a_host_is_named_as_configured_else_by_itself() -> None:
    assert host_id("nas") == "nas"
    assert host_id(None) == host_id("") != ""


def test_a_root_is_looked_at(tmp_path: Path) -> None:
    look = look_at_root(str(tmp_path))
    assert (look.device, look.inode, look.is_empty) == (tmp_path.stat().st_dev, tmp_path.stat().st_ino, True)
    (tmp_path / "2024").mkdir()
    assert not look_at_root(str(tmp_path), "2024").is_empty


@pytest.mark.parametrize(
    ("root", "marker", "message"),
    [
        ("absent", None, "absent is not there"),
        ("file", None, "file is no directory"),
        ("file/below", None, "is no directory"),
        (".", "2024", "does not hold 2024"),
        ("loop", None, "a symlink leads to it"),
    ],
)
def test_a_root_that_is_not_well_is_offline_and_says_what_to_do(
    tmp_path: Path, root: str, marker: str | None, message: str
) -> None:
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(RootOffline, match=message) as caught:
        look_at_root(f"{tmp_path}/{root}", marker)
    assert "Nothing was changed." in str(caught.value)


@pytest.mark.root
def test_a_root_that_may_not_be_read_is_offline() -> None:
    """In a process of nobody's, because root may read everything."""
    if os.geteuid() != 0:
        pytest.skip("PERMISSIONS NOT TESTED: only root can become somebody else")
    program = """
import os, tempfile
from treeledger.errors import RootOffline
from treeledger.fs.root import look_at_root
os.setgid(65534); os.setuid(65534)
with tempfile.TemporaryDirectory() as folder:
    os.chmod(folder, 0)
    try:
        look_at_root(folder)
    except RootOffline as error:
        print(error)
"""
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert "cannot be read (Permission denied). Nothing was changed." in done.stdout


LOOK = RootLook(device=1, inode=2, is_empty=False, type="ext4")


@pytest.mark.parametrize(
    ("known_file_system", "known_inode", "stable", "verdict"),
    [
        (None, None, True, RootVerdict.SAME),
        (None, None, False, RootVerdict.SAME),
        (7, 2, True, RootVerdict.SAME),
        (7, 3, True, RootVerdict.REPLACED),
        (8, 2, True, RootVerdict.REPLACED),
        (7, 2, False, RootVerdict.UNSURE),
        (8, 3, False, RootVerdict.UNSURE),
    ],
)
def test_a_root_is_judged_by_file_system_and_inode_where_these_are_stable(
    known_file_system: int | None, known_inode: int | None, stable: bool, verdict: RootVerdict
) -> None:
    assert verdict is judge_root(
        LOOK,
        7,
        known_file_system=known_file_system,
        known_inode=known_inode,
        identity_is_stable=stable,
    )


@linux
@pytest.mark.parametrize("folder", [None, Path("/dev/shm")])
def test_where_writes_are_told_apart_each_shows_however_soon(tmp_path: Path, folder: Path | None) -> None:
    with tempfile.TemporaryDirectory(dir=folder or tmp_path) as name:
        file = Path(name, "file")
        if not tells_writes_apart(mount_of(stored_from_bytes(os.fsencode(name))).type):
            pytest.skip("this kernel or file system does not")
        file.write_bytes(b"")
        for _ in range(2000):
            seen = file.stat().st_ctime_ns
            file.write_bytes(b"x")
            assert file.stat().st_ctime_ns != seen
