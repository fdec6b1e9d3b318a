"""The whole configuration: plugins.toml and the environment, read once, checked at once."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec

from treeledger.config.environment import environment_layers
from treeledger.config.files import read_safely
from treeledger.config.layers import KeyPath, Layer, Origin, merge, nested
from treeledger.config.reading import Place, read_table
from treeledger.config.settings import (
    ApiSettings,
    AttentionSettings,
    DeclaredRepository,
    LogSettings,
    RepositoryIdentity,
    RepositorySettings,
    Section,
    StoreSettings,
    TuiSettings,
)
from treeledger.config.tables import PluginTables
from treeledger.errors import ConfigurationError
from treeledger.names import stored_from_os

_IDENTITY: Final = RepositoryIdentity.__struct_fields__


class _Document(Section, frozen=True, kw_only=True):
    """plugins.toml at its top level."""

    host: str | None = None  # the name of this machine in the ledger; else the machine's id
    plugin_dirs: tuple[str, ...] = ()
    store: StoreSettings = StoreSettings()
    api: ApiSettings = ApiSettings()
    attention: AttentionSettings = AttentionSettings()
    log: LogSettings = LogSettings()
    tui: TuiSettings = TuiSettings()
    defaults: dict[str, Any] = msgspec.field(default_factory=dict)
    repositories: list[dict[str, Any]] = msgspec.field(default_factory=list)
    plugins: dict[str, dict[str, Any]] = msgspec.field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Configuration:
    """What was configured. `label` is the file as messages name it; `written` its tables as they are."""

    path: Path | None
    label: str
    host: str | None
    store: StoreSettings
    api: ApiSettings
    attention: AttentionSettings
    log: LogSettings
    tui: TuiSettings
    repositories: tuple[DeclaredRepository, ...]
    plugin_dirs: tuple[Path, ...]
    plugins: PluginTables
    written: Mapping[str, Any]
    environment: tuple[Layer, ...]

    def settings_for(
        self, overrides: Mapping[str, Any] | None = None, *, label: str = "repository"
    ) -> RepositorySettings:
        """The settings of a repository with these overrides (plain data, as in plugins.toml).

        `label` names it in messages. Raises ConfigurationError if an override is wrong.
        """
        values = self.origins(overrides, label=label)
        merged = nested((path, origin.value) for path, origin in values.items())
        return read_table(RepositorySettings, merged, Place(self.label, label))

    def every_settings(self) -> list[RepositorySettings]:
        """Those of a repository that says nothing of its own, and of each that is declared."""
        return [self.settings_for(), *(self.settings_for(one.settings) for one in self.repositories)]

    def origins(
        self, overrides: Mapping[str, Any] | None = None, *, label: str = "repository"
    ) -> dict[KeyPath, Origin]:
        """Every setting of a repository as it was written, with the layer that it comes from."""
        layers = [Layer(self.label, self.defaults), *self.environment]
        if "retention" in self.written.get("store", {}):
            layers.insert(
                0, Layer(f"{self.label} [store]", {"retention": self.written["store"]["retention"]})
            )
        if overrides:
            place = Place(owner=label)
            plain = with_aliases(overrides, place)
            read_table(RepositorySettings, plain, place)
            layers.append(Layer(label, plain, adds=True))
        return merge(layers)

    @property
    def defaults(self) -> Mapping[str, Any]:
        """The table `[defaults]` as it was written."""
        return with_aliases(self.written.get("defaults", {}), Place(self.label, table="defaults"))

    @property
    def log_file(self) -> Path | None:
        """Where a daemon logs; None: to standard error. A relative path is relative to the file's folder."""
        if self.log.file is None:
            return None
        folder = self.path.parent if self.path is not None else Path.cwd()
        return Path(os.path.abspath(folder / os.path.expanduser(self.log.file)))

    def own_paths(self) -> list[str]:
        """Absolute paths (stored form) of files that an engine writes beside the store's own; each also as
        the start of a name."""
        given = [self.log_file, Path(self.api.socket) if self.api.socket is not None else None]
        paths = [path for path in given if path is not None]
        return sorted({stored_from_os(str(one)) for path in paths for one in (path, path.resolve())})

    def named_parts(self) -> set[str]:
        """The event sources, walkers and hashers that the configuration names: they must load."""
        names: set[str] = set()
        for settings in self.every_settings():
            names |= {settings.file_watcher.source, settings.walker, *settings.reconciliation.hashers}
        return names - {"auto"}


