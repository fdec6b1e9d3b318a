"""What tests of the whole engine share: a tree under care, and waiting for what must come true."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

from treeledger.engine.engine import Engine
from treeledger.engine.hub import RepositoryState
from treeledger.ledger import Ledger
from treeledger.model import ChangeKind, FileRecord, JournalEntry, RecordState, Repository
from treeledger.protocols import FileQuery

WITHIN = 15.0  # seconds that anything may take on a busy machine


async def until(condition: Callable[[], Awaitable[bool]], what: str, within: float = WITHIN) -> None:
    """Waits for a condition, asked for again and again; fails with its name."""
    try:
        with anyio.fail_after(within):
            while not await condition():  # noqa: ASYNC110 - what is waited for is in a store
                await anyio.sleep(0.02)
    except TimeoutError:
        pytest.fail(f"not within {within:g} s: {what}")


class Tree:
    """A ledger of one directory tree, with the questions that tests ask of it."""

    def __init__(self, root: Path, ledger: Ledger) -> None:
        self.root = root
        self.ledger = ledger
        self.repository: Repository
        self.engine: Engine

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
        async def is_so() -> bool:
            status = await self.ledger.sync_status(self.repository.id)
            return status.state == state

        await until(is_so, f"repository {state}")

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
