"""`treeledger ignore add` and `remove`: in plugins.toml, or in the store for what is not declared there."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio.to_thread

from treeledger.cli.options import Options
from treeledger.cli.render import print_json
from treeledger.cli.targets import chosen
from treeledger.config.configuration import Configuration, load, parse
from treeledger.config.discovery import user_file
from treeledger.config.edit import save, set_patterns
from treeledger.config.files import read_safely
from treeledger.config.secrets import shown_value
from treeledger.config.settings import DeclaredRepository
from treeledger.errors import UsageError
from treeledger.ledger import Ledger
from treeledger.model import Problem, Repository
from treeledger.names import shown
from treeledger.worker import build_part


@dataclass(frozen=True, slots=True)
class _Home:
    """Where patterns are kept: the store, for `repository`; the file, for `declared` or by default."""

    label: str
    patterns: tuple[str, ...]
    repository: Repository | None = None
    declared: str | None = None


async def edit(ledger: Ledger, options: Options) -> int:
    """Adds or removes the patterns given. Exit code 1 if the file cannot be written."""
    home = await _home(ledger, options.given.repo)
    given: list[str] = options.given.patterns
    if options.given.action == "add":
        patterns = (*home.patterns, *(one for one in dict.fromkeys(given) if one not in home.patterns))
        await _check_patterns(ledger, [one for one in patterns if one not in home.patterns])
    else:
        _check_known(home, given)
        patterns = tuple(one for one in home.patterns if one not in given)
    if home.repository is not None:
        await _keep_in_store(ledger, home.repository, patterns)
    elif _write(ledger.configuration, home, patterns):
        await _tell_store(ledger, home)
    else:
        return 1
    if options.json:
        print_json({"where": home.label, "patterns": list(patterns)})
    elif not options.quiet:
        print(f"{shown(home.label)}: patterns = {shown(shown_value('patterns', patterns))}")
        await _say_when(ledger)
    return 0


async def _home(ledger: Ledger, name: str | None) -> _Home:
    configuration = ledger.configuration
    if name is not None:
        declared = _declared(configuration, name)
        if declared is None:
            repository = await _chosen(ledger, name)
            declared = _declared(configuration, repository.name)
            if declared is None:
                patterns = _patterns(repository.settings)
                return _Home(f"repository {repository.name}", patterns, repository)
        label = f"{configuration.label}, repository {declared.name}"
        return _Home(label, _patterns(declared.settings), declared=declared.name)
    if configuration.path is None:
        raise UsageError(
            "there is no plugins.toml to hold rules for all repositories;"
            f" write {user_file()} with: treeledger init, or name one repository with --repo"
        )
    return _Home(f"{configuration.label} [defaults]", _patterns(configuration.defaults))


async def _chosen(ledger: Ledger, name: str) -> Repository:
    repository = await chosen(ledger, name)
    assert repository is not None
    return repository


def _declared(configuration: Configuration, name: str) -> DeclaredRepository | None:
    return next((one for one in configuration.repositories if one.name == name), None)


def _patterns(settings: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(settings.get("ignore", {}).get("patterns", ()))


def _check_known(home: _Home, given: Sequence[str]) -> None:
    for pattern in given:
        if pattern not in home.patterns:
            known = ", ".join(home.patterns) or "none"
            raise UsageError(f"{home.label} has no pattern {pattern!r}; it has: {known}")


async def _check_patterns(ledger: Ledger, patterns: Sequence[str]) -> None:
    """Raises UsageError for a pattern that no filter can use."""
    settings = parse("", None, {}).settings_for({"ignore": {"builtin": False, "patterns": list(patterns)}})
    ledger.plugins.load()
    filters = ledger.plugins.ignore_filters(settings)
    problems: list[Problem] = await anyio.to_thread.run_sync(
        lambda: [problem for ref in filters for problem in build_part(ref).problems]
    )
    if problems:
        raise UsageError(problems[0].message)


async def _keep_in_store(ledger: Ledger, repository: Repository, patterns: Sequence[str]) -> None:
    ignore = {**repository.settings.get("ignore", {}), "patterns": list(patterns)}
    await ledger.change_settings(repository.id, {**repository.settings, "ignore": ignore})


def _write(configuration: Configuration, home: _Home, patterns: Sequence[str]) -> bool:
    """Changes the file, comments kept; where it cannot be written, prints what to paste."""
    assert configuration.path is not None
    path: Path = configuration.path
    text = set_patterns(read_safely(path).decode(), patterns, home.declared)
    try:
        save(path, text, os.environ)
    except OSError as error:
        print(
            f"treeledger: {path} cannot be written ({error.strerror}); paste this into it:", file=sys.stderr
        )
        line = f"patterns = {shown_value('patterns', patterns)}"
        if home.declared is None:
            print(f"[defaults.ignore]\n{line}")
        else:
            print(f"ignore = {{ {line} }}  # of the repository {home.declared}")
        return False
    return True


async def _tell_store(ledger: Ledger, home: _Home) -> None:
    """Has the store know at once what the file now says of a declared repository."""
    if home.declared is None:
        return
    declared = _declared(load(ledger.configuration.path, os.environ), home.declared)
    for repository in await ledger.repositories():
        if declared is not None and repository.name == declared.name:
            await ledger.store.update_repository(repository.id, settings=declared.settings)


async def _say_when(ledger: Ledger) -> None:
    holder = await ledger.store.engine_holder(ledger.host)
    if holder is not None:
        print(f"treeledger {holder.command} (process {holder.pid}) takes it up when it is started again")
