"""What tests of the whole engine share: a tree under care, and waiting for what must come true."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from stat import S_ISREG
from uuid import UUID

import anyio

from treeledger.engine.engine import Engine
from treeledger.engine.hub import Event, RepositoryState, StateChanged
from treeledger.errors import StoreUnavailable
from treeledger.ledger import Ledger
from treeledger.model import (
    ChangeKind,
    FileRecord,
    JournalEntry,
    RecordState,
    Repository,
)
from treeledger.protocols import FileQuery

WITHIN = 60.0  # seconds that anything may take on a busy machine


async def until(condition: Callable[[], Awaitable[bool]], what: str, within: float = WITHIN) -> None:
    """Waits for a condition, asked for again and again; fails with its name.

    It rests as long as the question took, so that what is waited for has its share of the machine.
    """
    asked = time.monotonic()
    try:
        with anyio.fail_after(within):
            while not await _holds(condition):
                await anyio.sleep(max(0.02, time.monotonic() - asked))
                asked = time.monotonic()
    except TimeoutError:
        raise AssertionError(f"not within {within:g} s: {what}") from None


async def _holds(condition: Callable[[], Awaitable[bool]]) -> bool:
    try:
        return await condition()
    except StoreUnavailable:  # which some faults are about
        return False


async def until_status(ledger: Ledger, repository: UUID | str, state: str) -> None:
    """Waits for a repository to be in a state, as the ledger has it; fails with the one in which it is."""
    said: list[str] = []

    async def is_so() -> bool:
        status = await ledger.sync_status(repository)
        said[:] = [status.state, status.message]
        return status.state == state

    try:
        await until(is_so, f"repository {state}")
    except BaseException as failure:
        failure.add_note(f"it is: {' '.join(said)}")
        raise


class Tree:
    """A ledger of one directory tree, with the questions that tests ask of it."""

    def __init__(self, root: Path, ledger: Ledger) -> None:
        self.root = root
        self.ledger = ledger
        self.repository: Repository
        self.engine: Engine
        self.said: list[tuple[RepositoryState, str]] = []  # every state that was told, and why
        ledger.hub.listen(self._listen)

    def _listen(self, event: Event) -> None:
        if isinstance(event, StateChanged):
            self.said.append((event.state, event.message))

    def write(self, path: str, text: str = "text") -> Path:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file

    async def record(self, path: str) -> FileRecord | None:
        return await self.ledger.get_file_record(self.repository.id, path)

    async def state(self, path: str) -> RecordState | None:
        record = await self.record(path)
        return None if record is None else record.state

    async def present(self) -> dict[str, FileRecord]:
        return {record.path: record async for record in self.ledger.files(FileQuery(self.repository.id))}

    async def written(self) -> dict[str, FileRecord]:
        """The present records as they were last written, whatever scans have seen of them since."""
        return {
            path: record._replace(last_scanned=None, scan_generation=0)
            for path, record in (await self.present()).items()
        }

    async def journal(self) -> list[JournalEntry]:
        return await self.ledger.store.changes(0, limit=100_000)

    async def kinds(self, path: str) -> list[ChangeKind]:
        return [entry.kind for entry in await self.journal() if entry.path == path]

    async def until_present(self, path: str, *, size: int | None = None) -> FileRecord:
        async def is_there() -> bool:
            record = await self.record(path)
            return (
                record is not None
                and record.state is RecordState.PRESENT
                and record.content_hash is not None
                and (size is None or record.stat.size == size)
            )

        await until(is_there, f"{path} present and hashed")
        record = await self.record(path)
        assert record is not None
        return record

    async def until_state(self, path: str, state: RecordState) -> None:
        async def is_so() -> bool:
            return await self.state(path) is state

        await until(is_so, f"{path} {state}")

    async def until_status(self, state: str) -> None:
        await until_status(self.ledger, self.repository.id, state)

    async def until_offline(self) -> None:
        async def is_offline() -> bool:
            keeper = self.engine.keepers[self.repository.id]
            return keeper.state is RepositoryState.OFFLINE

        await until(is_offline, "the repository offline")

    @asynccontextmanager
    async def watched(self, root_check: float = 0.2) -> AsyncIterator[Engine]:
        """The engine running, past its startup scan."""
        async with self.ledger.started(command="test", root_check=root_check) as engine:
            self.engine = engine
            await self.until_status("watching")
            yield engine

    async def until_told(self, state: RepositoryState, words: str = "") -> None:
        """Until a state is the last that was told, with these words in its message."""

        async def is_so() -> bool:
            return bool(self.said) and self.said[-1][0] is state and words in self.said[-1][1]

        await until(is_so, f"told that it is {state}: {words}")

    async def until_equal(self) -> None:
        """Until the ledger holds what is on the disk, hash for hash."""

        async def is_equal() -> bool:
            recorded = {path: record.content_hash for path, record in (await self.present()).items()}
            return recorded == {path: digest for path, (_, _, digest) in on_disk(self.root).items()}

        await until(is_equal, "the ledger equals the disk", within=2 * WITHIN)

    async def check_sound(self) -> None:
        """As `assert_sound`; and the journal has no gap, and tells nothing twice."""
        await assert_sound(self.ledger, self.repository)
        journal = await self.journal()
        assert [entry.n for entry in journal] == list(range(1, len(journal) + 1))
        assert (await self.ledger.store.head()).n == len(journal)
        last: dict[int, tuple[object, ...]] = {}
        for entry in journal:
            told = (entry.kind, entry.path, entry.stat, entry.hash)
            assert last.get(entry.record_id) != told
            last[entry.record_id] = told


_LEFT_BY = {
    ChangeKind.MISSING: RecordState.MISSING,
    ChangeKind.DELETED: RecordState.DELETED,
    ChangeKind.IGNORED: RecordState.IGNORED,
}


def on_disk(root: Path) -> dict[str, tuple[int, int, str]]:
    """Size, modification time in ns and SHA-256 of regular files by path, without hidden ones and `*.log`.

    What comes or goes meanwhile may be among them or not.
    """
    found = {}
    for folder, _, names in os.walk(root):
        for path in (Path(folder, name) for name in names):
            with suppress(FileNotFoundError):
                stat = path.lstat()
                if S_ISREG(stat.st_mode) and not path.name.startswith(".") and path.suffix != ".log":
                    digest = hashlib.sha256(path.read_bytes()).hexdigest()
                    found[str(path.relative_to(root))] = (stat.st_size, stat.st_mtime_ns, digest)
    return found


async def assert_sound(ledger: Ledger, repository: Repository) -> None:
    """Fails unless the ledger is in itself as it must be, whatever happened and however it ended.

    The journal, replayed by record id, equals the records; the counters count them; one live record has
    a path; no operation is running.
    """
    states = tuple(RecordState)
    query = FileQuery(repository.id, states=states)
    records = {record.id: record async for record in ledger.files(query)}
    replayed = {}
    for entry in await ledger.store.changes(0, limit=100_000, repository_id=repository.id):
        state = _LEFT_BY.get(entry.kind, RecordState.PRESENT)
        replayed[entry.record_id] = (entry.path, state, entry.stat.size, entry.stat.mtime_ns, entry.hash)
    told = {id: (r.path, r.state, r.stat.size, r.stat.mtime_ns, r.content_hash) for id, r in records.items()}
    assert replayed == told
    live = [record.path for record in records.values() if record.state is not RecordState.DELETED]
    assert len(live) == len(set(live))
    now = await ledger.repository(repository.id)
    present = [record for record in records.values() if record.state is RecordState.PRESENT]
    missing = [record for record in records.values() if record.state is RecordState.MISSING]
    assert (now.files, now.missing) == (len(present), len(missing))
    assert now.bytes == sum(record.stat.size for record in present)
    running = [one for one in await ledger.sync_operations(limit=1000) if one.status == "running"]
    assert running == []


async def assert_true(ledger: Ledger, repository: Repository, root: Path) -> None:
    """Fails unless the ledger is sound, equals the tree hash for hash, and knows of no problem."""
    query = FileQuery(repository.id)
    recorded = {r.path: (r.stat.size, r.stat.mtime_ns, r.content_hash) async for r in ledger.files(query)}
    assert recorded == on_disk(root)
    await assert_sound(ledger, repository)
    assert await ledger.store.problems(repository.id, notes=False, limit=10) == []


@asynccontextmanager
async def tree_on(
    root: Path, store_url: str, *, processes: bool = False, config: Path | None = None
) -> AsyncIterator[Tree]:
    """A tree at `root`, which is made if it is missing, under the care of a ledger."""
    await anyio.Path(root).mkdir(exist_ok=True)
    environ = {**os.environ, "TREELEDGER_CONFIG": ""}
    async with Ledger.open(store=store_url, config=config, environ=environ, processes=processes) as ledger:
        tree = Tree(root, ledger)
        tree.repository = await ledger.add_repository(root)
        yield tree
