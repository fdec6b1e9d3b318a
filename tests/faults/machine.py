"""What the fault tests do to the machine: mounts, other users. All of it is undone."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


def needs_root() -> None:
    """Skips, and says why, where the test may not do this to the machine."""
    if os.geteuid() != 0:
        pytest.skip("NOT TESTED: needs root, for mounts and other users; CI runs it")


def mount(path: Path, size: str = "32m") -> None:
    """Mounts an empty tmpfs at a folder, which is made if it is missing."""
    path.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", path], check=True)


def unmount(path: Path, *, lazily: bool = False) -> None:
    subprocess.run(["umount", *(["--lazy"] if lazily else []), path], check=True)


def bind(source: Path, path: Path) -> None:
    """Makes a folder reachable at another place too."""
    path.mkdir(exist_ok=True)
    subprocess.run(["mount", "--bind", source, path], check=True)


def unmount_all(path: Path) -> None:
    """Unmounts whatever is mounted at a path, even while it is in use."""
    while os.path.ismount(path):
        unmount(path, lazily=True)


class Disk:
    """An ext4 file system in a file, to be mounted again and again."""

    def __init__(self, image: Path) -> None:
        needs_root()
        self._image = image
        with open(image, "wb") as file:
            file.truncate(4 * 2**20)
        subprocess.run(["mkfs.ext4", "-q", "-F", image], check=True)
        self._holding: list[Path] = []

    def mount(self, path: Path) -> None:
        path.mkdir(exist_ok=True)
        subprocess.run(["mount", "-o", "loop", self._image, path], check=True)

    def occupy(self) -> None:
        """Takes the loop device that is free now, so that the next mount gets another."""
        image = self._image.with_suffix(f".{len(self._holding)}")
        with open(image, "wb") as file:
            file.truncate(2**20)
        device = subprocess.run(["losetup", "--find", "--show", image], check=True, capture_output=True)
        self._holding.append(Path(device.stdout.decode().strip()))

    def close(self) -> None:
        for device in self._holding:
            subprocess.run(["losetup", "--detach", device], check=True)


@contextmanager
def mounted(path: Path, size: str = "32m") -> Iterator[Path]:
    """A tmpfs at a folder; in the end everything mounted there is unmounted, even while it is in use."""
    needs_root()
    mount(path, size)
    try:
        yield path
    finally:
        unmount_all(path)
