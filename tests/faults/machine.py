"""What the fault tests do to the machine: mounts, other users, limits. All of it is undone."""

from __future__ import annotations

import ctypes
import fcntl
import os
import struct
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

LIMITS = Path("/proc/sys/fs/inotify")
_IN_ACCESS, _IN_OPEN = 0x1, 0x20  # inotify(7)
_EVENT = struct.Struct("iIII")
_LONGEST_LOOK = 5.0  # seconds that a look at a disk may last
_LONGEST_TEST = 60.0  # seconds for which another test may have a loop device


def needs_root() -> None:
    """Skips, and says why, where the test may not do this to the machine."""
    if os.geteuid() != 0:
        pytest.skip("NOT TESTED: needs root, for mounts and other users; CI runs it")


def mount(path: Path, size: str = "32m") -> None:
    """Mounts an empty tmpfs at a folder, which is made if it is missing."""
    path.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", path], check=True)


def unmount(path: Path, *, lazily: bool = False) -> None:
    """Not lazily, it is tried until nobody is in the middle of a look at it; fails if that takes long."""
    _until_free(_LONGEST_LOOK, "umount", *(["--lazy"] if lazily else []), path)


def _until_free(within: float, *command: str | Path) -> None:
    """Runs a command again and again while what it is about is busy, for so many seconds."""
    end = time.monotonic() + within
    while (done := subprocess.run(command, capture_output=True, text=True, check=False)).returncode:
        assert "busy" in done.stderr, done
        assert time.monotonic() < end, f"busy for {within:g} s: {done.args}"
        time.sleep(0.02)


def bind(source: Path, path: Path) -> None:
    """Makes a folder reachable at another place too."""
    path.mkdir(exist_ok=True)
    subprocess.run(["mount", "--bind", source, path], check=True)


def unmount_all(path: Path) -> None:
    """Unmounts whatever is mounted at a path, even while it is in use."""
    while _is_mounted(path):
        unmount(path, lazily=True)


def _is_mounted(path: Path) -> bool:
    """Also where it is a bind mount of the same file system, which `os.path.ismount` does not see."""
    return any(line.split()[4] == str(path) for line in Path("/proc/self/mountinfo").read_text().splitlines())


class Disk:
    """An ext4 file system in a file, to be mounted again and again."""

    def __init__(self, image: Path, *, inode_size: int = 256) -> None:
        """`inode_size` in bytes: of 128, file times go by seconds."""
        needs_root()
        self._image = image
        with open(image, "wb") as file:
            file.truncate(4 * 2**20)
        subprocess.run(["mkfs.ext4", "-q", "-F", "-I", str(inode_size), image], check=True)
        self._holding: list[Path] = []

    def mount(self, path: Path) -> None:
        path.mkdir(exist_ok=True)
        subprocess.run(["mount", "-o", "loop", self._image, path], check=True)
        self._device = Path(f"/dev/loop{os.minor(path.stat().st_dev)}")

    def occupy(self) -> None:
        """Takes the loop device that it was mounted by, so that the next mount gets another."""
        image = self._image.with_suffix(f".{len(self._holding)}")
        with open(image, "wb") as file:
            file.truncate(2**20)
        _until_free(_LONGEST_TEST, "losetup", self._device, image)
        self._holding.append(self._device)

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


class Opened:
    """Hears of every opening of some paths, by anybody, within its block (Linux)."""

    def __init__(self, *paths: Path) -> None:
        self._paths = paths
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._descriptor = -1
        self._by_watch: dict[int, str] = {}

    def __enter__(self) -> Opened:
        self._descriptor = self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        for path in self._paths:
            watch = self._libc.inotify_add_watch(self._descriptor, os.fsencode(path), _IN_OPEN | _IN_ACCESS)
            assert watch > 0, os.strerror(ctypes.get_errno())
            self._by_watch[watch] = path.name
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)

    def names(self) -> list[str]:
        """The names of what was opened or read, since the last call."""
        try:
            events = os.read(self._descriptor, 65536)
        except BlockingIOError:
            return []
        watches = set()
        while events:
            watch, _, _, length = _EVENT.unpack_from(events)
            watches.add(watch)
            events = events[_EVENT.size + length :]
        return sorted(self._by_watch.get(watch, "overflow") for watch in watches)


def fill(ballast: Path) -> None:
    """Fills the disk of a file with it."""
    with ballast.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(b"x" * 4096)


@contextmanager
def limit(name: str, value: int) -> Iterator[None]:
    """Sets a limit of inotify for a while, for the whole machine; one test run at a time."""
    file = LIMITS / name
    with open(Path(tempfile.gettempdir()) / "treeledger-test-limits.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        before = file.read_text()
        try:
            file.write_text(str(value))
        except OSError:
            pytest.skip("NOT TESTED: may not set limits of the system; CI runs it")
        try:
            yield
        finally:
            file.write_text(before)


def watches_held() -> int:
    """The inotify watches that all processes hold, as the limit counts them."""
    held = 0
    for info in Path("/proc").glob("[0-9]*/fdinfo/*"):
        try:
            held += sum(line.startswith("inotify wd:") for line in info.read_text().splitlines())
        except OSError:
            continue
    return held
