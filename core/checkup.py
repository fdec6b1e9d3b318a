"""What `treeledger doctor` looks at on this machine: limits, clock, store, roots. Nothing is changed."""

from __future__ import annotations

import os
import resource
import stat as modes
import sys
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from treeledger.config.settings import RepositorySettings
from treeledger.doctor import Check, CheckState
from treeledger.errors import RootOffline
from treeledger.fs.mounts import is_network
from treeledger.fs.root import look_at_root
from treeledger.model import Repository
from treeledger.names import os_from_stored, parent, shown
from treeledger.plugin_manager import PluginStatus
from treeledger.protocols import Migration
from treeledger.units import show_count, show_duration

_LIMITS: Final = Path("/proc/sys/fs/inotify")
_OTHERS: Final = modes.S_IRWXG | modes.S_IRWXO
_FEW_DESCRIPTORS: Final = 1024
_SKEW: Final = timedelta(minutes=1)
_THIS_PROGRAM: Final = datetime(2026, 1, 1, tzinfo=UTC)  # no clock is before that which is right


def check_plugins(statuses: Sequence[PluginStatus], needed: Collection[str]) -> Iterator[Check]:
    """`needed`: what is wrong with those that the configuration names."""
    broken = [status.error for status in statuses if status.error is not None]
    for error in broken:
        is_needed = any(said.startswith(error) for said in needed)
        state = CheckState.FAIL if is_needed else CheckState.WARN
        yield Check("plugin", state, error, "repair or remove it, or switch it off with enabled = false")
    if not broken:
        count = sum(status.enabled for status in statuses)
        yield Check("plugins", CheckState.OK, f"{show_count(count)} are loaded")


def check_descriptors() -> Check:
    """Whether enough files may be open at once: large ones are read side by side, folders held open."""
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit == resource.RLIM_INFINITY or limit >= _FEW_DESCRIPTORS:
        return Check("open files", CheckState.OK, f"{limit:,} are allowed")
    advice = f"ulimit -n {_FEW_DESCRIPTORS}, or LimitNOFILE={_FEW_DESCRIPTORS} in the systemd unit"
    return Check("open files", CheckState.WARN, f"only {limit:,} are allowed", advice)


def check_clock(now: datetime, newest: datetime | None) -> Check:
    """`newest`: the time of the newest entry of the journal."""
    advice = "set the clock, and keep it right with NTP (timedatectl set-ntp true)"
    if now < _THIS_PROGRAM:
        return Check("clock", CheckState.FAIL, f"says {now:%Y-%m-%d %H:%M} UTC, which cannot be", advice)
    if newest is not None and newest > now + _SKEW:
        ahead = show_duration((newest - now).total_seconds())
        return Check("clock", CheckState.WARN, f"is {ahead} before the newest entry of the journal", advice)
    return Check("clock", CheckState.OK, f"{now:%Y-%m-%d %H:%M} UTC")


def check_watches(folders: int, repositories: int, limits: Path = _LIMITS) -> Iterator[Check]:
    """`folders` of all repositories that take a watch each, as far as the ledger knows them."""
    if sys.platform != "linux":
        return
    for name, key, needed in (
        ("inotify watches", "max_user_watches", folders),
        ("inotify instances", "max_user_instances", repositories),
    ):
        try:
            limit = int((limits / key).read_text())
        except (OSError, ValueError) as error:
            yield Check(name, CheckState.WARN, f"{limits / key} cannot be read: {error}")
            continue
        found = f"about {show_count(needed)} needed, {show_count(limit)} allowed to this user"
        advice = f"sysctl -w fs.inotify.{key}={max(2 * needed, 2 * limit)}, and a line in /etc/sysctl.d/"
        if needed > limit:
            yield Check(name, CheckState.WARN, f"{found}; the rest is only scanned", advice)
        elif needed > 0.8 * limit:
            yield Check(name, CheckState.WARN, f"{found}; other programs need some too", advice)
        else:
            yield Check(name, CheckState.OK, found)


