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


def unmount(path: Path) -> None:
    subprocess.run(["umount", path], check=True)


@contextmanager
def mounted(path: Path, size: str = "32m") -> Iterator[Path]:
    """A tmpfs at a folder; in the end everything mounted there is unmounted, even while it is in use."""
    needs_root()
    mount(path, size)
    try:
        yield path
    finally:
        while os.path.ismount(path):
            subprocess.run(["umount", "--lazy", path], check=True)
