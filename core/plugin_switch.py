"""Switching plugins on and off in plugins.toml; an engine goes by it from its next start on."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import NamedTuple

from treeledger.config.configuration import Configuration, parse
from treeledger.config.discovery import user_file
from treeledger.config.edit import edit_file, switch_plugin
from treeledger.config.reading import did_you_mean
from treeledger.errors import NotFound, UsageError
from treeledger.plugin_check import errors_of
from treeledger.plugin_manager import PluginManager


class Switched(NamedTuple):
    """What plugins.toml says now, and why no engine could start by that, as none could before."""

    configuration: Configuration
    errors: list[str]


def switch(
    configuration: Configuration,
    plugins: PluginManager,
    name: str,
    *,
    on: bool,
    store: str = "",
    environ: Mapping[str, str] = os.environ,
) -> Switched:
    """Has plugins.toml switch a plugin on or off, with its comments kept. Imports plugins.

    `plugins` are those of the configuration, which gave the store of the ledger at the URL `store`, if any.

    Raises NotFound, UsageError for the store in use and for what an engine could not start without or with,
    ConfigurationError, Unwritable. Then nothing is written.
    """
    known = [status.name for status in plugins.plugins()]
    if name not in known:
        raise NotFound(f"there is no plugin {name!r}{_meant(name, configuration, known)}")
    if not on and name == plugins.store_plugin:
        raise UsageError(f"{name} holds this ledger ({store}): it cannot be switched off")
    path = configuration.path
    if path is None:
        raise UsageError(f"there is no plugins.toml to say so; write {user_file()} with: treeledger init")
    remaining: list[str] = []

    def changed(text: str) -> str:
        edited = switch_plugin(text, name, on=on)
        before, after = (parse(one, path, environ) for one in (text, edited))
        remaining[:] = _checked(before, after, name, on=on)
        return edited

    paste = f"[plugins.{name}]\nenabled = {str(on).lower()}"
    return Switched(edit_file(path, changed, environ, paste), remaining)


def _meant(name: str, configuration: Configuration, known: list[str]) -> str:
    """What may have been meant by a name that no plugin has."""
    use = configuration.plugins.instance(name).use
    if use is not None:
        return f": it is an instance of {use}; write enabled = ... into [plugins.{name}] by hand"
    near = did_you_mean(name, known)
    return near if near.startswith("; did") else f"; known are: {', '.join(known)}"


def _checked(before: Configuration, after: Configuration, name: str, *, on: bool) -> list[str]:
    """Why no engine could start after, nor before. Raises UsageError for a reason that is new."""
    errors = errors_of(after)
    known = errors_of(before) if errors else []
    if added := [one for one in errors if one not in known]:
        verb = "on" if on else "off"
        raise UsageError(f"{name} cannot be switched {verb}: {added[0]}. Nothing was written")
    return errors
