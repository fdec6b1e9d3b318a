"""What holds after every fault: the ledger equals the disk, and nothing is left hanging."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from stat import S_ISREG

import anyio
import anyio.to_thread
import pytest
from support import WITHIN, Tree, until

from treeledger.engine.hub import Event, RepositoryState, StateChanged
from treeledger.engine.keeper import Keeper
from treeledger.model import OperationStatus, RecordState
from treeledger.plugins.watchdog_source.reader import Reader
from treeledger.protocols import FileQuery

# What says that a session ended, and nothing else went wrong; the second is said by the session after it.
_CUT_SHORT = {"interrupted", "the engine that ran it ended without finishing it"}

Content = dict[str, tuple[int, str]]


def on_disk(root: Path) -> Content:
    """Size and SHA-256 of every regular file that no built-in rule ignores."""
    found = {}
    for folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            path = Path(folder, name)
            stat = path.lstat()
            if S_ISREG(stat.st_mode) and not name.startswith(".") and not name.endswith(("~", ".tmp")):
                digest = hashlib.sha256(path.read_bytes()).hexdigest()
                found[str(path.relative_to(root))] = (stat.st_size, digest)
    return found


async def in_ledger(tree: Tree) -> dict[str, tuple[int, str | None]]:
    """Size and hash of every present record."""
    query = FileQuery(tree.repository.id, states=(RecordState.PRESENT, RecordState.MISSING))
    return {record.path: (record.stat.size, record.content_hash) async for record in tree.ledger.files(query)}


async def until_equal(tree: Tree, within: float = 2 * WITHIN) -> None:
    """Waits until the ledger equals the disk as it is now, nothing missing, hash for hash."""
    disk = await anyio.to_thread.run_sync(on_disk, tree.root)

    async def is_equal() -> bool:
        repository = await tree.ledger.repository(tree.repository.id)
        return repository.files == len(disk) and await in_ledger(tree) == disk

    try:
        await until(is_equal, "the ledger equal to the disk", within)
    except (AssertionError, pytest.fail.Exception) as error:
        known = await in_ledger(tree)
        wrong = sorted(path for path in known.keys() | disk.keys() if known.get(path) != disk.get(path))
        differ = [(path, known.get(path), disk.get(path)) for path in wrong[:5]]
        raise AssertionError(f"{error}; {len(wrong)} differ: {differ}") from None


async def assert_in_order(tree: Tree) -> None:
    """Once the engine has stopped: no operation runs or failed but by the stop, nothing is a problem."""
    operations = await tree.ledger.sync_operations(tree.repository.id, limit=1000)
    assert [one for one in operations if one.status is OperationStatus.RUNNING] == []
    errors = {one.error_message for one in operations if one.status is OperationStatus.FAILED}
    assert errors <= _CUT_SHORT, errors
    assert await tree.ledger.store.problems(tree.repository.id, notes=False, limit=10) == []


class Heard:
    """The engine running over a tree, and every state that it said it was in."""

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self.said: list[StateChanged] = []

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Runs the engine, and leaves it with everything in order."""
        async with self.tree.ledger.started(command="test", root_check=0.2) as engine:
            self.tree.engine = engine
            engine.tools.hub.listen(self._hear)
            yield

    def _hear(self, event: Event) -> None:
        if isinstance(event, StateChanged):
            self.said.append(event)

    async def until(self, state: RepositoryState, words: str = "") -> None:
        """Waits until the keeper is in a state, with some words in its message."""

        async def is_so() -> bool:
            keeper = self.keeper
            return keeper.state is state and words in keeper.message

        try:
            await until(is_so, f"{state} {words}")
        except AssertionError as failure:
            failure.add_note(f"it said {[(one.state.value, one.message) for one in self.said]}")
            raise

    @property
    def keeper(self) -> Keeper:
        return self.tree.engine.keepers[self.tree.repository.id]

    def has_said(self, state: RepositoryState, words: str) -> bool:
        return any(one.state is state and words in one.message for one in self.said)

    def reader(self) -> Reader:
        """The thread that reads inotify."""
        (reader,) = (thread for thread in threading.enumerate() if isinstance(thread, Reader))
        return reader
