"""`treeledger plugins`: what is loaded, from where, and what is wrong with it."""

from __future__ import annotations

from treeledger import wire
from treeledger.cli.options import Options
from treeledger.cli.render import print_json, table
from treeledger.cli.unopened import configuration_of, load_each
from treeledger.names import shown
from treeledger.plugin_manager import PluginManager, PluginStatus


def run(options: Options) -> int:
    plugins = PluginManager(configuration_of(options))
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
