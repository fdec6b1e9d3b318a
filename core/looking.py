"""A repository looked at without an engine: what its rules say, what is on its disk. No lock, no lease."""

from __future__ import annotations

import os
from dataclasses import dataclass

import anyio.to_thread

from treeledger import worker
from treeledger.config.settings import RepositorySettings
from treeledger.engine.roots import examine_root
from treeledger.engine.session import Tools, build_spec
from treeledger.engine.workers import Workers
from treeledger.errors import RootOffline
from treeledger.fs.root import RootVerdict
from treeledger.ledger import Ledger
from treeledger.model import Problem, Repository
from treeledger.names import os_from_stored
from treeledger.protocols import Verdict
from treeledger.worker import Look, WorkSpec


@dataclass(frozen=True, slots=True)
class Looker:
    """The parts of one repository, to look with. `root_type` is the type of the root's file system."""

    repository: Repository
    settings: RepositorySettings
    root_type: str
    is_replaced: bool  # the root is another directory than the one on record
    spec: WorkSpec

    async def look(self, path: str) -> Look:
        """What is at a path now, as a scan would see it. Raises RootOffline."""
        (found,) = await anyio.to_thread.run_sync(worker.look, self.spec, [path])
        return found

    async def verdicts(self, paths: list[tuple[str, bool]]) -> list[Verdict | None]:
        """The rule that decides about each path; the flag: what is not there is meant as a directory."""
        return await anyio.to_thread.run_sync(worker.verdicts, self.spec, paths)

    async def rules(self) -> tuple[list[Verdict], list[Problem]]:
        """Every rule in effect at the root, and those that cannot be used. Raises RootOffline."""
        return await anyio.to_thread.run_sync(worker.rules, self.spec)

    async def is_directory(self, path: str) -> bool:
        """Whether a directory is there; a link to one is none."""
        name = os.path.join(os_from_stored(self.repository.root), os_from_stored(path))
        return await anyio.to_thread.run_sync(lambda: os.path.isdir(name) and not os.path.islink(name))


async def looker(
    ledger: Ledger, repository: Repository, settings: RepositorySettings | None = None
) -> Looker:
    """What looks at a repository of this host, by default with the settings that hold.

    Raises RootOffline, ConfigurationError, PluginError.
    """
    if repository.host != ledger.host:
        raise RootOffline(f"{repository.name} is on the host {repository.host}; ask there")
    ledger.plugins.load()
    settings = settings or ledger.settings_of(repository)
    own = ledger.configuration.own_paths()
    tools = Tools(ledger.store, ledger.plugins, ledger.hub, Workers(), "nobody", own)
    root, verdict = await examine_root(
        ledger.store, repository, settings.marker, settings.shown_as, cross_mounts=settings.cross_mounts
    )
    spec = build_spec(tools, repository, settings, root)
    return Looker(repository, settings, root.type, verdict is RootVerdict.REPLACED, spec)
