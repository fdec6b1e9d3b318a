"""The engine lock of an SQLite ledger: an flock on `LEDGER.lock`, which the kernel releases on a crash."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from treeledger.errors import EngineLocked
from treeledger.model import Holder

_PATIENCE: Final = 0.2  # seconds; somebody who only looks holds the lock for an instant
_PAUSE: Final = 0.01


class EngineLock:
    """One process' hold on a ledger. The holder writes who it is into the file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None
        self._said: dict[str, str | int] = {}
        self._keeping = threading.Lock()

    @property
    def owner(self) -> str:
        """The name of who has taken the lock here; "" if nobody has."""
        return str(self._said["owner"]) if self._descriptor is not None else ""

    def take(self, host: str, command: str) -> str | None:
        """Takes the lock; returns the owner who died with it. Raises EngineLocked with the holder."""
        pid = os.getpid()
        owner, since = f"{host}:{pid}:{secrets.token_hex(4)}", datetime.now(UTC).isoformat()
        return self._take({"host": host, "pid": pid, "command": command, "since": since, "owner": owner})

    def keep(self) -> None:
        """Takes the lock again if somebody removed its file. Raises EngineLocked if another was faster."""
        with self._keeping:
            if self._descriptor is not None and not _is_at(self._descriptor, self._path):
                lost = self._descriptor
                self._take(self._said)
                os.close(lost)

    def _take(self, said: dict[str, str | int]) -> str | None:
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        if not _lock(descriptor):
            os.close(descriptor)
            raise EngineLocked(_held_message(self._path, self.holder()))
        left = _read(descriptor)
        self._descriptor = descriptor
        self._say(said)
        return left.get("owner")

    def announce(self, owner: str, address: str) -> None:
        """Says where this owner listens, if the lock is its."""
        with self._keeping:
            if self._descriptor is not None and owner == self.owner:
                self._say({**self._said, "address": address})

    def _say(self, said: dict[str, str | int]) -> None:
        assert self._descriptor is not None
        self._said = said
        text = json.dumps(said).encode()
        os.pwrite(self._descriptor, text, 0)
        os.ftruncate(self._descriptor, len(text))

    def release(self, owner: str) -> None:
        """Gives the lock back, if it is this owner's. The file stays: removing it would race."""
        if self._descriptor is not None and owner == self.owner:
            os.ftruncate(self._descriptor, 0)
            os.close(self._descriptor)
            self._descriptor = None

    def close(self) -> None:
        self.release(self.owner)

    def holder(self) -> Holder | None:
        """Who holds the lock; None if nobody alive does."""
        try:
            descriptor = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return _holder_from(_read(descriptor))
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


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except FileNotFoundError:
        return False


def _read(descriptor: int) -> dict[str, Any]:
    """What the holder wrote; it may be caught, or have died, between taking the lock and writing."""
    try:
        said = json.loads(os.pread(descriptor, 65536, 0))
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}


def _holder_from(said: dict[str, Any]) -> Holder:
    try:
        since = datetime.fromisoformat(said["since"])
        return Holder(
            said["host"], said["pid"], said["command"], since, said["owner"], said.get("address", "")
        )
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
