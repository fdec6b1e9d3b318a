"""What `treeledger config show` prints: every value with its origin, secrets masked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from treeledger.config.configuration import Configuration
from treeledger.config.layers import leaves
from treeledger.config.secrets import is_reference, shown_value
from treeledger.config.settings import Duration, StoreSettings
from treeledger.config.stores import store_url
from treeledger.units import write_duration


class Row(NamedTuple):
    """One value: the table and key as plugins.toml has them, the value shown, and where it comes from."""

    table: str
    key: str
    value: str
    origin: str


def rows(configuration: Configuration, flag: str | None, environ: Mapping[str, str]) -> list[Row]:
    """Every value that holds; of repositories and plugins what their tables say. Raises ConfigurationError.

    `flag` is the value of `--store`.
    """
    return [
        *_top(configuration),
        *_store(configuration, flag, environ),
        *_defaults(configuration),
        *_tables(configuration),
    ]


def repository_rows(configuration: Configuration, name: str, overrides: Mapping[str, Any]) -> list[Row]:
    """Every setting of one repository, with the overrides the store has for it."""
    label = f"repository {name!r}"
    return [
        Row(".".join(("repositories", name, *path[:-1])), path[-1], _shown(path[-1], value), origin)
        for path, (value, origin) in configuration.origins(overrides, label=label).items()
    ]


def _top(configuration: Configuration) -> Iterator[Row]:
    host = configuration.host
    yield Row("", "host", _shown("host", host), configuration.label if host else "default")
    folders = configuration.plugin_dirs
    yield Row(
        "",
        "plugin_dirs",
        _shown("plugin_dirs", [str(folder) for folder in folders]),
        configuration.label if folders else "default",
    )


def _store(configuration: Configuration, flag: str | None, environ: Mapping[str, str]) -> Iterator[Row]:
    url, origin = store_url(configuration, flag, environ)
    yield Row("store", "url", url if is_reference(url) else shown_value("url", url), origin)
    written = configuration.written.get("store", {})
    for key in StoreSettings.__struct_fields__:
        if key != "url":
            value = written.get(key, getattr(StoreSettings(), key))
            yield Row("store", key, _shown(key, value), configuration.label if key in written else "default")


def _defaults(configuration: Configuration) -> Iterator[Row]:
    for path, (value, origin) in configuration.origins().items():
        yield Row(".".join(("defaults", *path[:-1])), path[-1], _shown(path[-1], value), origin)


def _tables(configuration: Configuration) -> Iterator[Row]:
    for declared in configuration.repositories:
        table = f"repositories.{declared.name}"
        for key in ("id", "root", "paused"):
            if getattr(declared, key) is not None:
                yield Row(table, key, _shown(key, getattr(declared, key)), configuration.label)
        for path, value in leaves(declared.settings):
            yield Row(".".join((table, *path[:-1])), path[-1], _shown(path[-1], value), configuration.label)
    for name, values in configuration.plugins.raw().items():
        for key, value in values.items():
            yield Row(f"plugins.{name}", key, _shown(key, value), configuration.label)


def _shown(key: str, value: object) -> str:
    return shown_value(key, write_duration(value) if isinstance(value, Duration) else value)
