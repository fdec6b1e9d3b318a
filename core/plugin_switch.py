"""Switching plugins on and off in plugins.toml; a running engine goes by it from its next start on."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

import anyio.to_thread

from treeledger.config.configuration import parse
from treeledger.config.discovery import user_file
from treeledger.config.edit import edit_file, switch_plugin
from treeledger.errors import ConfigurationError, NotFound, PluginError, UsageError
from treeledger.ledger import Ledger
from treeledger.plugin_manager import PluginManager


async def switch(ledger: Ledger, name: str, *, on: bool) -> None:
    """Has plugins.toml switch a plugin on or off, with its comments kept.

    Raises NotFound, UsageError for the store in use and for what the engine could not start without or with,
    ConfigurationError, Unwritable. Then nothing is written.
    """
    known = [status.name for status in ledger.plugins.plugins()]
    if name not in known:
        raise NotFound(f"there is no plugin {name!r}; known are: {', '.join(known)}")
    if not on and name == ledger.plugins.store_plugin:
        raise UsageError(f"{name} holds this ledger ({ledger.store.url}): it cannot be switched off")
    path = ledger.configuration.path
    if path is None:
        raise UsageError(f"there is no plugins.toml to say so; write {user_file()} with: treeledger init")
    paste = f"[plugins.{name}]\nenabled = {str(on).lower()}"
    change = partial(_switched, ledger=ledger, path=path, name=name, on=on)
    await anyio.to_thread.run_sync(edit_file, path, change, os.environ, paste)


def _switched(text: str, *, ledger: Ledger, path: Path, name: str, on: bool) -> str:
    """The text of the file with the plugin on or off, if an engine could start by it."""
    edited = switch_plugin(text, name, on=on)
    configuration = parse(edited, path, os.environ)
    try:
        Ledger(configuration, PluginManager(configuration), ledger.store).check()
    except (ConfigurationError, PluginError) as error:
        verb = "on" if on else "off"
        raise UsageError(f"{name} cannot be switched {verb}: {error}. Nothing was written") from error
    return edited
