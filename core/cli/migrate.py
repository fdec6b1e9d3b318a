"""`treeledger migrate`: the schema of the ledger, also of one too old or too new to be opened."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial

import anyio

from treeledger.cli.options import Options
from treeledger.cli.places import say
from treeledger.cli.render import print_json, table, when
from treeledger.cli.unopened import configuration_of, unopened_store
from treeledger.plugin_manager import PluginManager
from treeledger.protocols import Migration, Store


def run(options: Options) -> int:
    return anyio.run(partial(_run, options))


async def _run(options: Options) -> int:
    configuration = configuration_of(options)
    async with unopened_store(configuration, PluginManager(configuration), options.store) as store:
        return await (_up if options.given.action == "up" else _status)(store, options)


async def _status(store: Store, options: Options) -> int:
    _print(await store.migrations(), options)
    say(options, f"ledger: {store.url}")
    return 0


async def _up(store: Store, options: Options) -> int:
    """Applies what is missing. Raises StoreVersionError for a ledger of a newer program."""
    applied = await store.migrate()
    if applied:
        _print(applied, options)
    else:
        say(options, f"{store.url} is up to date")
    return 0


def _print(migrations: list[Migration], options: Options) -> None:
    if options.json:
        for migration in migrations:
            print_json(migration._asdict() | {"state": _state(migration)})
        return
    now = datetime.now(UTC)
    rows = [
        (f"{one.version:04}", one.name, _state(one), when(one.applied_at, now) if one.applied_at else "")
        for one in migrations
    ]
    table(("Version", "Name", "State", "When"), rows)


def _state(migration: Migration) -> str:
    if migration.is_half_copy:
        return "half a copy"
    if not migration.known:
        return "of a newer treeledger"
    return "missing" if migration.applied_at is None else "applied"
