"""What `treeledger doctor` looks at on this machine beside the ledger: limits, room, clocks, the socket."""

from __future__ import annotations

import os
import re
import resource
import shutil
import stat as modes
import sys
import zoneinfo
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from treeledger.doctor import Check, CheckState
from treeledger.names import os_from_stored, shown
from treeledger.units import show_count, show_duration, show_size

_INOTIFY: Final = Path("/proc/sys/fs/inotify")
_FEW_DESCRIPTORS: Final = 1024
_SHORT_QUEUE: Final = 16_384  # events; the kernel's default
_SKEW: Final = timedelta(minutes=1)
_STORE_SKEW: Final = timedelta(seconds=5)
_THIS_PROGRAM: Final = datetime(2026, 1, 1, tzinfo=UTC)  # no clock is before that which is right
_ROOM: Final = 200_000_000  # bytes; and once more what the ledger has, for the backup before a migration
_SLOW_STORE: Final = 0.05  # seconds for a small answer
_LONGEST_SOCKET: Final = 107  # bytes, see unix(7)
_POSIX_ZONE: Final = re.compile(r"(<[\w+-]{3,}>|[A-Za-z]{3,})[+-]?\d.*")  # as CET-1CEST, see tzset(3)


def check_descriptors() -> Check:
    """Whether enough files may be open at once: large ones are read side by side, folders held open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard == resource.RLIM_INFINITY or hard >= _FEW_DESCRIPTORS:
        most = "any number" if hard == resource.RLIM_INFINITY else f"{hard:,}"
        return Check("open files", CheckState.OK, f"{soft:,} are allowed, {most} to a daemon")
    advice = f"ulimit -n {_FEW_DESCRIPTORS}, or LimitNOFILE={_FEW_DESCRIPTORS} in the systemd unit"
    return Check("open files", CheckState.WARN, f"only {hard:,} are allowed", advice)


def check_watches(folders: int, repositories: int, limits: Path = _INOTIFY) -> Iterator[Check]:
    """`folders` of all repositories that take a watch each, as far as the ledger knows them."""
    if sys.platform != "linux":
        return
    for name, key, needed in (
        ("inotify watches", "max_user_watches", folders),
        ("inotify instances", "max_user_instances", repositories),
    ):
        limit = _limit(limits / key)
        if limit is None:
            yield Check(name, CheckState.WARN, f"{limits / key} cannot be read")
            continue
        found = f"about {show_count(needed)} needed, {show_count(limit)} allowed to this user"
        advice = _raise(key, max(2 * needed, 2 * limit))
        if needed > limit:
            yield Check(name, CheckState.WARN, f"{found}; the rest is only scanned", advice)
        elif needed > 0.8 * limit:
            yield Check(name, CheckState.WARN, f"{found}; other programs need some too", advice)
        else:
            yield Check(name, CheckState.OK, found)
    queue = _limit(limits / "max_queued_events")
    if queue is not None and queue < _SHORT_QUEUE:
        found = f"{show_count(queue)} events; when more come at once, the whole tree is scanned again"
        yield Check("inotify queue", CheckState.WARN, found, _raise("max_queued_events", _SHORT_QUEUE))
    elif queue is not None:
        yield Check("inotify queue", CheckState.OK, f"{show_count(queue)} events")


def _limit(file: Path) -> int | None:
    try:
        return int(file.read_text())
    except (OSError, ValueError):
        return None


def _raise(key: str, number: int) -> str:
    return f"sysctl -w fs.inotify.{key}={number}, and a line in /etc/sysctl.d/"


def check_room(paths: Iterable[str]) -> Iterator[Check]:
    """Whether the disks of the store's own files have room: to grow, and for a copy of the ledger."""
    for path in paths:
        name = os_from_stored(path)
        size = os.stat(name).st_size if os.path.isfile(name) else 0
        free = shutil.disk_usage(nearest_folder(name)).free
        found = f"{show_size(free)} are free for {shown(path)}, which has {show_size(size)}"
        if free < size + _ROOM:
            advice = "make room, or move the ledger with --store; a migration makes a copy of it first"
            yield Check("room", CheckState.WARN, found, advice)
        else:
            yield Check("room", CheckState.OK, found)


