"""What `treeledger doctor` looks at of a ledger: plugins, store, roots, engine. Nothing is changed."""

from __future__ import annotations

import os
import stat as modes
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Final

from treeledger.config.settings import RepositorySettings
from treeledger.doctor import Check, CheckState
from treeledger.errors import RootOffline
from treeledger.fs.mounts import is_network
from treeledger.fs.root import look_at_root
from treeledger.machine import nearest_folder
from treeledger.model import Holder, Repository
from treeledger.names import os_from_stored, parent, shown
from treeledger.plugin_manager import PluginStatus
from treeledger.protocols import Migration
from treeledger.repositories import ITS_NAME, called_otherwise
from treeledger.units import show_count, show_number

_OTHERS: Final = modes.S_IRWXG | modes.S_IRWXO
_TROUBLED: Final = {
    "offline": "mount or restore it; treeledger scans then",
    "degraded": "treeledger problems, and the log of the engine, say more",
    "held": "treeledger deletions list",
}


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
    newer = [one for one in migrations if not (one.known or one.is_half_copy)]
    missing = [one for one in migrations if one.known and one.applied_at is None]
    if any(one.is_half_copy for one in migrations):
        advice = "copy it to its end: treeledger store copy FROM TO; or delete it and begin anew"
        return Check("schema", CheckState.FAIL, f"{url} is half a copy of another ledger", advice)
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
        existing = name if os.path.exists(name) else nearest_folder(name)
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


def check_host(host: str, repositories: Sequence[Repository]) -> Iterator[Check]:
    """Whether this machine goes by a name that the ledger's repositories know it by."""
    if message := called_otherwise(host, repositories):
        yield Check("host", CheckState.WARN, message, ITS_NAME)


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
        message = f"{where} is empty, {show_number(repository.files, 'file is', 'files are')} on record"
        return Check(name, CheckState.FAIL, message, "is it mounted?")
    if is_network(look.type):
        if settings.file_watcher.source not in ("auto", "polling"):
            advice = 'file_watcher = { source = "auto" } polls it instead'
            return Check(name, CheckState.WARN, f"{where} does not tell of changes made elsewhere", advice)
        advice = "run treeledger where the disk is, to hear of changes at once"
        return Check(name, CheckState.WARN, f"{where} is on the network, so it is polled", advice)
    return Check(name, CheckState.OK, f"{where}, {show_number(repository.files, 'file')}")


def check_engine(holder: Holder | None, why_not_ready: str | None) -> Check:
    """`why_not_ready`: what its API says, None if it is ready or has none."""
    if holder is None:
        return Check("engine", CheckState.OK, "none is running; treeledger daemon starts one")
    found = f"{holder.command}, process {holder.pid}, since {holder.since:%Y-%m-%d %H:%M} UTC"
    if why_not_ready is not None:
        advice = "its log says more; if it does not go on by itself, start it again"
        return Check("engine", CheckState.FAIL, f"{found}: {why_not_ready}", advice)
    return Check("engine", CheckState.OK, found)


def check_kept(holder: Holder, repositories: Sequence[Repository], now: datetime) -> Iterator[Check]:
    """Whether a running engine cares for what it has taken. `now` is of the store's clock."""
    for one in repositories:
        name = f"watching {one.name}"
        is_late = one.lease_until is not None and one.lease_until < now
        if one.owner == holder.owner and is_late:
            message = f"the engine has not renewed its lease since {one.lease_until:%H:%M:%S} UTC"
            yield Check(name, CheckState.FAIL, message, "its log says why; start it again")
        state = one.health.get("state")
        if one.health.get("owner") == holder.owner and not one.paused and state in _TROUBLED:
            message = f"{state}: {one.health.get('message', '')}".removesuffix(": ")
            yield Check(name, CheckState.WARN, message, _TROUBLED[state])
