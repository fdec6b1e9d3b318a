"""What every part of the engine needs to work on one repository."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

import anyio

from treeledger.config.settings import RepositorySettings, parse_rate
from treeledger.diff import CHANGE_KEYS, ContentPolicy, SameStat
from treeledger.engine.beside import Beside
from treeledger.engine.farewell import Farewell
from treeledger.engine.hub import Began, Hub
from treeledger.engine.recorder import Recorder
from treeledger.engine.roots import KnownRoot
from treeledger.engine.run import Run
from treeledger.engine.workers import Workers
from treeledger.model import Lease, OperationType, Problem, ProblemCode, Repository, SyncOperation
from treeledger.pacing import Pace
from treeledger.protocols import Store
from treeledger.reading import OVERTAKEN, Outcome, Read
from treeledger.worker import WorkSpec

_MOST_URGENT: Final = 100_000


@dataclass(slots=True)
class Context:
    """One repository in the hands of an engine: its lease, its root as it was accepted, its parts.

    `store` waits while the store is away, as long as this engine has patience.
    `one_shot`: a person's single scan, which reads at once whatever it finds touched.
    """

    store: Store
    repository: Repository
    settings: RepositorySettings
    lease: Lease
    root: KnownRoot
    spec: WorkSpec
    workers: Workers
    recorder: Recorder
    hub: Hub
    change_key: str  # of `diff.CHANGE_KEYS`
    content: ContentPolicy
    one_shot: bool
    farewell: Farewell = field(default_factory=Farewell)
    beside: Beside = field(default_factory=Beside)
    troubled: set[str] = field(default_factory=set)  # paths the store has problems of
    large: anyio.CapacityLimiter = field(init=False)  # threads that read large files
    pace: Pace | None = field(init=False)  # of all who read contents here; None: as fast as they can
    colliding: dict[str, Problem] = field(default_factory=dict)  # the notes on names that collide, by path
    urgent: set[str] = field(default_factory=set)  # paths whose content is to be verified before others
    unread: set[str] = field(default_factory=set)  # those whose content is the trouble: a look proves nothing

    def __post_init__(self) -> None:
        reconciliation = self.settings.reconciliation
        self.large = anyio.CapacityLimiter(reconciliation.max_concurrency)
        self.pace = None if reconciliation.max_rate is None else Pace(parse_rate(reconciliation.max_rate))

    @property
    def same(self) -> SameStat:
        """Which stats mean the same file."""
        return CHANGE_KEYS[self.change_key]

    @property
    def algorithm(self) -> str:
        """The hash that names content."""
        return self.settings.reconciliation.hashers[0]

    def run(self, type: OperationType, scope: str = "") -> Run:
        return Run(self.store, self.lease, type, scope, self._tell_begun)

    def _tell_begun(self, operation: SyncOperation) -> None:
        self.hub.tell(Began(self.repository, operation))

    def ask_for(self, paths: Iterable[str]) -> None:
        """Has contents verified soon by the hash queue; beyond what is kept in memory, in their turn."""
        if self.content.hashing:
            self.urgent.update(islice(paths, _MOST_URGENT - len(self.urgent)))
        if self.urgent:
            self.recorder.unread.set()

    async def current(self) -> Repository:
        """The repository with its counters as they are now."""
        repositories = await self.store.repositories()
        return next(one for one in repositories if one.id == self.repository.id)

    async def report(self, problems: list[Problem], healthy: list[str], run: Run | None = None) -> None:
        """Notes problems; forgets those of paths that are well again, as far as a look can tell."""
        refused = self.recorder.refused
        self.troubled |= refused
        unwell = self.unread | refused
        again_well = [path for path in healthy if path in self.troubled and path not in unwell]
        problems = problems + [self.colliding[path] for path in again_well if path in self.colliding]
        if not problems and not again_well:
            return
        await self.store.report_problems(self.repository.id, problems, healthy=again_well)
        self.troubled.difference_update(again_well)
        self.troubled.update(problem.path for problem in problems)
        self.colliding.update((p.path, p) for p in problems if p.code is ProblemCode.NAMES_COLLIDE)
        if run is not None:
            run.counts.problems += sum(not problem.code.is_note for problem in problems)

    async def report_reads(self, reads: Iterable[Read], others: Iterable[Problem], run: Run) -> None:
        """Notes contents that could not be read, and `others`; forgets those that could."""
        problems = [*others]
        healthy = []
        for read in reads:
            if read.outcome is Outcome.DONE:
                healthy.append(read.path)
            elif read.problem is not None and read.outcome not in OVERTAKEN:
                problems.append(read.problem)
        bad = {problem.path for problem in problems}
        self.unread.difference_update(healthy)
        self.unread.update(bad)
        await self.report(problems, [path for path in healthy if path not in bad], run)
