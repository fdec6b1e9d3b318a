"""`treeledger doctor`: limits, roots, store, clock, plugins, and what to do about what is not well."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from time import perf_counter
from typing import Final
from uuid import UUID

import anyio
import anyio.to_thread

from treeledger import checkup, machine
from treeledger.api.probe import why_not_ready
from treeledger.api.sockets import socket_path
from treeledger.cli.options import Options
from treeledger.cli.render import has_colour, paint, print_json
from treeledger.cli.unopened import configuration_of, unopened_store
from treeledger.config.configuration import Configuration
from treeledger.config.discovery import state_folder
from treeledger.config.environment import unread_variables
from treeledger.doctor import Check, CheckState, worst
from treeledger.errors import TreeledgerError
from treeledger.fs.mounts import host_id
from treeledger.model import Repository
from treeledger.names import shown, successor
from treeledger.plugin_check import load_each
from treeledger.plugin_manager import PluginManager
from treeledger.protocols import Store

_COLOURS: Final = {CheckState.OK: "32", CheckState.WARN: "33", CheckState.FAIL: "1;31"}
_PAGE: Final = 10_000
_ANSWERS: Final = 5  # of the store; the quickest is its latency, as this machine may have held up the others
_UNIX: Final = "unix:"


def run(options: Options) -> int:
    """Prints every check; 1 if one failed."""
    checks = anyio.run(partial(_examine, options))
    for check in checks:
        if options.json:
            print_json(
                {
                    "name": check.name,
                    "state": check.state.value,
                    "message": check.message,
                    "advice": check.advice,
                }
            )
        elif not (options.quiet and check.state is CheckState.OK):
            _print(check)
    return 1 if worst(checks) is CheckState.FAIL else 0


def _print(check: Check) -> None:
    state = paint(f"{check.state.value:<4}", _COLOURS[check.state], has_colour())
    print(f"{state}  {shown(check.name)}: {shown(check.message)}")
    if check.advice and check.state is not CheckState.OK:
        print(f"      {shown(check.advice)}")


async def _examine(options: Options) -> list[Check]:
    checks = [machine.check_descriptors(), machine.check_time_zone(os.environ)]
    try:
        configuration = configuration_of(options)
    except TreeledgerError as error:
        return [*checks, _failed("configuration", error), machine.check_clock(datetime.now(UTC), None)]
    label = configuration.label if configuration.path else "no plugins.toml is in use; the defaults hold"
    checks.append(Check("configuration", CheckState.OK, label))
    checks.append(machine.check_socket(socket_path(configuration.api, state_folder())))
    checks += [Check("environment", CheckState.WARN, text) for text in unread_variables(os.environ)]
    plugins = PluginManager(configuration)
    checks += _of_plugins(plugins, configuration)
    try:
        async with unopened_store(configuration, plugins, options.store) as store:
            checks += await _of_store(store, configuration)
    except TreeledgerError as error:
        checks.append(_failed("store", error))
    return checks


def _failed(name: str, error: TreeledgerError) -> Check:
    return Check(name, CheckState.FAIL, str(error))


def _of_plugins(plugins: PluginManager, configuration: Configuration) -> list[Check]:
    """That they load, that the tables are theirs, and what they looked at themselves."""
    try:
        needed = [str(error) for error in load_each(plugins)]
        checks = list(checkup.check_plugins(plugins.plugins(), needed))
    except TreeledgerError as error:
        return [_failed("plugins", error)]
    try:
        plugins.check([configuration.settings_for()])
        return checks + plugins.doctor_checks()
    except TreeledgerError as error:
        return [*checks, _failed("plugins", error)]


async def _of_store(store: Store, configuration: Configuration) -> list[Check]:
    migrations = await store.migrations()
    schema = checkup.check_schema(store.url, migrations)
    own = store.own_paths()
    checks = [*checkup.check_store_files(own), *machine.check_room(own), schema]
    usable = schema.state is CheckState.OK and any(one.applied_at for one in migrations)
    if not usable:
        return [*checks, machine.check_clock(datetime.now(UTC), None)]
    await store.open()
    checks += await _of_clocks(store)
    host = host_id(configuration.host)
    known = await store.repositories()
    here = [one for one in known if one.host == host]
    checks += checkup.check_host(host, known)
    checks += await _of_repositories(store, here, configuration)
    return checks + await _of_engine(store, host, here)


async def _of_clocks(store: Store) -> list[Check]:
    newest = await store.changes(0, limit=1, newest=True)
    durations = []
    for _ in range(_ANSWERS):
        begin = perf_counter()
        now = await _store_clock(store)
        durations.append(perf_counter() - begin)
    return [
        machine.check_clock(datetime.now(UTC), newest[0].at if newest else None),
        machine.check_store_clock(datetime.now(UTC), now),
        machine.check_latency(min(durations)),
    ]


async def _store_clock(store: Store) -> datetime:
    """What is gone of no repository: nothing, and the time."""
    return (await store.gone(UUID(int=0), timedelta())).now


async def _of_engine(store: Store, host: str, repositories: Sequence[Repository]) -> list[Check]:
    holder = await store.engine_holder(host)
    if holder is None:
        return [checkup.check_engine(None, None)]
    listens = holder.address.startswith(_UNIX)
    path = holder.address.removeprefix(_UNIX)
    why = await anyio.to_thread.run_sync(why_not_ready, path) if listens else None
    now = await _store_clock(store)
    return [checkup.check_engine(holder, why), *checkup.check_kept(holder, repositories, now)]


async def _of_repositories(
    store: Store, repositories: Sequence[Repository], configuration: Configuration
) -> list[Check]:
    checks: list[Check] = []
    folders = watched = 0
    for repository in repositories:
        label = f"repository {repository.name}"
        try:
            settings = configuration.settings_for(repository.settings, label=label)
        except TreeledgerError as error:
            checks.append(_failed(label, error))
            continue
        checks.append(await anyio.to_thread.run_sync(checkup.check_root, repository, settings))
        if settings.file_watcher.source != "polling" and not repository.paused:
            watched += 1
            folders += 1 + await _folders(store, repository)
    return checks + list(machine.check_watches(folders, watched))


async def _folders(store: Store, repository: Repository) -> int:
    """The folders below the root that hold files on record."""
    count, after = 0, ""
    while page := await store.keys(repository.id, successor(after), None, _PAGE):
        count += checkup.count_folders((key.path for key in page), after)
        after = page[-1].path
    return count
