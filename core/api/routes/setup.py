"""How treeledger is set up: its plugins and its configuration."""

from __future__ import annotations

import os
from functools import partial

import anyio.to_thread

from treeledger import wire
from treeledger.answers import Setting
from treeledger.api.routes.paging import Text, sorted_page
from treeledger.api.routing import Asked, Page, Paged, Right, Route
from treeledger.api.service import Service
from treeledger.config.configuration import load
from treeledger.config.show import repository_rows
from treeledger.config.tables import PluginTables
from treeledger.errors import ConfigurationError, TreeledgerError
from treeledger.plugin_switch import switch
from treeledger.wire_asked import PluginChange


class ConfigQuery(Paged, frozen=True, kw_only=True):
    """`repository`: every setting of that one, instead."""

    repository: str | None = None


async def plugins(service: Service, asked: Asked) -> Page[wire.Plugin]:
    found = service.ledger.plugins.plugins()
    form = partial(wire.Plugin.of, written=await _written(service))
    return sorted_page(found, asked.query, form, lambda one: one.name, Text)


async def switch_plugin(service: Service, asked: Asked) -> wire.Plugin:
    ledger, name = service.ledger, asked.path["name"]
    change = partial(switch, ledger.configuration, ledger.plugins, name, on=asked.body.enabled)
    await anyio.to_thread.run_sync(partial(change, store=ledger.store.url))
    (found,) = [one for one in service.ledger.plugins.plugins() if one.name == name]
    return wire.Plugin.of(found, await _written(service))


async def _written(service: Service) -> PluginTables | None:
    """The tables of plugins.toml as they are now; None if it is none that could be used."""
    path = service.ledger.configuration.path
    try:
        return (await anyio.to_thread.run_sync(load, path, os.environ)).plugins
    except ConfigurationError:
        return None


async def config(service: Service, asked: Asked) -> Page[Setting]:
    ledger, name = service.ledger, asked.query.repository
    if name is None:
        found = ledger.settings_in_effect()
    else:
        repository = await ledger.repository(name)
        found = repository_rows(ledger.configuration, repository.name, repository.settings)
    return sorted_page(found, asked.query, Setting.of, lambda row: (row.table, row.key), tuple[Text, Text])


async def reload(service: Service, asked: Asked) -> None:
    if service.reload is None:
        raise TreeledgerError(
            f"treeledger {service.command} reads plugins.toml when it starts; start it again"
        )
    await service.reload()


ROUTES = (
    Route(
        "GET",
        "/api/plugins",
        "Every plugin: where it is from, and what puts it out of use",
        plugins,
        Page[wire.Plugin],
        query=Paged,
        tag="setup",
    ),
    Route(
        "PATCH",
        "/api/plugins/{name}",
        "Switches a plugin on or off in plugins.toml, from the next start on",
        switch_plugin,
        wire.Plugin,
        body=PluginChange,
        right=Right.ADMIN,
        tag="setup",
    ),
    Route(
        "GET",
        "/api/config",
        "Every value of the configuration with its origin, secrets masked",
        config,
        Page[Setting],
        query=ConfigQuery,
        tag="setup",
    ),
    Route(
        "POST",
        "/api/config/reload",
        "Reads plugins.toml again",
        reload,
        right=Right.ADMIN,
        tag="setup",
    ),
)