def nearest_folder(name: str) -> str:
    """The nearest folder above that exists."""
    folder = os.path.dirname(name)
    while not os.path.isdir(folder):
        folder = os.path.dirname(folder)
    return folder


def check_clock(now: datetime, newest: datetime | None) -> Check:
    """`newest`: the time of the newest entry of the journal."""
    advice = "set the clock, and keep it right with NTP (timedatectl set-ntp true)"
    if now < _THIS_PROGRAM:
        return Check("clock", CheckState.FAIL, f"says {now:%Y-%m-%d %H:%M} UTC, which cannot be", advice)
    if newest is not None and newest > now + _SKEW:
        ahead = show_duration((newest - now).total_seconds())
        return Check("clock", CheckState.WARN, f"is {ahead} before the newest entry of the journal", advice)
    return Check("clock", CheckState.OK, f"{now:%Y-%m-%d %H:%M} UTC")


def check_store_clock(now: datetime, of_store: datetime) -> Check:
    """The ledger's times are those of the store's clock, schedules go by this machine's."""
    apart = (of_store - now).total_seconds()
    if abs(apart) > _STORE_SKEW.total_seconds():
        direction = "ahead of" if apart > 0 else "behind"
        message = f"is {show_duration(abs(apart))} {direction} this machine's"
        return Check("clock of the store", CheckState.WARN, message, "keep both right with NTP")
    return Check("clock of the store", CheckState.OK, "agrees with this machine's")


def check_time_zone(environ: Mapping[str, str], folders: Sequence[str] = zoneinfo.TZPATH) -> Check:
    """In which time cron expressions and quiet hours are. An unknown TZ silently means UTC: see tzset(3)."""
    name = environ.get("TZ", "").removeprefix(":")
    is_there = name.startswith("/") and os.path.isfile(name)
    if not name or is_there or _is_known(name, folders) or _POSIX_ZONE.fullmatch(name):
        zone = datetime.now().astimezone()
        return Check("time zone", CheckState.OK, f"{name or 'the local one'}, now {zone:%H:%M %Z}")
    message = f"TZ={shown(name)} is not known here, so schedules go by UTC"
    return Check("time zone", CheckState.WARN, message, "correct the name, or install tzdata")


def _is_known(name: str, folders: Sequence[str]) -> bool:
    return any(os.path.isfile(os.path.join(folder, name)) for folder in folders)


def check_latency(seconds: float) -> Check:
    """`seconds` that the store took for a small answer."""
    found = f"{1000 * seconds:.1f} ms for a small answer"
    if seconds > _SLOW_STORE:
        advice = "have the store on a local disk or in the same network: scans wait for it"
        return Check("latency of the store", CheckState.WARN, found, advice)
    return Check("latency of the store", CheckState.OK, found)


def check_socket(path: Path) -> Check:
    """Whether an engine could listen at a path, and nobody else could in its place."""
    name, advice = "socket", "name another path as socket in [api]"
    if len(os.fsencode(path)) > _LONGEST_SOCKET:
        message = f"{path} is longer than {_LONGEST_SOCKET} bytes, which no socket's name may be"
        return Check(name, CheckState.FAIL, message, advice)
    if path.exists() and not path.is_socket():
        return Check(name, CheckState.FAIL, f"{path} is there and is no socket", advice)
    folder = nearest_folder(str(path))
    mode = os.stat(folder).st_mode
    if not os.access(folder, os.W_OK | os.X_OK):
        return Check(name, CheckState.FAIL, f"{folder} cannot be written", advice)
    if mode & modes.S_IWOTH and not mode & modes.S_ISVTX:
        message = f"others can write {folder} and put a socket of theirs in the place of ours"
        return Check(name, CheckState.WARN, message, f"chmod o-w {folder}")
    return Check(name, CheckState.OK, str(path))
