"""A repository in hand: lease taken, root accepted, parts built; released in order or left unclean."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from typing import Final, Protocol
from uuid import UUID

import anyio

from treeledger.config.settings import RepositorySettings
from treeledger.diff import ContentPolicy, change_key_on
from treeledger.engine.context import Context
from treeledger.engine.deletions import Deletions
from treeledger.engine.farewell import Farewell
from treeledger.engine.hashes import Cost, Hashes
from treeledger.engine.hub import Hub, RepositoryState, StateChanged
from treeledger.engine.inspector import Inspector
from treeledger.engine.own import own_inodes, own_paths
from treeledger.engine.patience import Absence, patient
from treeledger.engine.recorder import Recorder
from treeledger.engine.rivals import report_rival
from treeledger.engine.roots import KnownRoot, examine_root, replaced, sample_paths
from treeledger.engine.scan import Scanner, Told
from treeledger.engine.scrub import Scrubber
from treeledger.engine.workers import Workers
from treeledger.errors import ConfigurationError, LeaseLost, RepositoryNotFound, StoreUnavailable
from treeledger.fs.root import RootVerdict
from treeledger.model import Lease, Problem, ProblemCode, Repository
from treeledger.protocols import PartRef, Store
from treeledger.worker import WorkSpec

LEASE_SECONDS: Final = 30.0
_UNRELEASED: Final = "the ledger was away in the end; the next start scans, so nothing is lost"
_specs: Final = count(1)
_OF_CONTENT: Final = (ProblemCode.CORRUPTED, ProblemCode.HASH_TIMEOUT, ProblemCode.CHANGED_WHILE_READ)
_OF_STAT_OR_CONTENT: Final = (ProblemCode.UNREADABLE, ProblemCode.IO_ERROR)
# Of a sample of records, to accept a root whose identity proves nothing:
_FAMILIAR: Final = 0.1  # there at all, where mount path, type and inode are as they were
_MATCHING: Final = 0.5  # there with equal size and mtime, elsewhere


class Parts(Protocol):
    """Where the parts of a repository come from: the plugin manager, as far as a session needs it."""

    def walkers(self) -> dict[str, PartRef]: ...

    def ignore_filters(self, settings: RepositorySettings) -> list[PartRef]: ...

    def hashers(self) -> dict[str, PartRef]: ...


@dataclass(frozen=True, slots=True)
class Tools:
    """What all sessions of one engine share. `own_paths`: as `Store.own_paths`, of files that are not the
    store's but the ledger's, too."""

    store: Store
    parts: Parts
    hub: Hub
    workers: Workers
    owner: str
    own_paths: Sequence[str] = ()


@dataclass(slots=True)
class Session:
    """The engine's parts for one repository, ready to work."""

    context: Context
    inspector: Inspector
    deletions: Deletions
    tools: Tools
    hashing: anyio.Lock = field(default_factory=anyio.Lock)  # who has it reads what is pending
    is_settled: bool = False  # whether whoever is told to stop leaves nothing behind that is not on record

    def scanner(self, told: Told | None = None) -> Scanner:
        return Scanner(self.context, self.inspector, told)

    def scrubber(self, told: Told | None = None) -> Scrubber:
        return Scrubber(self.context, self.inspector, told)

    def hashes(self, cost: Cost | None = None, told: Told | None = None) -> Hashes:
        return Hashes(self.context, self.inspector, cost, told)


@asynccontextmanager
async def open_session(
    tools: Tools,
    repository: Repository,
    settings: RepositorySettings,
    *,
    one_shot: bool,
    patience: float | None,
    absence: Absence | None = None,
) -> AsyncIterator[Session]:
    """Takes a repository in hand. Raises RootOffline, LeaseLost, EngineLocked, StoreUnavailable.

    Leaving in order, or when told to stop with all settled, marks it clean; leaving by an error leaves
    the mark that makes the next start scan. `patience` in seconds and `absence` are for a store that is
    away.
    """
    store = patient(tools.store, patience, absence)
    repository = await current(store, repository.id)
    root, verdict = await examine_root(
        store, repository, settings.marker, settings.shown_as, cross_mounts=settings.cross_mounts
    )
    spec = build_spec(tools, repository, settings, root)
    await accept(tools, store, repository, root, spec, verdict)
    lease = await store.claim(repository.id, tools.owner, LEASE_SECONDS)
    clean, farewell = False, Farewell()
    try:
        await _identify(store, repository, root, lease)
        session = await _session(tools, store, repository, settings, root, spec, lease, one_shot)
        farewell = session.context.farewell
        try:
            yield session
            clean = True
        except anyio.get_cancelled_exc_class():
            clean = session.is_settled
            raise
    except LeaseLost:
        with anyio.move_on_after(2, shield=True):
            await report_rival(tools.store, lease)
        raise
    finally:
        with farewell.step():
            await tools.workers.release(spec)
        if not await _released(tools.store, lease, farewell, clean=clean):
            tools.hub.tell(StateChanged(repository, RepositoryState.STOPPED, _UNRELEASED))


