"""`treeledger config`: what holds and where it comes from, whether it is right, which file is trusted."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from treeledger.answers import Setting
from treeledger.cli.options import Options
from treeledger.cli.render import print_json, tell
from treeledger.cli.run import with_ledger
from treeledger.cli.targets import chosen
from treeledger.cli.unopened import configuration_of
from treeledger.config.configuration import Configuration, load
from treeledger.config.discovery import FILE_NAME, trust
from treeledger.config.environment import unread_variables
from treeledger.config.show import Row, repository_rows, rows
from treeledger.errors import ConfigurationError
from treeledger.ledger import Ledger
from treeledger.names import shown
from treeledger.plugin_check import check_all
from treeledger.plugin_manager import PluginManager
from treeledger.units import show_number


def run(options: Options) -> int:
    match options.given.action:
        case "check":
            return _check(options)
        case "trust":
            return _trust(options)
        case _ if options.given.repo is not None:
            return with_ledger(options, _show_repository)
        case _:
            return _show(options)


def _show(options: Options) -> int:
    configuration = configuration_of(options)
    if not (options.json or options.quiet):
        print(f"# {shown(configuration.label) if configuration.path else 'no plugins.toml is in use'}")
    _print_rows(rows(configuration, options.store, os.environ), options)
    _warn()
    return 0


async def _show_repository(ledger: Ledger, options: Options) -> int:
    repository = await chosen(ledger, options.given.repo)
    assert repository is not None
    _print_rows(repository_rows(ledger.configuration, repository.name, repository.settings), options)
    return 0


def _print_rows(found: Sequence[Row], options: Options) -> None:
    """As plugins.toml has it, each value with its origin."""
    if options.json:
        for row in found:
            print_json(Setting.of(row).fields())
        return
    tables: dict[str, list[Row]] = {}
    for row in found:
        tables.setdefault(row.table, []).append(row)
    for table, values in tables.items():
        print(f"\n[{shown(table)}]" if table else "")
        for row in values:
            print(f"{shown(f'{row.key} = {row.value}'):<44}  # {shown(row.origin)}")


def _check(options: Options) -> int:
    """Loads every plugin and reads all settings. Raises ConfigurationError, PluginError."""
    configuration = (
        configuration_of(options) if options.given.file is None else _named(Path(options.given.file))
    )
    plugins = PluginManager(configuration)
    check_all(configuration, plugins)
    declared = configuration.repositories
    _warn()
    loaded = [status for status in plugins.plugins() if status.enabled and status.error is None]
    if options.json:
        file = str(configuration.path) if configuration.path else None
        print_json({"file": file, "repositories": len(declared), "plugins": len(loaded)})
    elif not options.quiet:
        name = configuration.path.name if configuration.path else "no plugins.toml is in use; the environment"
        repositories = show_number(len(declared), "repository", "repositories")
        print(f"{shown(name)} is right: {repositories}, {show_number(len(loaded), 'plugin')}")
    return 0


def _named(path: Path) -> Configuration:
    if not path.is_file():
        raise ConfigurationError(f"there is no file {path}")
    return load(path, os.environ)


def _trust(options: Options) -> int:
    path = Path(options.given.file or FILE_NAME)
    _named(path)
    try:
        trust(path)
    except OSError as error:
        raise ConfigurationError(f"{path}: that it is trusted cannot be kept: {error}") from error
    if options.json:
        print_json({"trusted": str(path.resolve())})
    elif not options.quiet:
        print(f"{shown(str(path.resolve()))} is read from now on in its folder, until it changes")
    return 0


def _warn() -> None:
    for sentence in unread_variables(os.environ):
        tell(sentence)
