"""Where plugins come from: entry points, the folders of `plugin_dirs`, the `file` of a table."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from treeledger.config.configuration import Configuration
from treeledger.config.files import check_way
from treeledger.errors import ConfigurationError, PluginError
from treeledger.plugin_files import load_plugin_file

ENGINE: Final = "treeledger"
DASHBOARD: Final = "treeledger.tui"
"""The groups of entry points: what engines and commands load, and what only a dashboard does."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A plugin that can be loaded. `origin` is its distribution and version, or its file."""

    name: str
    origin: str
    file: Path | None
    load: Callable[[], object]


def candidates(configuration: Configuration, group: str = ENGINE) -> dict[str, Candidate]:
    """Every plugin there is, by name, none imported: built in, installed, of folders, of tables.

    Of installed ones those of a group; a file is one plugin with all its hooks, so it is in every group.

    Raises PluginError if two have one name, ConfigurationError for a folder that is missing or that
    others can write.
    """
    found: dict[str, Candidate] = {}
    for candidate in (*_installed(group), *_in_folders(configuration), *_in_tables(configuration)):
        if candidate.name in found:
            raise PluginError(
                f"two plugins are called {candidate.name!r}: {found[candidate.name].origin} and "
                f"{candidate.origin}; remove or rename one"
            )
        found[candidate.name] = candidate
    return found


def installed_names(group: str) -> set[str]:
    """The names of the installed plugins of a group."""
    return importlib.metadata.entry_points(group=group).names


def _installed(group: str) -> Iterator[Candidate]:
    """Those of entry points, our own first. (A distribution parses its metadata each time it is asked.)"""
    points = importlib.metadata.entry_points(group=group)
    origins = {point.dist: _origin(point.dist) for point in points if point.dist}
    found = [(*(origins[point.dist] if point.dist else (point.value, "")), point) for point in points]
    for name, version, point in sorted(found, key=lambda one: (one[0] != ENGINE, one[2].name)):
        yield Candidate(point.name, f"{name} {version}".strip(), None, point.load)


def _origin(distribution: importlib.metadata.Distribution) -> tuple[str, str]:
    metadata = distribution.metadata
    return metadata["Name"], metadata["Version"]


def _in_folders(configuration: Configuration) -> Iterator[Candidate]:
    for folder in configuration.plugin_dirs:
        try:
            check_way(folder)
            files = sorted(path for path in folder.iterdir() if path.suffix == ".py")
        except OSError as error:
            raise ConfigurationError(
                f"{configuration.label}: plugin_dirs: {folder}: {error.strerror}"
            ) from None
        for file in files:
            if not file.name.startswith("_"):
                yield _file(file.stem, file)


def _in_tables(configuration: Configuration) -> Iterator[Candidate]:
    tables = configuration.plugins
    for name in tables.raw():  # also of those that are switched off: they can be switched on again
        file = tables.file(name)
        if file is not None:
            yield _file(name, file)


def _file(name: str, path: Path) -> Candidate:
    return Candidate(name, str(path), path, partial(load_plugin_file, path))
