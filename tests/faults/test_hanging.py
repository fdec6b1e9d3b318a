"""Hanging: a hasher or a disk that never answers."""

from __future__ import annotations

import hashlib
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from matrix import fault
from support import Tree, assert_true, until
from victim import Stage, Victim, before

from treeledger.engine import readers
from treeledger.model import HashState, ProblemCode
from treeledger.plugins.sha256 import Sha256

pytestmark = pytest.mark.anyio
LARGE = 17 * 2**20  # bytes; read in a lane of its own
DIGESTED = "treeledger.reading:_Reader._digested"


class Gate(NamedTuple):
    """Files that begin with `hang` are not hashed before it is `free`; which threads came to it."""

    free: threading.Event
    came: list[int]


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    one = Gate(threading.Event(), [])

    class Digest:
        def __init__(self) -> None:
            self._digest = hashlib.sha256()
            self.hexdigest = self._digest.hexdigest

        def update(self, data: Any) -> None:
            self._digest.update(data)
            if bytes(data[:4]) == b"hang":
                one.came.append(threading.get_ident())
                one.free.wait()

    monkeypatch.setattr(Sha256, "new", lambda self: Digest())
    yield one
    one.free.set()


async def problems(tree: Tree) -> dict[str, ProblemCode]:
    known = await tree.ledger.store.problems(tree.repository.id, notes=False, limit=100)
    return {one.problem.path: one.problem.code for one in known}


@fault(
    "a hasher never returns from a small and from several large files",
    "the problem is said, all others and live changes are hashed, and it heals",
)
@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("how", ["scan", "watch"])
@pytest.mark.parametrize("timeout", ["2s", None])
async def test_hanging_hasher(
    tree: Tree, monkeypatch: pytest.MonkeyPatch, gate: Gate, how: str, timeout: str | None
) -> None:
    monkeypatch.setattr(readers, "_PATIENCE", 1.0)
    settings = {"reconciliation": {"hash_timeout": timeout}} if timeout else {}
    await tree.ledger.store.update_repository(tree.repository.id, settings=settings)
    tree.repository = await tree.ledger.repository(tree.repository.id)
    hanging = {"hang": 4} | {f"hang{n}": LARGE for n in range(5)}  # more than are read at a time
    for name, size in hanging.items():
        (tree.root / name).write_bytes(b"hang".ljust(size))
    for n in range(30):
        tree.write(f"f{n}", str(n))
    (tree.root / "large").write_bytes(bytes(LARGE))
    state, code = (
        (HashState.SKIPPED, ProblemCode.HASH_TIMEOUT) if timeout else (HashState.FAILED, ProblemCode.IO_ERROR)
    )

    async def is_contained() -> bool:
        states = {path: record.hash_state for path, record in (await tree.present()).items()}
        others = {path: one for path, one in states.items() if path not in hanging}
        return (
            set(others.values()) == {HashState.DONE}
            and {path: states.get(path) for path in hanging} == dict.fromkeys(hanging, state)
            and await problems(tree) == dict.fromkeys(hanging, code)
        )

    if how == "scan":
        await tree.ledger.scan(tree.repository)
        assert await is_contained()
    else:
        async with tree.watched():
            await until(is_contained, "the others hashed, the hanging ones said")
            tree.write("live")
            await tree.until_present("live")
            tree.write("hang", "hang more")  # it is not begun again, as long as a thread is in it
            tree.write("live2")
            await tree.until_present("live2")
            await until(is_contained, "it is said of the one that was written to, too")
    assert len(gate.came) == len(hanging)
    gate.free.set()

    async def is_healed() -> bool:
        for name in hanging:
            (tree.root / name).touch()
        await tree.ledger.scan(tree.repository)
        return await problems(tree) == {}

    await until(is_healed, "all hashed, once the threads are free")
    await assert_true(tree.ledger, tree.repository, tree.root)


@fault(
    "SIGTERM while a hasher or a disk never answers, in a scan or a live change",
    "it ends in less than five seconds, and the next scan goes on",
)
@pytest.mark.parametrize(("how", "size"), [("scan", LARGE), ("watch", 4)])
async def test_stopped_while_it_hangs(tmp_path: Path, how: str, size: int) -> None:
    victim = Victim(tmp_path, f"sqlite:{tmp_path / 'state' / 'ledger.db'}")
    victim.root.mkdir()
    stage: Stage = before(DIGESTED)
    if how == "scan":
        victim.write("file", "x" * size)
        with victim.started(stage, "hang", "scan", victim.root) as running:
            running.until_reached()
            running.process.send_signal(signal.SIGTERM)
            running.wait()
    else:
        with victim.live(stage, "hang") as running:
            victim.write("file", "x" * size)
            running.until_reached()
            running.process.send_signal(signal.SIGTERM)
            running.wait()
    assert running.ended.seconds < 5
    async with victim.opened() as tree:
        await tree.ledger.scan(tree.repository)
        await assert_true(tree.ledger, tree.repository, victim.root)
