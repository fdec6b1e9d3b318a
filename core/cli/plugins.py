"""`treeledger plugins`: what is loaded, from where, what is wrong with it; switched on and off."""

from __future__ import annotations

import os
from contextlib import suppress

from treeledger import wire
from treeledger.cli.options import Options
from treeledger.cli.render import paste, print_json, table, tell
from treeledger.cli.unopened import configuration_of
from treeledger.config.configuration import Configuration
from treeledger.config.stores import store_options
from treeledger.errors import TreeledgerError, Unwritable
from treeledger.names import shown
from treeledger.plugin_check import load_each
from treeledger.plugin_manager import PluginManager, PluginStatus
from treeledger.plugin_switch import switch


def run(options: Options) -> int:
    configuration = configuration_of(options)
    plugins = PluginManager(configuration)
    if options.given.action == "list":
        return _list(plugins, options)
    return _switch(configuration, plugins, options)


def _list(plugins: PluginManager, options: Options) -> int:
    load_each(plugins)
    statuses = plugins.plugins()
    if options.json:
        for status in statuses:
            print_json(wire.Plugin.of(status).fields())
        return 0
    rows = [
        (status.name, _state(status), shown(status.origin), ", ".join(status.hooks)) for status in statuses
    ]
    table(("Name", "State", "From", "Hooks"), rows)
    for status in statuses:
        if status.error is not None:
            print(shown(status.error))
    return 0


def _state(status: PluginStatus) -> str:
    if status.error is not None:
        return "failed"
    return "loaded" if status.enabled else "off"


def _switch(configuration: Configuration, plugins: PluginManager, options: Options) -> int:
    """Exit code 1 if the file cannot be written."""
    name, on, url = options.given.name, options.given.action == "enable", ""
    with suppress(TreeledgerError):  # a ledger that cannot be had is not in use
        url = plugins.store_for(store_options(configuration, options.store, os.environ)).url
    try:
        switched = switch(configuration, plugins, name, on=on, store=url)
    except Unwritable as error:
        return paste(error)
    (status,) = [one for one in plugins.plugins() if one.name == name]
    if options.json:
        print_json(wire.Plugin.of(status, switched.configuration.plugins).fields())
    elif not options.quiet:
        verb, file = "on" if on else "off", shown(configuration.label)
        print(f"{shown(name)}: {verb} from the engine's next start, by {file}")
    for why in switched.errors:
        tell(f"the engine does not start yet: {why}")
    return 0