def count_folders(paths: Iterable[str], before: str = "") -> int:
    """How many folders hold these paths, given in order after the path `before`."""
    count = 0
    last = parent(before)
    for path in paths:
        above = parent(path)
        if above != last:
            count += _new_folders(last, above)
            last = above
    return count


def _new_folders(last: str, above: str) -> int:
    old, new = last.split("/"), above.split("/")
    shared = next(
        (n for n, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), min(len(old), len(new))
    )
    return len(new) - shared if above else 0


def check_schema(url: str, migrations: Sequence[Migration]) -> Check:
    newer = [one for one in migrations if not one.known]
    missing = [one for one in migrations if one.known and one.applied_at is None]
    if newer:
        advice = "upgrade this treeledger, or name another ledger with --store"
        return Check("schema", CheckState.FAIL, f"{url} is of a newer treeledger", advice)
    if missing and len(missing) == len(migrations):
        return Check("schema", CheckState.OK, f"{url} is new; the first command that needs it makes it")
    if missing:
        message = f"{url} lacks {len(missing)} migrations"
        return Check("schema", CheckState.WARN, message, "treeledger migrate up")
    return Check("schema", CheckState.OK, f"{url}, version {migrations[-1].version}")


def check_store_files(paths: Iterable[str]) -> Iterator[Check]:
    """Whether this user can write the store's own files, and beside them."""
    for path in paths:
        name = os_from_stored(path)
        existing = name if os.path.exists(name) else _nearest(name)
        folder = os.path.dirname(existing) if os.path.isfile(existing) else existing
        blocked = [one for one in (existing, folder) if not os.access(one, os.W_OK)]
        if blocked:
            advice = f"give this user (id {os.geteuid()}) the right to write there"
            yield Check("store", CheckState.FAIL, f"{blocked[0]} cannot be written", advice)
        elif os.path.isfile(name) and (mode := modes.S_IMODE(os.stat(name).st_mode)) & _OTHERS:
            message = f"{shown(path)} is open to others (mode {mode:04o}): names and hashes of all files"
            yield Check("store", CheckState.WARN, message, f"chmod go= {name} {name}-wal {name}-shm")
        else:
            yield Check("store", CheckState.OK, f"{shown(path)} can be written")


def _nearest(name: str) -> str:
    """The nearest folder above that exists."""
    folder = os.path.dirname(name)
    while not os.path.isdir(folder):
        folder = os.path.dirname(folder)
    return folder


def check_root(repository: Repository, settings: RepositorySettings) -> Check:
    """Whether a root is there, can be read, and how its changes are heard."""
    name = f"repository {repository.name}"
    try:
        look = look_at_root(repository.root, settings.marker)
    except RootOffline as error:
        advice = "mount it, or correct its rights; treeledger scans then"
        return Check(name, CheckState.FAIL, str(error), advice)
    where = f"{shown(repository.root)} ({look.type or 'unknown type'})"
    if not os.access(os_from_stored(repository.root), os.R_OK | os.X_OK):
        return Check(name, CheckState.FAIL, f"{where} cannot be read", "give this user the right to read it")
    if look.is_empty and repository.files:
        message = f"{where} is empty, {show_count(repository.files)} files are on record"
        return Check(name, CheckState.FAIL, message, "is it mounted?")
    if is_network(look.type):
        if settings.file_watcher.source not in ("auto", "polling"):
            advice = 'file_watcher = { source = "auto" } polls it instead'
            return Check(name, CheckState.WARN, f"{where} does not tell of changes made elsewhere", advice)
        advice = "run treeledger where the disk is, to hear of changes at once"
        return Check(name, CheckState.WARN, f"{where} is on the network, so it is polled", advice)
    return Check(name, CheckState.OK, f"{where}, {show_count(repository.files)} files")
