"""The local tree keeps the contract of trees, and crosses no mount that it was not told to cross."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from treeledger.errors import RootOffline
from treeledger.model import ProblemCode
from treeledger.plugins.walker import LocalTree
from treeledger.protocols import Tree
from treeledger.testing.trees import FILE_SYSTEM, TreeContract, open_within


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Path]:
    """A folder with a tmpfs mounted at `root/mnt` and `root/plain` bound to `root/bound`."""
    if os.geteuid() != 0:
        pytest.skip("MOUNTS NOT TESTED: only root can mount")
    root = tmp_path / "root"
    for name in ("mnt", "plain", "bound"):
        (root / name).mkdir(parents=True)
    (root / "plain" / "file").write_bytes(b"")
    commands = [
        ["mount", "-t", "tmpfs", "none", f"{root}/mnt"],
        ["mount", "--bind", f"{root}/plain", f"{root}/bound"],
    ]
    mounts: list[Path] = []
    for command in commands:
        if subprocess.run(command, check=False, capture_output=True).returncode == 0:
            mounts.append(Path(command[-1]))
    if len(mounts) == len(commands):
        (root / "mnt" / "inside").write_bytes(b"")
        yield root
    for mount in mounts:
        subprocess.run(["umount", "--lazy", mount], check=True)
    if len(mounts) < len(commands):
        pytest.skip("MOUNTS NOT TESTED: this root may not mount")


class TestLocalTree(TreeContract):
    def build(self, root: Path, devices: dict[int, int]) -> Tree:
        return LocalTree(str(root), devices)

    def test_a_short_chain_of_descriptors_serves_a_deep_tree(self, root: Path) -> None:
        names = [f"d{number}" for number in range(40)]
        root.joinpath(*names).mkdir(parents=True)
        tree = LocalTree(str(root), {root.stat().st_dev: FILE_SYSTEM}, longest_chain=3)
        for depth in (*range(41), *range(40, -1, -1)):
            assert self.listed(tree, "/".join(names[:depth])).keys() == set(names[depth : depth + 1])
            assert open_within(root) <= 4
        tree.close()

    def test_it_goes_on_when_descriptors_run_out(self, root: Path) -> None:
        names = [f"d{number}" for number in range(40)]
        root.joinpath(*names).mkdir(parents=True)
        root.joinpath(*names, "file").write_bytes(b"x")
        tree = LocalTree(str(root), {root.stat().st_dev: FILE_SYSTEM})
        limits = resource.getrlimit(resource.RLIMIT_NOFILE)
        free = sorted(set(range(limits[0])) - set(map(int, os.listdir("/dev/fd"))))
        resource.setrlimit(resource.RLIMIT_NOFILE, (free[12], limits[1]))
        try:
            assert self.listed(tree, "/".join(names)).keys() == {"file"}
            assert self.read(tree, "/".join([*names, "file"])) == b"x"
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
            tree.close()

    def test_a_root_on_another_device_is_offline(self, root: Path) -> None:
        tree = LocalTree(str(root), {12345678: FILE_SYSTEM})
        with pytest.raises(RootOffline, match="another directory"):
            tree.entry("a")

    @pytest.mark.root
    def test_a_mount_is_not_crossed_unless_told(self, mounted: Path) -> None:
        device = mounted.stat().st_dev
        tree = LocalTree(str(mounted), {device: FILE_SYSTEM})
        entry = self.listed(tree)["mnt"]
        assert entry.is_directory
        assert entry.problem is not None
        assert entry.problem.code is ProblemCode.MOUNT_NOT_CROSSED
        with pytest.raises(OSError, match="not crossed"):
            tree.entry("mnt/inside")
        tree.close()
        crossing = LocalTree(str(mounted), {device: FILE_SYSTEM, (mounted / "mnt").stat().st_dev: 8})
        stat = self.listed(crossing, "mnt")["inside"].stat
        assert stat is not None
        assert (stat.file_system, crossing.file_system("mnt"), crossing.file_system("")) == (
            8,
            8,
            FILE_SYSTEM,
        )
        crossing.close()

    @pytest.mark.root
    def test_a_barred_bind_mount_is_not_crossed(self, mounted: Path) -> None:
        tree = LocalTree(str(mounted), {mounted.stat().st_dev: FILE_SYSTEM}, barred=["bound"])
        assert {name for name, entry in self.listed(tree).items() if entry.problem} == {"mnt", "bound"}
        with pytest.raises(OSError, match="not crossed"):
            tree.entry("bound/file")
        tree.close()

    @pytest.mark.root
    def test_without_o_noatime_rights_files_are_still_read(self, root: Path) -> None:
        """O_NOATIME is refused to all but the owner; here a foreign user reads a file of root's."""
        if os.geteuid() != 0:
            pytest.skip("OTHER USERS NOT TESTED: only root can become one")
        (root / "file").write_bytes(b"content")
        program = (
            "import os, sys; from treeledger.plugins.walker import LocalTree;"
            "os.chdir(sys.argv[1]); device = os.stat('.').st_dev; os.setgid(65534); os.setuid(65534);"
            "print(os.read(LocalTree('.', {device: 1}).open('file'), 100).decode())"
        )
        done = subprocess.run(
            [sys.executable, "-c", program, root], check=False, capture_output=True, text=True
        )
        assert (done.stdout, done.stderr) == ("content\n", "")
