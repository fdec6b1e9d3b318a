"""What a scan would change, found by the same walk, merge and inspection, with nothing written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from treeledger.config.settings import RepositorySettings
from treeledger.diff import ContentPolicy, change_key_on
from treeledger.engine.context import Context
from treeledger.engine.inspector import Inspector
from treeledger.engine.recorder import Recorder
from treeledger.engine.roots import examine_root
from treeledger.engine.run import Run
from treeledger.engine.scan import Scanner
from treeledger.engine.session import Tools, accept, build_spec, current
from treeledger.model import (
    Change,
    ChangeKind,
    Counts,
    Lease,
    OperationStatus,
    OperationType,
    Problem,
    Repository,
    ScanScope,
    SyncOperation,
)
from treeledger.protocols import Applied

_WORDS = {
    ChangeKind.ADDED: "added",
    ChangeKind.RESTORED: "added",
    ChangeKind.MODIFIED: "updated",
    ChangeKind.MOVED: "moved",
    ChangeKind.MISSING: "removed",
    ChangeKind.IGNORED: "removed",
}


@dataclass(slots=True)
class Foreseen:
    """The changes a scan would make: `(what, path)`, and how many files were seen."""

    changes: list[tuple[str, str]] = field(default_factory=list)
    scanned: int = 0

    @property
    def counts(self) -> dict[str, int]:
        found = Counter(what for what, _ in self.changes)
        return {"scanned": self.scanned} | {
            what: found[what] for what in ("added", "updated", "moved", "removed")
        }


class _Notebook(Recorder):
    """Takes changes down instead of committing them."""

    foreseen: Foreseen

    async def apply(self, changes: Sequence[Change], run: Run) -> Applied:
        self.foreseen.changes += [
            (_WORDS[change.kind], change.after.path) for change in changes if change.kind in _WORDS
        ]
        return Applied([], [], [])


class _Trial(Run):
    """A run that no store knows of."""

    repository: Repository

    async def begin(self) -> SyncOperation:
        generation = self.repository.generation + 1
        now = datetime.now(UTC)
        return SyncOperation(
            0, self.repository.id, self.type, OperationStatus.RUNNING, "", generation, Counts(), now
        )


class _TrialContext(Context):
    async def report(self, problems: list[Problem], healthy: list[str], run: Run | None = None) -> None:
        """Nothing is written."""


class _TrialScanner(Scanner):
    def _taking(self) -> None:
        """New files are only named."""

    async def _forget_problems(self, scope: ScanScope, before: datetime) -> None:
        """Nothing is written."""


async def foresee(
    tools: Tools, repository: Repository, settings: RepositorySettings, prefixes: Sequence[str]
) -> Foreseen:
    """Says what a scan of some prefixes would change. Raises RootOffline. Needs no lease."""
    repository = await current(tools.store, repository.id)
    root, verdict = await examine_root(
        tools.store, repository, settings.marker, settings.shown_as, cross_mounts=settings.cross_mounts
    )
    spec = build_spec(tools, repository, settings, root)
    await accept(tools, tools.store, repository, root, spec, verdict)
    lease = Lease(repository.id, tools.owner, 0)
    recorder = _Notebook(tools.store, repository, lease, tools.hub)
    recorder.foreseen = Foreseen()
    context = _TrialContext(
        store=tools.store,
        repository=repository,
        settings=settings,
        lease=lease,
        root=root,
        spec=spec,
        workers=tools.workers,
        recorder=recorder,
        hub=tools.hub,
        change_key=change_key_on(root.type, settings.change_key),
        content=ContentPolicy(hashing=False),
        one_shot=True,
    )
    run = _Trial(tools.store, lease, OperationType.MANUAL, "")
    run.repository = repository
    await _TrialScanner(context, Inspector(context)).scan(prefixes, run)
    recorder.foreseen.scanned = run.counts.files_scanned
    recorder.foreseen.changes.sort(key=lambda change: change[1])
    return recorder.foreseen
