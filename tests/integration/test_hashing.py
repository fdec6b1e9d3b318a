"""The hash queue: no file waits for another one to be read."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from support import WITHIN, Tree, assert_true, tree_on, until

from treeledger.engine.hashes import Hashes
from treeledger.plugins.sha256 import Sha256
from treeledger.plugins.walker import LocalTree

pytestmark = pytest.mark.anyio
LARGE = 1000  # bytes; what is larger has a lane of its own here


class Gate:
    """Holds up the hashing of files that begin with `held` until `free` is set."""

    def __init__(self) -> None:
        self.free = threading.Event()
        self.held = 0

    def new(self) -> Any:
        return _Digest(self)


class _Digest:
    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._digest = hashlib.sha256()
        self.hexdigest = self._digest.hexdigest

    def update(self, data: Any) -> None:
        self._digest.update(data)
        if bytes(data[:4]) == b"held":
            self._gate.held += 1
            assert self._gate.free.wait(WITHIN)


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    """Nothing is read by inspections: all comes to the queue."""
    gate = Gate()
    monkeypatch.setattr(Sha256, "new", lambda self: gate.new())
    monkeypatch.setattr("treeledger.engine.hashes.SMALL_FILE", LARGE)
    monkeypatch.setattr("treeledger.engine.inspector.SMALL_FILE", -1)
    yield gate
    gate.free.set()


@pytest.fixture
async def tree(tmp_path: Path) -> AsyncIterator[Tree]:
    root = tmp_path / "root"
    root.mkdir()
    async with tree_on(root, f"sqlite:{tmp_path}/ledger.db") as tree:
        yield tree


def write_large(tree: Tree, path: str, start: str = "held") -> None:
    tree.write(path, start.ljust(2 * LARGE))


async def until_held(gate: Gate, number: int) -> None:
    async def is_held() -> bool:
        return gate.held == number

    await until(is_held, f"{number} large files in hand")


async def test_a_small_file_is_read_while_large_ones_are(tree: Tree, gate: Gate) -> None:
    async with tree.watched():
        write_large(tree, "large")
        await until_held(gate, 1)
        tree.write("small")
        await tree.until_present("small")
        large = await tree.record("large")
        assert large is not None
        assert large.content_hash is None
        gate.free.set()
        await tree.until_present("large")
    await assert_true(tree.ledger, tree.repository, tree.root)


async def test_more_large_files_than_there_is_room_for_hold_up_no_small_one(
    tree: Tree, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("treeledger.engine.hashes._MOST_LARGE", 2)
    monkeypatch.setattr("treeledger.engine.hashes._PAGE", 3)
    most = 0
    read_large = Hashes._read_large

    async def counted(hashes: Hashes, *arguments: Any) -> None:
        nonlocal most
        most = max(most, len(hashes._busy))
        await read_large(hashes, *arguments)

    monkeypatch.setattr(Hashes, "_read_large", counted)
    for number in range(9):
        write_large(tree, f"large{number}")
        tree.write(f"small{number}")
    async with tree.watched():
        for number in range(9):
            await tree.until_present(f"small{number}")
        await until_held(gate, 2)
        gate.free.set()
        for number in range(9):
            await tree.until_present(f"large{number}")
    assert most == 2
    await assert_true(tree.ledger, tree.repository, tree.root)


async def test_a_large_file_is_begun_before_a_scan_has_walked_everything(
    tree: Tree, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun_while_walking = []
    gate.free.set()
    listing = LocalTree.list

    def slow(local: LocalTree, directory: str) -> Any:
        if directory == "z":
            begun_while_walking.append(_within(lambda: gate.held == 1))
        return listing(local, directory)

    monkeypatch.setattr(LocalTree, "list", slow)
    write_large(tree, "a/large")
    for number in range(3000):
        tree.write(f"b/{number}", "")
    tree.write("z/last")
    await tree.ledger.scan(tree.repository)
    assert begun_while_walking == [True]
    await assert_true(tree.ledger, tree.repository, tree.root)


def _within(is_so: Any) -> bool:
    """Waits in a thread until something is so; False if it never is."""
    for _ in range(int(WITHIN / 0.01)):
        if is_so():
            return True
        threading.Event().wait(0.01)
    return False
