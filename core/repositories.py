"""The repositories of a ledger: which there are, what an argument means, how one comes and goes."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import UUID, uuid4

import anyio.to_thread

from treeledger.config.configuration import Configuration
from treeledger.config.settings import DeclaredRepository, RepositorySettings
from treeledger.errors import ConfigurationError, RepositoryNotFound, RootOffline, UsageError
from treeledger.fs.mounts import host_id, place_of
from treeledger.model import Repository
from treeledger.names import stored_from_os, within
from treeledger.overlap import refuse_overlap
from treeledger.protocols import Store

if TYPE_CHECKING:
    from treeledger.engine.engine import Engine

_NO_NAME: Final = re.compile(r"[\x00-\x1f\x7f/:]")
ITS_NAME: Final = 'if it is that machine under another name, write at the top of plugins.toml: host = "NAME"'
_NAME: Final = re.compile(r"[^.~\-\x00-\x1f\x7f/:][^\x00-\x1f\x7f/:]*")


class Target(NamedTuple):
    """A repository, or the part of it below `prefix`."""

    repository: Repository
    prefix: str = ""


class Repositories:
    """One concern of a `Ledger`. A running engine of the same ledger follows what is done here."""

    def __init__(self, configuration: Configuration, store: Store) -> None:
        self.configuration = configuration
        self.store = store
        self.host = host_id(configuration.host)
        self._engine: Engine | None = None

    async def repositories(self) -> list[Repository]:
        """All under care, by name."""
        return await self.store.repositories()

    async def repository(self, wanted: UUID | str) -> Repository:
        """The repository with this id or name. Raises RepositoryNotFound, naming those there are."""
        repositories = await self.store.repositories()
        for repository in repositories:
            if wanted in (repository.id, repository.name, str(repository.id)):
                return repository
        names = ", ".join(repository.name for repository in repositories) or "none yet"
        raise RepositoryNotFound(f"there is no repository {str(wanted)!r}; known are: {names}")

    async def add_repository(
        self,
        root: str | os.PathLike[str],
        *,
        name: str | None = None,
        settings: Mapping[str, Any] | None = None,
    ) -> Repository:
        """Takes a directory tree under care; a running engine of this ledger keeps it from now on.

        Raises RootOffline if there is no such directory, UsageError if it lies within a repository or holds
        one, or the name is taken or could not be told from a DIR, ConfigurationError if a setting is wrong.
        """
        self.configuration.settings_for(settings)
        if name is not None and not _NAME.fullmatch(name):
            raise UsageError(
                f"{name!r} is no name: no slash, colon or control characters, no ., ~ or - first"
            )
        stored = await anyio.to_thread.run_sync(stored_root, root)
        await self._refuse_overlap(stored)
        wanted = stored_from_os(name) if name is not None else await self._free_name(stored)
        new = Repository(uuid4(), wanted, self.host, stored, settings=dict(settings or {}))
        repository = await self._add(new, is_named=name is not None)
        if self._engine is not None:
            self._engine.keep(repository, self.settings_of(repository))
        return repository

    async def _add(self, new: Repository, *, is_named: bool) -> Repository:
        """Adds it; under another name if it was not given its own, and another process just took that."""
        while True:
            try:
                return await self.store.add_repository(new)
            except UsageError:
                free = await self._free_name(new.root)
                if is_named or free == new.name:
                    raise
                new = replace(new, name=free)

    async def _refuse_overlap(self, root: str) -> None:
        """Raises UsageError if a root overlaps with a repository, by its name or by way of bind mounts."""
        others = [other for other in await self.repositories() if other.host == self.host]
        places = await anyio.to_thread.run_sync(_places, [root, *(other.root for other in others)])
        mine = places.get(root)
        for other in others:
            refuse_overlap(root, other.name, other.root)
            its = places.get(other.root)
            if mine is not None and its is not None and mine[0] == its[0]:
                refuse_overlap(root, other.name, other.root, place=mine[1], other_place=its[1])

    async def remove_repository(self, wanted: UUID | str, *, purge: bool = False) -> None:
        """Ends the care for a repository; its records stay in the ledger unless `purge`."""
        repository = await self.repository(wanted)
        if repository.declared:
            raise UsageError(
                f"{repository.name} is declared in {self.configuration.label}; take it out there first"
            )
        if self._engine is not None:
            await self._engine.leave(repository.id)
        await self.store.remove_repository(repository.id, purge=purge)
        await self._follow()

    async def change_settings(self, wanted: UUID | str, settings: Mapping[str, Any]) -> Repository:
        """Gives a repository other settings in the place of its own; a running engine takes them up.

        Raises UsageError if plugins.toml declares it, ConfigurationError if a setting is wrong.
        """
        repository = await self.repository(wanted)
        if repository.declared:
            raise UsageError(
                f"{repository.name} is declared in {self.configuration.label}; change its settings there"
            )
        self.configuration.settings_for(settings, label=f"repository {repository.name}")
        await self.store.update_repository(repository.id, settings=settings)
        await self._follow()
        return replace(repository, settings=dict(settings))

    async def pause_repository(self, wanted: UUID | str, *, paused: bool) -> Repository:
        """Pauses or resumes the care for a repository; a pause survives restarts."""
        repository = await self.repository(wanted)
        await self.store.update_repository(repository.id, paused=paused)
        await self._follow()
        return replace(repository, paused=paused)

    async def _follow(self) -> None:
        """Has an engine that runs in this process do at once what others see within seconds."""

    def _own(self, repository: Repository) -> Repository:
        """Raises UsageError for a repository of another host: its root here would be another tree."""
        if repository.host != self.host:
            raise UsageError(f"{repository.name} is on host {repository.host}; run this there")
        return repository

    def settings_of(self, repository: Repository) -> RepositorySettings:
        """The settings that hold for a repository. Raises ConfigurationError."""
        return self.configuration.settings_for(repository.settings, label=f"repository {repository.name}")

    async def find(self, argument: str) -> Target | None:
        """What an argument means: a DIR if it looks like one or exists, else a repository's name.

        None for a DIR that is in no repository yet. Raises RepositoryNotFound for an unknown name.
        """
        if not is_directory_argument(argument):
            name = stored_from_os(argument)
            try:
                return Target(await self.repository(name))
            except RepositoryNotFound as error:
                raise RepositoryNotFound(f"{error}. If you mean a folder, write ./{name}") from None
        candidates = [
            Target(repository, one[len(repository.root.rstrip("/")) + 1 :])
            for repository in await self.repositories()
            for one in _spellings(argument)
            if repository.host == self.host and within(repository.root.rstrip("/"), one)
        ]
        return min(candidates, key=lambda target: len(target.prefix), default=None)

    async def find_or_add(self, argument: str, *, settings: Mapping[str, Any] | None = None) -> Target:
        """As `find`; a DIR that is in no repository yet becomes one, named after its last part."""
        target = await self.find(argument)
        if target is not None:
            return target
        try:
            return Target(await self.add_repository(argument, settings=settings))
        except UsageError:
            target = await self.find(argument)
            if target is None:
                raise
            return target  # another process was faster

    async def _free_name(self, root: str) -> str:
        taken = {repository.name for repository in await self.repositories()}
        base = _NO_NAME.sub("_", root.rpartition("/")[2].lstrip(".~-")) or "root"
        names = (base if number == 1 else f"{base}-{number}" for number in range(1, len(taken) + 2))
        return next(name for name in names if name not in taken)

    async def sync_declared(self) -> None:
        """Makes the repositories of plugins.toml known; those of this host that left the file are paused."""
        known = await self.repositories()
        declared = [await self._declare(one, known) for one in self.configuration.repositories]
        if self.configuration.path is None:
            return
        for repository in known:
            is_ours = repository.declared and repository.host == self.host
            if is_ours and repository.id not in declared:
                await self.store.update_repository(repository.id, declared=False, paused=True)

    async def _declare(self, declared: DeclaredRepository, known: Sequence[Repository]) -> UUID:
        """Raises ConfigurationError for the id of a repository of another host: its root is a tree there."""
        root = _resolved(declared.root)
        for one in known:
            if str(one.id) == declared.id and one.host != self.host:
                raise ConfigurationError(
                    f"{self.configuration.label}: the id of {declared.name!r} is that of a repository of the "
                    f"host {one.host}, and this one is called {self.host}. It was left as it is. Leave the "
                    f"id out; or, {ITS_NAME}"
                )
            if str(one.id) == declared.id or (one.host, one.root) == (self.host, root):
                await self.store.update_repository(
                    one.id,
                    name=declared.name,
                    root=root,
                    settings=declared.settings,
                    declared=True,
                    paused=_is_paused(declared, one),
                )
                return one.id
        id = UUID(declared.id) if declared.id else uuid4()
        new = Repository(id, declared.name, self.host, root, declared.settings, True, bool(declared.paused))
        return (await self.store.add_repository(new)).id


def _is_paused(declared: DeclaredRepository, known: Repository) -> bool:
    """As the file says, else as a person left it; one that comes back to the file goes on."""
    return known.paused and known.declared if declared.paused is None else declared.paused


def called_otherwise(host: str, known: Sequence[Repository]) -> str | None:
    """In words, if all repositories there are belong to other machines: it may be one of them under another
    name, as a container that was made anew. None if some are of this one, or there are none."""
    others = sorted({one.host for one in known})
    if not others or host in others:
        return None
    return f"this machine is called {host} here; all repositories are of {', '.join(others)}"


def is_directory_argument(argument: str) -> bool:
    """Whether an argument is a DIR: it has a slash, begins with "." or "~", or names a directory."""
    return "/" in argument or argument.startswith((".", "~")) or os.path.isdir(argument)


def stored_root(root: str | os.PathLike[str]) -> str:
    """An absolute root in stored form, symlinks resolved. Raises RootOffline if it is no directory."""
    given = os.path.expanduser(os.fspath(root))
    path = os.path.realpath(given)
    if not os.path.isdir(path):
        name = stored_from_os(given)
        if os.path.lexists(path):
            raise RootOffline(
                f"{name} is not a directory. Nothing was changed. Name the folder that holds it"
            )
        raise RootOffline(
            f"{name} does not exist. Nothing was changed. Check the spelling;"
            " if it is on another disk or a share, mount that first"
        )
    return stored_from_os(path)


def _places(roots: Sequence[str]) -> dict[str, tuple[int, str]]:
    """Where those roots really are that are there now."""
    places = {}
    for root in roots:
        with suppress(OSError):
            places[root] = place_of(root)
    return places


def _spellings(argument: str) -> list[str]:
    """An argument as an absolute path in stored form: as it was given, and with its symlinks resolved."""
    given = os.path.expanduser(argument)
    return list(dict.fromkeys((stored_from_os(os.path.abspath(given)), _resolved(given))))


def _resolved(root: str) -> str:
    return stored_from_os(os.path.realpath(root))
