"""The engine lock of a PostgreSQL ledger: one row per host, with a lease.

The row of a process of this machine that is dead is taken over at once; that of any other when its
lease ends.
"""

from __future__ import annotations

import os
import secrets
from datetime import timedelta
from pathlib import Path
from typing import Final, NamedTuple

from treeledger.errors import EngineLocked
from treeledger.model import Holder
from treeledger.plugins.sql.values import moment
from treeledger.plugins.sql.work import Row, Work, ask, run

_LEASE: Final = timedelta(seconds=60)  # until the first renewal


class Process(NamedTuple):
    """A process, so that it is not taken for another that was given its number later."""

    pid: int
    started: str  # in clock ticks since the boot; "" where the system does not say
    pid_space: str
    boot: str


def this_process() -> Process:
    return Process(os.getpid(), _started(os.getpid()), _pid_space(), _boot())


def is_dead(process: Process) -> bool:
    """Whether it surely no longer runs: only a process of this boot and this number space can be known."""
    if not process.started or (process.boot, process.pid_space) != (_boot(), _pid_space()):
        return False
    return _started(process.pid) != process.started


def take(host: str, command: str) -> Work[str]:
    """Takes the lock of a host and returns the owner's name. Raises EngineLocked with the holder."""
    owner = f"{host}:{os.getpid()}:{secrets.token_hex(4)}"
    rows = yield from ask("hold_engine_lock", host=host)
    if rows and _is_held(rows[0]):
        raise EngineLocked(_held_message(_holder_from(host, rows[0])))
    if rows:
        yield from run("drop_engine_lock", owner=rows[0][0])
    taken = yield from ask(
        "take_engine_lock",
        host=host,
        owner=owner,
        command=command,
        lease=_LEASE,
        **this_process()._asdict(),
    )
    if not taken:
        raise EngineLocked(f"another treeledger is starting on {host}; try again")
    return owner


def holder(host: str) -> Work[Holder | None]:
    """Who holds the lock of a host; None if nobody alive does."""
    rows = yield from ask("engine_lock", host=host)
    return _holder_from(host, rows[0]) if rows and _is_held(rows[0]) else None


def _is_held(row: Row) -> bool:
    *_, lease_runs = row
    return lease_runs and not is_dead(Process(*row[1:5]))


def _holder_from(host: str, row: Row) -> Holder:
    owner, pid, _, _, _, command, since, _ = row
    return Holder(host, pid, command, moment(since), owner)


def _held_message(holder: Holder) -> str:
    return (
        f"treeledger {holder.command} (process {holder.pid} on {holder.host}, since "
        f"{holder.since:%Y-%m-%d %H:%M} UTC) has this ledger. Nothing was changed. "
        "Stop it, or work through it."
    )


def _started(pid: int) -> str:
    """When a process started: the 22nd field of its stat, counted after the name, which may hold anything."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace")
    except OSError:
        return ""
    fields = stat.rpartition(")")[2].split()
    return "" if fields[0] in "ZX" else fields[19]


def _pid_space() -> str:
    try:
        return str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return ""


def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""