async def _identify(store: Store, repository: Repository, root: KnownRoot, lease: Lease) -> None:
    """Notes where the root is known by now; its records go along to the file system that it is on."""
    before = repository.root_file_system
    if before is not None and before != root.file_system:
        await store.renumber_file_system(lease, before, root.file_system)
    identity = (root.file_system, root.inode)
    await store.update_repository(repository.id, root_identity=identity, lease=lease)


async def _released(store: Store, lease: Lease, farewell: Farewell, *, clean: bool) -> bool:
    """Gives the lease back; False if the store is away, so that the repository stays marked as unclean."""
    with farewell.step(), suppress(StoreUnavailable):
        await store.release(lease, clean=clean)
        return True
    return False


async def current(store: Store, repository_id: UUID) -> Repository:
    """The repository as the store has it now. Raises RepositoryNotFound if it was removed."""
    for repository in await store.repositories():
        if repository.id == repository_id:
            return repository
    raise RepositoryNotFound(f"repository {repository_id} was removed")


async def accept(
    tools: Tools,
    store: Store,
    repository: Repository,
    root: KnownRoot,
    spec: WorkSpec,
    verdict: RootVerdict,
) -> None:
    """Accepts a root of unproven identity if the files on record are in it. Raises RootOffline."""
    if verdict is RootVerdict.SAME:
        return
    if verdict is RootVerdict.REPLACED:
        raise replaced(repository, root)
    is_same_place = (root.file_system, root.inode) == (repository.root_file_system, repository.root_inode)
    if is_same_place and (await root.check()).is_empty:
        return  # emptied, or a mount that is away: no record goes without a person's word
    sample = await sample_paths(store, repository)
    looks = await tools.workers.look(spec, [path for path, _, _ in sample])
    stats = {look.path: look.stat[:2] for look in looks if look.stat is not None}
    if is_same_place:
        found, needed = len(stats), _FAMILIAR
    else:
        found = sum(stats.get(path) == (size, mtime_ns) for path, size, mtime_ns in sample)
        needed = _MATCHING
    if found < needed * len(sample):
        raise replaced(repository, root)


def build_spec(
    tools: Tools, repository: Repository, settings: RepositorySettings, root: KnownRoot
) -> WorkSpec:
    """What the workers need to build the parts of this repository in their own threads."""
    walker = _named(tools.parts.walkers(), settings.walker, "walker")
    options = {**walker.options, "inode": root.inode}
    hashers = tools.parts.hashers()
    names = settings.reconciliation.hashers
    own = [*tools.store.own_paths(), *tools.own_paths]
    reader = tools.store.reader()
    spec = WorkSpec(
        key=f"{repository.id}:{next(_specs)}",
        root=root.path,
        devices=root.devices,
        prompt=root.prompt,
        walker=walker._replace(options=options),
        filters=tuple(tools.parts.ignore_filters(settings)),
        hashers=tuple(_named(hashers, name, "hasher") for name in names),
        own=own_paths(own, root.path),
        own_inodes=own_inodes(own, root.devices),
        ledger=reader and (reader, str(repository.id)),
        disk_priority=settings.reconciliation.ionice,
    )
    return with_barred(spec, root.barred)


def with_barred(spec: WorkSpec, barred: Sequence[str]) -> WorkSpec:
    """The spec with other mounts that are not to be entered."""
    walker = spec.walker._replace(options={**spec.walker.options, "barred": barred})
    return spec._replace(key=f"{spec.key}+", walker=walker)


def _named(parts: dict[str, PartRef], name: str, kind: str) -> PartRef:
    try:
        return parts[name]
    except KeyError:
        known = ", ".join(sorted(parts)) or "none"
        raise ConfigurationError(f"there is no {kind} {name!r}; loaded are: {known}") from None


async def _unread(store: Store, repository: Repository, problems: Sequence[Problem]) -> set[str]:
    """The paths whose content is the trouble: by their code, or as reading them failed last."""
    by_code = {problem.path for problem in problems if problem.code in _OF_CONTENT}
    maybe = [problem.path for problem in problems if problem.code in _OF_STAT_OR_CONTENT]
    records = await store.records_at(repository.id, maybe) if maybe else {}
    failed = {path for path, record in records.items() if record.hash_tries}
    return by_code | failed


async def _session(
    tools: Tools,
    store: Store,
    repository: Repository,
    settings: RepositorySettings,
    root: KnownRoot,
    spec: WorkSpec,
    lease: Lease,
    one_shot: bool,
) -> Session:
    reconciliation = settings.reconciliation
    problems = await store.problems(repository.id, notes=True, limit=100_000)
    context = Context(
        store=store,
        repository=repository,
        settings=settings,
        lease=lease,
        root=root,
        spec=spec,
        workers=tools.workers,
        recorder=Recorder(store, repository, lease, tools.hub, unit=reconciliation.batch_size),
        hub=tools.hub,
        change_key=change_key_on(root.type, settings.change_key),
        content=ContentPolicy(reconciliation.calculate_hashes, reconciliation.max_hash_size),
        one_shot=one_shot,
        troubled={known.problem.path for known in problems},
        colliding={
            known.problem.path: known.problem
            for known in problems
            if known.problem.code is ProblemCode.NAMES_COLLIDE
        },
        unread=await _unread(store, repository, [known.problem for known in problems]),
    )
    inspector = Inspector(context)
    return Session(context, inspector, Deletions(context, inspector), tools)
