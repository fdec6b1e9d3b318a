"""The trees that are measured: made once, kept, and never changed but by who says so."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Final

_SOURCE: Final = "linux-source-6.1"
_LARGE: Final = 512 << 20  # bytes
_MIXED: Final = 40  # files in a folder
_WIDE: Final = 16


class Trees:
    """Trees below one folder, and what peers keep of them; each is made when it is first asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def small(self, files: int) -> Path:
        """Files of 100 B to 4 kB, forty to a folder, a hundred folders to a folder."""
        return self.kept(f"small-{files}", lambda root: make_small(root, files, _MIXED))

    def wide(self, files: int) -> Path:
        """The like, sixteen to a folder: 80,000 files are in 5,000 folders."""
        return self.kept(f"wide-{files}", lambda root: make_small(root, files, _WIDE))

    def source(self) -> Path:
        """A real source tree of 79,000 files; where it cannot be had, small files stand in for it."""
        return self.kept("source", _unpack)

    def large(self, files: int) -> Path:
        """Files of 512 MiB."""
        return self.kept(f"large-{files}", lambda root: make_large(root, files))

    def kept(self, name: str, make: Callable[[Path], object]) -> Path:
        """A folder that is filled once, and again if that was interrupted."""
        root, done = self.folder / name, self.folder / f"{name}.done"
        if not done.exists():
            shutil.rmtree(root, ignore_errors=True)
            root.mkdir(parents=True)
            make(root)
            done.touch()
        return root


def make_small(root: Path, files: int, in_folder: int) -> None:
    source = random.Random(1)
    for number in range(files):
        place = number // in_folder
        folder = root / f"{place // 100:03d}" / f"{place % 100:02d}"
        if number % in_folder == 0:
            folder.mkdir(parents=True, exist_ok=True)
        content = source.randbytes(source.randint(100, 4000))
        (folder / f"file_{number % in_folder:03d}.txt").write_bytes(content)


def make_large(root: Path, files: int) -> None:
    block = random.Random(2).randbytes(1 << 20)
    for number in range(files):
        with (root / f"{number:02d}.bin").open("wb") as file:
            for part in range(_LARGE >> 20):
                file.write((number << 32 | part).to_bytes(8, "big") + block[8:])


def _unpack(root: Path) -> None:
    archive = Path(f"/usr/src/{_SOURCE}.tar.xz")
    if not archive.exists() and os.geteuid() == 0 and shutil.which("apt-get"):
        subprocess.run(["apt-get", "install", "-qq", "--no-install-recommends", _SOURCE], check=False)
    if archive.exists():
        subprocess.run(["tar", "-C", root, "-xJf", archive], check=True)
    else:
        print(f"{_SOURCE} cannot be had here: 79,000 small files stand in for it", flush=True)
        make_small(root, 79_000, _MIXED)
