"""A watched tree for synchronous tests: the engine runs in a thread with an event loop of its own."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import anyio
from anyio.from_thread import BlockingPortal, start_blocking_portal
from replay import Replay

from treeledger.engine.engine import Engine
from treeledger.engine.hub import RepositoryState
from treeledger.ledger import Ledger
from treeledger.model import (
    FileRecord,
    HashState,
    JournalEntry,
    KnownProblem,
    OperationStatus,
    RecordState,
    Repository,
)
from treeledger.protocols import FileQuery

PATIENCE = 60.0  # seconds that anything may take on a busy machine
_STUCK = 1.0  # seconds that an idle engine may take to say something new
_STUCK_LOOKS = 20  # between which it has its turns, however long the machine is busy with others
_UNSETTLED = (HashState.PENDING, HashState.FAILED)


class Stuck(AssertionError):
    """The ledger is not what it should be, and the engine does nothing about it."""


class Ledgered(NamedTuple):
    """What the ledger says of one folder: its present records, the journal since the last time, problems."""

    records: dict[str, FileRecord]
    entries: list[JournalEntry]
    problems: list[KnownProblem]


class _Complaints(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.heard: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.heard.append(self.format(record))


class LiveTree:
    """One engine and one repository for many sequences, each in a folder of its own."""

    def __init__(
        self, root: Path, portal: BlockingPortal, ledger: Ledger, repository: Repository, engine: Engine
    ) -> None:
        self.root = root
        self.replay = Replay()
        self._portal = portal
        self._ledger = ledger
        self._repository = repository
        self._engine = engine
        self._barriers = count(1)
        self._scans: list[Future[Any]] = []
        (root / "barrier").mkdir()

    def says(self) -> str:
        """How the engine says it is."""
        keeper = self._engine.keepers[self._repository.id]
        return f"{keeper.state}: {keeper.message}"

    def scan(self) -> None:
        """Begins a full scan, beside everything else."""
        scan = self._ledger.trigger_reconciliation
        self._scans.append(self._portal.start_task_soon(scan, self._repository.id))

    def settled(self, folder: str, expected: dict[str, str]) -> Ledgered:
        """What the ledger says of a folder once it holds the expected hashes by path, and all is quiet.

        If the engine has heard everything and does nothing more, it is what the ledger says all the same.
        """
        while self._scans:
            self._scans.pop().result(PATIENCE)
        return self._portal.call(self._settled, folder, expected)

    async def _all_heard(self) -> None:
        """Waits until the engine has heard of all that happened so far: events come in order."""
        barrier = f"barrier/{next(self._barriers)}"
        (self.root / barrier).touch()
        deadline = time.monotonic() + PATIENCE
        while not await self._records(barrier):
            if time.monotonic() > deadline:
                raise Stuck(f"nothing is heard any more; {self.says()}")
            await anyio.sleep(0.005)

    async def _settled(self, folder: str, expected: dict[str, str]) -> Ledgered:
        await self._all_heard()
        deadline = time.monotonic() + PATIENCE
        quiet_since: float | None = None
        quiet_looks = 0
        while True:
            was_busy = self._is_busy()  # what it commits now, the records that are read next may lack
            records = await self._records(folder + "/")
            present = {r.path: r for r in records if r.state is RecordState.PRESENT}
            differing = _differing(present, expected)
            is_equal = not differing
            now = time.monotonic()
            if was_busy or self._is_busy() or any(_is_unsettled(record) for record in records):
                quiet_since = None
            elif differing and all(_is_doubtful(present.get(path)) for path in differing):
                # No event told of it, as the ledger says itself: so it is read again.
                await self._ledger.trigger_reconciliation(
                    self._repository.id, prefixes=(folder,), rehash=True
                )
            elif is_equal or (
                quiet_since is not None and now > quiet_since + _STUCK and quiet_looks > _STUCK_LOOKS
            ):
                return Ledgered(present, await self._entries(), await self._problems(folder))
            elif quiet_since is None:
                quiet_since, quiet_looks = now, 0
            quiet_looks += 1
            if now > deadline:
                raise Stuck(f"not settled within {PATIENCE:g} s: {records}")
            await anyio.sleep(0.005)

    def _is_busy(self) -> bool:
        keeper = self._engine.keepers[self._repository.id]
        assert keeper.state is not RepositoryState.OFFLINE, keeper.message
        session = keeper.lease_holder
        return session is None or session.deletions.is_busy()

    async def _records(self, prefix: str) -> list[FileRecord]:
        states = (RecordState.PRESENT, RecordState.MISSING)
        return await self._ledger.store.files(FileQuery(self._repository.id, prefix, states))

    async def _entries(self) -> list[JournalEntry]:
        return await self._ledger.store.changes(self.replay.n, limit=100_000)

    async def _problems(self, folder: str) -> list[KnownProblem]:
        problems = await self._ledger.store.problems(self._repository.id, notes=True, limit=1000)
        return [known for known in problems if known.problem.path.startswith(folder + "/")]

    def everything(self) -> Ledgered:
        """All records and the whole journal."""
        return self._portal.call(self._everything)

    async def _everything(self) -> Ledgered:
        await self._all_heard()
        with anyio.fail_after(PATIENCE):
            while self._is_busy() or await self._missing():  # noqa: ASYNC110 - as above
                await anyio.sleep(0.02)
        query = FileQuery(self._repository.id, limit=100_000)
        records = {record.path: record async for record in self._ledger.files(query)}
        return Ledgered(records, await self._ledger.store.changes(0, limit=1_000_000), [])

    async def _missing(self) -> bool:
        return bool(
            await self._ledger.store.files(FileQuery(self._repository.id, states=(RecordState.MISSING,)))
        )


def _differing(present: dict[str, FileRecord], expected: dict[str, str]) -> list[str]:
    known = {path: record.content_hash for path, record in present.items()}
    return [path for path in known.keys() | expected.keys() if known.get(path) != expected.get(path)]


def _is_doubtful(record: FileRecord | None) -> bool:
    return record is not None and record.hash_state is HashState.VERIFY


def _is_unsettled(record: FileRecord) -> bool:
    return record.state is RecordState.MISSING or record.hash_state in _UNSETTLED


@contextmanager
def live_tree(root: Path, store_url: str, settings: dict[str, Any]) -> Iterator[LiveTree]:
    """The engine running; afterwards no operation is left open or failed, and nothing was complained of."""
    environ = {**os.environ, "TREELEDGER_CONFIG": ""}
    complaints = _Complaints()
    logging.getLogger("treeledger").addHandler(complaints)
    try:
        with (
            start_blocking_portal() as portal,
            portal.wrap_async_context_manager(Ledger.open(store=store_url, environ=environ)) as ledger,
        ):
            repository = portal.call(lambda: ledger.add_repository(root, settings=settings))
            with portal.wrap_async_context_manager(ledger.started(command="oracle")) as engine:
                tree = LiveTree(root, portal, ledger, repository, engine)
                yield tree
            operations = portal.call(lambda: ledger.sync_operations(repository.id, limit=100_000))
            ended = {(one.status, one.error_message) for one in operations}
            assert ended == {(OperationStatus.COMPLETED, None)}
            assert complaints.heard == []
    finally:
        logging.getLogger("treeledger").removeHandler(complaints)
