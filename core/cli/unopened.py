"""The configuration and the store for commands that must work where the ledger cannot be opened."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from treeledger.cli.options import Options
from treeledger.cli.render import tell
from treeledger.config.configuration import Configuration, load
from treeledger.config.discovery import find
from treeledger.config.stores import store_options
from treeledger.plugin_manager import PluginManager
from treeledger.protocols import Store


def configuration_of(options: Options) -> Configuration:
    """The configuration in effect. Raises ConfigurationError."""
    found = find(Path(options.config) if options.config else None, os.environ, Path.cwd())
    if found.hint and not options.quiet:
        tell(found.hint)
    return load(found.path, os.environ)


@asynccontextmanager
async def unopened_store(
    configuration: Configuration, plugins: PluginManager, flag: str | None
) -> AsyncIterator[Store]:
    """The store as it is, of whatever schema; `flag` is the value of `--store`."""
    store = plugins.store_for(store_options(configuration, flag, os.environ))
    try:
        yield store
    finally:
        await store.aclose()
