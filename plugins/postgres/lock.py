"""The engine lock of a PostgreSQL ledger: one row per host, with a lease.

The row of a process of this machine that is dead is taken over at once; that of any other when its
lease ends.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, NamedTuple

from treeledger.errors import EngineLocked
from treeledger.model import Holder
from treeledger.plugins.sql.repositories import reclaim
from treeledger.plugins.sql.values import moment
from treeledger.plugins.sql.work import Work, ask, run

LEASE: Final = timedelta(seconds=60)  # until the first renewal


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


class Engine(NamedTuple):
    """Who takes the lock."""

    host: str
    command: str
    owner: str
    address: str = ""  # where it listens

    @classmethod
    def new(cls, host: str, command: str) -> Engine:
        return cls(host, command, f"{host}:{os.getpid()}:{secrets.token_hex(4)}")


def take(engine: Engine) -> Work[None]:
    """Takes the lock of a host, and frees what its engines left. Raises EngineLocked with the holder."""
    host = engine.host
    rows = yield from ask("hold_engine_lock", host=host)
    if rows and _is_held(rows[0]):
        raise EngineLocked(_held_message(_holder_from(host, rows[0])))
    dead = rows[0][0] if rows else None
    if dead is not None:
        yield from run("drop_engine_lock", owner=dead)
    taken = yield from ask("take_engine_lock", **engine._asdict(), lease=LEASE, **this_process()._asdict())
    if not taken:
        raise EngineLocked(f"another treeledger is starting on {host}; try again")
    yield from reclaim(engine.owner, host=host, dead=dead)


def keep(engine: Engine, lease: timedelta) -> Work[None]:
    """Extends the lock; takes it again if it was lost meanwhile. Raises EngineLocked if another has it."""
    if not (yield from ask("renew_engine_lock", owner=engine.owner, lease=lease)):
        yield from take(engine)


def announce(engine: Engine) -> Work[None]:
    """Says where the engine listens."""
    yield from run("announce_engine", owner=engine.owner, address=engine.address)


def holder(host: str) -> Work[Holder | None]:
    """Who holds the lock of a host; None if nobody alive does."""
    rows = yield from ask("engine_lock", host=host)
    return _holder_from(host, rows[0]) if rows and _is_held(rows[0]) else None


def holders() -> Work[list[Holder]]:
    """Who holds the lock of any host."""
    rows = yield from ask("engine_locks")
    return [_holder_from(host, row) for host, *row in rows if _is_held(row)]


def _is_held(row: Sequence[Any]) -> bool:
    *_, lease_runs = row
    return lease_runs and not is_dead(Process(*row[1:5]))


def _holder_from(host: str, row: Sequence[Any]) -> Holder:
    owner, pid, _, _, _, command, since, address, _ = row
    return Holder(host, pid, command, moment(since), owner, address)


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
