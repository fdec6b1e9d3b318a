"""The `[plugins.NAME]` tables: what a plugin, or an instance of it, is told."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Final

from treeledger.config.reading import Place, Table, did_you_mean, read_table
from treeledger.config.settings import Section


class InstanceSettings(Section, frozen=True, kw_only=True):
    """The keys that every plugin table understands; the rest are the plugin's own options."""

    enabled: bool = True
    file: str | None = None  # of a file plugin, relative to plugins.toml
    use: str | None = None  # the plugin this is an instance of, when it has another name
    repositories: tuple[str, ...] = ()  # names of those an action looks at; () is all
    backfill: bool = False  # also what was there before the action


_GENERIC: Final = InstanceSettings.__struct_fields__


class PluginTables:
    """All plugin tables. It notes which were asked for, so that one nobody reads can be reported."""

    def __init__(
        self, tables: Mapping[str, Mapping[str, Any]] | None = None, path: Path = Path("plugins.toml")
    ) -> None:
        """`path` is the file the tables stand in, as messages call it. Raises ConfigurationError."""
        self._path = path
        self._instances: dict[str, InstanceSettings] = {}
        self._options: dict[str, dict[str, Any]] = {}
        self._claimed: set[str] = set()
        for name, table in (tables or {}).items():
            generic = {key: value for key, value in table.items() if key in _GENERIC}
            self._instances[name] = read_table(InstanceSettings, generic, self._place(name))
            self._options[name] = {key: value for key, value in table.items() if key not in _GENERIC}
            if self._instances[name].file and self._instances[name].use:
                raise self._place(name).error("has both 'file' and 'use'; a file plugin is its own plugin")

    def names(self) -> list[str]:
        """The names of the tables that are not switched off."""
        return [name for name, instance in self._instances.items() if instance.enabled]

    def needed(self) -> set[str]:
        """The plugins that these tables call for."""
        return {self.instance(name).use or name for name in self.names()}

    def raw(self) -> dict[str, dict[str, Any]]:
        """Every table as it was written, for `config show`."""
        return {name: self._written(name) | options for name, options in self._options.items()}

    def enabled(self, name: str) -> bool:
        """Whether a plugin may load: its table, if there is one, does not switch it off."""
        return self.instance(name).enabled

    def instance(self, name: str) -> InstanceSettings:
        return self._instances.get(name, InstanceSettings())

    def file(self, name: str) -> Path | None:
        """Where the plugin of this table is, if it is a file plugin."""
        file = self.instance(name).file
        return self._path.absolute().parent / os.path.expanduser(file) if file else None

    def options(self, name: str, kind: type[Table]) -> Table:
        """The options in the plugin's own table, the defaults without one. Raises ConfigurationError."""
        self._claimed.add(name)
        return read_table(kind, self._options.get(name, {}), self._place(name))

    def instances(self, plugin: str, kind: type[Table]) -> list[tuple[str, Table]]:
        """Each table that is the plugin's own or names it in `use`: the instance's name and its options.

        Tables that are switched off are left out. Raises ConfigurationError.
        """
        return [
            (name, self.options(name, kind))
            for name in self.names()
            if self.instance(name).use == plugin or (name == plugin and self.instance(name).use is None)
        ]

    def unused(self, known: Collection[str]) -> list[str]:
        """The tables in use that no plugin asked for, once every plugin was asked for its parts."""
        return [
            name for name in self.names() if name not in self._claimed and not self._is_plain(name, known)
        ]

    def check_used(self, known: Collection[str], elsewhere: Collection[str] = ()) -> None:
        """Raises ConfigurationError for the first unused table; `known` are the plugins that exist.

        `elsewhere` are those that another program asks, a dashboard, which reads their tables by itself.
        """
        for name in self.unused(known):
            use = self.instance(name).use
            if (use or name) in elsewhere:
                continue
            if use is not None:
                reason = f"uses {use!r}" + (
                    ", which has no instances" if use in known else f", no plugin{did_you_mean(use, known)}"
                )
            elif name in known:
                reason = f"has the key {next(iter(self._options[name]))!r}, but the plugin takes no options"
            else:
                reason = f"is no plugin's table{did_you_mean(name, known)}"
            raise self._place(name).error(reason)

    def _is_plain(self, name: str, known: Collection[str]) -> bool:
        """A table that only names or switches on a plugin has nothing to be asked for."""
        return name in known and not self._options[name] and self.instance(name).use is None

    def _written(self, name: str) -> dict[str, Any]:
        instance, defaults = self._instances[name], InstanceSettings()
        return {
            key: getattr(instance, key)
            for key in _GENERIC
            if getattr(instance, key) != getattr(defaults, key)
        }

    def _place(self, name: str) -> Place:
        return Place(str(self._path), table=f"plugins.{name}")