def load(path: Path | None, environ: Mapping[str, str]) -> Configuration:
    """The configuration in a file (None: there is none) and the environment.

    Raises ConfigurationError with the file, table and key of the first mistake, or if others can
    write the file.
    """
    if path is None:
        return parse("", None, environ)
    try:
        text = read_safely(path).decode()
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{path}: is not UTF-8 text (byte {error.start + 1})") from None
    return parse(text, path, environ)


def parse(text: str, path: Path | None, environ: Mapping[str, str]) -> Configuration:
    """As `load`, for a text that is, or would be, the content of the file at `path`."""
    label = str(path) if path else "plugins.toml"
    try:
        written = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        where = str(error).replace("at end of document", f"at the end, line {len(text.splitlines())}")
        raise ConfigurationError(f"{label}: {where}") from None
    document = read_table(_Document, written, Place(label))
    defaults = Place(label, table="defaults")
    read_table(RepositorySettings, with_aliases(document.defaults, defaults), defaults)
    folder = path.absolute().parent if path else Path.cwd()
    return Configuration(
        path=path.absolute() if path else None,
        label=label,
        host=document.host,
        store=document.store,
        api=document.api,
        attention=document.attention,
        log=document.log,
        tui=document.tui,
        repositories=_declared(document.repositories, label),
        plugin_dirs=tuple(folder / os.path.expanduser(name) for name in document.plugin_dirs),
        plugins=PluginTables(document.plugins, path or Path(label)),
        written=written,
        environment=environment_layers(environ),
    )


def with_aliases(table: Mapping[str, Any], place: Place) -> dict[str, Any]:
    """A settings table in which `full_scan_interval` is called by its name, `interval`."""
    reconciliation = table.get("reconciliation")
    if not isinstance(reconciliation, Mapping) or "full_scan_interval" not in reconciliation:
        return dict(table)
    if "interval" in reconciliation:
        raise place.below("reconciliation").error("has both 'interval' and its alias 'full_scan_interval'")
    renamed = {
        ("interval" if key == "full_scan_interval" else key): reconciliation[key] for key in reconciliation
    }
    return {**table, "reconciliation": renamed}


def _declared(tables: list[dict[str, Any]], label: str) -> tuple[DeclaredRepository, ...]:
    declared = tuple(_repository(table, number, label) for number, table in enumerate(tables, 1))
    for key in ("name", "root", "id"):
        seen: set[str] = set()
        for repository in declared:
            value = getattr(repository, key)
            if value in seen:
                raise ConfigurationError(f"{label}: two repositories have the {key} {value!r}")
            if value is not None:
                seen.add(value)
    return declared


def _repository(table: dict[str, Any], number: int, label: str) -> DeclaredRepository:
    name = table.get("name")
    place = Place(label, f"repository {name!r}" if isinstance(name, str) else f"repository number {number}")
    settings = with_aliases({key: table[key] for key in table if key not in _IDENTITY}, place)
    for key in settings:
        if key not in RepositorySettings.__struct_fields__:
            raise place.unknown_key(key, (*_IDENTITY, *RepositorySettings.__struct_fields__))
    read_table(RepositorySettings, settings, place)
    identity = read_table(RepositoryIdentity, {key: table[key] for key in table if key in _IDENTITY}, place)
    return DeclaredRepository(
        id=identity.id,
        name=identity.name,
        root=str(Path(os.path.expanduser(identity.root))),
        paused=identity.paused,
        settings=settings,
    )
