"""The ignore patterns that people write: where those of a repository, or of all, are kept; changes to them.

Those of a declared repository, and of `[defaults]`, are in plugins.toml; those of any other in the store.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import anyio.to_thread

from treeledger.config.configuration import Configuration, load, parse
from treeledger.config.discovery import user_file
from treeledger.config.edit import edit_file, set_patterns
from treeledger.config.secrets import shown_value
from treeledger.config.settings import DeclaredRepository, RepositorySettings
from treeledger.errors import ConfigurationError, UsageError
from treeledger.ledger import Ledger
from treeledger.model import Problem, Repository
from treeledger.worker import build_part


@dataclass(frozen=True, slots=True)
class PatternHome:
    """Some patterns, and where they are kept: in the store, for `repository`; else in `file`, for the
    repository `declared` there, or for all if that is None. `label` is the place for people."""

    label: str
    patterns: tuple[str, ...]
    repository: Repository | None = None
    file: Path | None = None
    declared: str | None = None


async def home_of(ledger: Ledger, name: str | None) -> PatternHome:
    """The patterns of a repository (by name or id), without one those of all, as they are written now.

    Raises RepositoryNotFound, UsageError if there is no file for those of all, ConfigurationError if the
    file is none that could be used.
    """
    path = ledger.configuration.path
    configuration = await anyio.to_thread.run_sync(load, path, os.environ)
    if name is None:
        if path is None:
            raise UsageError(
                "there is no plugins.toml to hold rules for all repositories;"
                f" write {user_file()} with: treeledger init, or name one repository"
            )
        label = f"{configuration.label} [defaults]"
        return PatternHome(label, _patterns(configuration.defaults), file=path)
    declared = declared_in(configuration, name)
    if declared is None:
        repository = await ledger.repository(name)
        declared = declared_in(configuration, repository.name)
        if declared is None:
            return PatternHome(
                f"repository {repository.name}", _patterns(repository.settings), repository=repository
            )
    label = f"{configuration.label}, repository {declared.name}"
    return PatternHome(label, _patterns(declared.settings), file=path, declared=declared.name)


def declared_in(configuration: Configuration, name: str) -> DeclaredRepository | None:
    """The repository that a file declares under this name."""
    return next((one for one in configuration.repositories if one.name == name), None)


async def write(ledger: Ledger, home: PatternHome, patterns: Sequence[str]) -> None:
    """Has these patterns kept there from now on, in the place of those of `home`.

    Raises UsageError for a pattern that no filter can use, or if others than those of `home` are there by
    now; Unwritable with what to paste. Then nothing is written.
    """
    await check_patterns(ledger, [one for one in patterns if one not in home.patterns])
    if home.repository is not None:
        await _write_settings(ledger, home, home.repository, patterns)
        return
    assert home.file is not None
    change = partial(_changed, home=home, patterns=patterns)
    configuration = await anyio.to_thread.run_sync(
        edit_file, home.file, change, os.environ, _to_paste(home, patterns)
    )
    await _tell_store(ledger, configuration, home)


async def check_patterns(ledger: Ledger, patterns: Sequence[str]) -> None:
    """Raises UsageError for a pattern that no filter can use."""
    for one in patterns:
        if "\n" in one:
            raise UsageError(f"the pattern {one!r} has a line break; write each in a line of its own")
    settings = parse("", None, {}).settings_for({"ignore": {"builtin": False, "patterns": list(patterns)}})
    ledger.plugins.load()
    filters = ledger.plugins.ignore_filters(settings)
    problems: list[Problem] = await anyio.to_thread.run_sync(
        lambda: [problem for ref in filters for problem in build_part(ref).problems]
    )
    if problems:
        raise UsageError(problems[0].message)


def with_patterns(settings: Mapping[str, Any], patterns: Sequence[str]) -> dict[str, Any]:
    """A settings table with other patterns of its own."""
    return {**settings, "ignore": {**settings.get("ignore", {}), "patterns": list(patterns)}}


def proposed_settings(
    configuration: Configuration, repository: Repository, patterns: Sequence[str], *, for_all: bool
) -> RepositorySettings:
    """The settings that a repository would have with these patterns of its own, or `for_all`."""
    if not for_all:
        return configuration.settings_for(with_patterns(repository.settings, patterns))
    defaults = with_patterns(configuration.written.get("defaults", {}), patterns)
    other = replace(configuration, written={**configuration.written, "defaults": defaults})
    return other.settings_for(repository.settings)


def _patterns(settings: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(settings.get("ignore", {}).get("patterns", ()))


async def _write_settings(
    ledger: Ledger, home: PatternHome, repository: Repository, patterns: Sequence[str]
) -> None:
    now = await ledger.repository(repository.id)
    _check_same(home, _patterns(now.settings))
    await ledger.change_settings(now.id, with_patterns(now.settings, patterns))


def _changed(text: str, *, home: PatternHome, patterns: Sequence[str]) -> str:
    """The text of the file with other patterns."""
    configuration = parse(text, home.file, os.environ)
    declared = None if home.declared is None else declared_in(configuration, home.declared)
    settings = configuration.defaults if declared is None else declared.settings
    _check_same(home, _patterns(settings))
    return set_patterns(text, patterns, home.declared)


def _check_same(home: PatternHome, now: Sequence[str]) -> None:
    """Raises ConfigurationError if others are there than those that were seen."""
    if tuple(now) != home.patterns:
        raise ConfigurationError(
            f"{home.label}: somebody else changed its patterns meanwhile. Nothing was written. Look at them "
            "again, then try again"
        )


def _to_paste(home: PatternHome, patterns: Sequence[str]) -> str:
    line = f"patterns = {shown_value('patterns', list(patterns))}"
    if home.declared is None:
        return f"[defaults.ignore]\n{line}"
    return f"ignore = {{ {line} }}  # of the repository {home.declared}"


async def _tell_store(ledger: Ledger, configuration: Configuration, home: PatternHome) -> None:
    """Has the store know at once what the file says now of a declared repository."""
    declared = None if home.declared is None else declared_in(configuration, home.declared)
    for repository in await ledger.repositories():
        if declared is not None and repository.name == declared.name:
            await ledger.store.update_repository(repository.id, settings=declared.settings)
