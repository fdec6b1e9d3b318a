"""What the DIR and REPO arguments of a command mean."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from treeledger.cli.options import Options
from treeledger.errors import RepositoryNotFound
from treeledger.model import Repository
from treeledger.names import stored_from_os
from treeledger.repositories import ITS_NAME, Target, called_otherwise
from treeledger.unlocked import UnlockedLedger


def new_settings(options: Options) -> dict[str, Any]:
    """The settings that the flags give to a folder that is not a repository yet."""
    ignore: dict[str, Any] = {}
    if options.given.no_default_ignores:
        ignore["builtin"] = False
    if options.given.ignore:
        ignore["patterns"] = options.given.ignore
    if getattr(options.given, "preset", None):
        ignore["presets"] = options.given.preset
    return {"ignore": ignore} if ignore else {}


async def targets(ledger: UnlockedLedger, options: Options) -> list[Target]:
    """The targets named, new folders added; all repositories of this host if none is."""
    named: list[str] = options.given.targets
    if named:
        settings = new_settings(options)
        return [await ledger.find_or_add(argument, settings=settings) for argument in named]
    return await _all(ledger)


async def known_targets(ledger: UnlockedLedger, named: Sequence[str]) -> list[Target]:
    """As `targets`; but a folder that is no repository yet stays none."""
    found = []
    for argument in named:
        target = await ledger.find(argument)
        if target is None:
            raise RepositoryNotFound(
                f"{argument} is in no repository yet; begin with: treeledger scan {argument}"
            )
        found.append(target)
    return found or await _all(ledger)


async def _all(ledger: UnlockedLedger) -> list[Target]:
    await ledger.sync_declared()
    known = await ledger.repositories()
    here = [one for one in known if one.host == ledger.host]
    if message := called_otherwise(ledger.host, known):
        raise RepositoryNotFound(f"{message}. Name a folder: treeledger watch DIR. Or, {ITS_NAME}")
    if not here:
        raise RepositoryNotFound("there is no repository yet; name a folder: treeledger watch DIR")
    wanted = [Target(one) for one in here if not one.paused]
    if not wanted:
        raise RepositoryNotFound("every repository is paused; go on with: treeledger repo resume NAME")
    return wanted


def by_repository(found: Sequence[Target]) -> list[tuple[Repository, list[str]]]:
    """The paths of targets, put together by their repositories."""
    grouped: dict[str, tuple[Repository, list[str]]] = {}
    for target in found:
        grouped.setdefault(target.repository.name, (target.repository, []))[1].append(target.prefix)
    return list(grouped.values())


async def chosen(ledger: UnlockedLedger, name: str | None) -> Repository | None:
    """The repository that `--repo` names, by name or folder; None without it."""
    return None if name is None else await repository_of(ledger, name)


async def repository_of(ledger: UnlockedLedger, argument: str) -> Repository:
    """The repository that a folder is in or that has this name, whatever else the name means here.

    Raises RepositoryNotFound.
    """
    target = await ledger.find(argument)
    if target is not None:
        return target.repository
    named = [one for one in await ledger.repositories() if one.name == stored_from_os(argument)]
    if not named:
        raise RepositoryNotFound(f"{argument} is in no repository; see: treeledger repo list")
    return named[0]
