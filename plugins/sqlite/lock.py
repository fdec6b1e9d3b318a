"""The engine lock of an SQLite ledger: an flock on `LEDGER.lock`, which the kernel releases on a crash."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from treeledger.errors import EngineLocked
from treeledger.model import Holder

_PATIENCE: Final = 0.2  # seconds; somebody who only looks holds the lock for an instant
_PAUSE: Final = 0.01


class EngineLock:
    """One process' hold on a ledger. The holder writes who it is into the file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None
        self._owner = ""

    def take(self, host: str, command: str) -> str:
        """Takes the lock and returns the owner's name. Raises EngineLocked with the holder."""
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if not _lock(descriptor):
            os.close(descriptor)
            raise EngineLocked(_held_message(self._path, self.holder()))
        self._descriptor = descriptor
        self._owner = f"{host}:{os.getpid()}:{secrets.token_hex(4)}"
        since = datetime.now(UTC).isoformat()
        who = {"host": host, "pid": os.getpid(), "command": command, "since": since, "owner": self._owner}
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps(who).encode(), 0)
        return self._owner

    def release(self, owner: str) -> None:
        """Gives the lock back, if it is this owner's. The file stays: removing it would race."""
        if self._descriptor is not None and owner == self._owner:
            os.ftruncate(self._descriptor, 0)
            os.close(self._descriptor)
            self._descriptor = None

    def close(self) -> None:
        self.release(self._owner)

    def holder(self) -> Holder | None:
        """Who holds the lock; None if nobody alive does."""
        try:
            descriptor = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return _holder_from(os.pread(descriptor, 65536, 0))
        finally:
            os.close(descriptor)
        return None


def _lock(descriptor: int) -> bool:
    end = time.monotonic() + _PATIENCE
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > end:
                return False
            time.sleep(_PAUSE)
        else:
            return True


def _holder_from(data: bytes) -> Holder:
    """What the holder wrote; it may be caught between taking the lock and writing."""
    try:
        said = json.loads(data)
        since = datetime.fromisoformat(said["since"])
        return Holder(said["host"], said["pid"], said["command"], since, said["owner"])
    except (ValueError, KeyError):
        return Holder("", 0, "treeledger", datetime.now(UTC))


def _held_message(path: Path, holder: Holder | None) -> str:
    if holder is None or not holder.pid:
        return f"another treeledger is starting on {path.with_suffix('')}; try again"
    return (
        f"treeledger {holder.command} (process {holder.pid} on {holder.host}, since "
        f"{holder.since:%Y-%m-%d %H:%M} UTC) has this ledger. Nothing was changed. "
        "Stop it, or work through it."
    )
