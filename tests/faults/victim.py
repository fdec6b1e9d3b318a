"""A tree, a ledger of it, and processes of treeledger on them that meet their end at a given point."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import warm
from executable import WITHIN
from support import Tree, assert_true, on_disk

from benchmarks.measure import HeldUp
from treeledger.ledger import Ledger
from treeledger.model import FileRecord, HashState, SyncOperation

FAILPOINT = Path(__file__).parent / "failpoint.py"
KILLED = -9
Process = subprocess.Popen[bytes] | warm.Process


class Stage(NamedTuple):
    """Where a process is killed: see failpoint.py."""

    where: str
    when: str
    nth: int = 1


def before(where: str, nth: int = 1) -> Stage:
    return Stage(where, "before", nth)


def after(where: str, nth: int = 1) -> Stage:
    return Stage(where, "after", nth)


def stages(*some: Stage) -> pytest.MarkDecorator:
    names = [f"{one.when} {one.where.rpartition('.')[2]} {one.nth}" for one in some]
    return pytest.mark.parametrize("stage", some, ids=names)


APPLY = "treeledger.plugins.sql.applying:Applying.apply"
ADD = "treeledger.plugins.sql.adding:Adding.add"
CLAIM = "treeledger.plugins.sql.repositories:Repositories.claim"
RELEASE = "treeledger.plugins.sql.repositories:Repositories.release"
BEGIN = "treeledger.plugins.sql.operations:Operations.begin_operation"
FINISH = "treeledger.plugins.sql.operations:Operations.finish_operation"
LOOK = "treeledger.worker:look"
READ = "treeledger.worker:read"
WALK = "treeledger.worker:survey"
DELETE = "treeledger.engine.deletions:Deletions._delete"


class Victim:
    """A tree, a ledger of it, and processes of treeledger on them that are killed."""

    def __init__(self, home: Path, store_url: str) -> None:
        self.home = home
        self.root = home / "tree"
        self.store_url = store_url
        self.environ = {
            **os.environ,
            "TREELEDGER_CONFIG": "",
            "TREELEDGER_STORE": store_url,
            "TREELEDGER_FILE_WATCHER_DEBOUNCE": "20ms",
            "XDG_STATE_HOME": str(home / "state"),
            "XDG_CONFIG_HOME": str(home / "config"),
        }

    def grow(self, count: int = 40) -> None:
        """Files of different sizes and contents in a few folders."""
        for n in range(count):
            self.write(f"d{n % 4}/e/f{n}", f"{n} " * (n % 100 + 1))

    def write(self, path: str, text: str) -> Path:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file

    def dies(self, stage: Stage, *arguments: str | Path) -> None:
        """Runs a command that is killed at a stage."""
        assert self.run(stage, "kill", *arguments).code == KILLED, f"{stage} was not reached"

    def run(self, stage: Stage, action: str, *arguments: str | Path, **given: Any) -> Ended:
        """Runs a command to its end; something happens to it at a stage."""
        with self.started(stage, action, *arguments, **given) as running:
            pass
        return running.ended

    @contextmanager
    def dies_live(self, stage: Stage) -> Iterator[None]:
        """What the body does to the tree has a running `watch` killed at a stage."""
        with self.live(stage, "kill") as running:
            yield
        assert running.ended.code == KILLED

    @contextmanager
    def live(self, stage: Stage, action: str, *, cold: bool = False) -> Iterator[Running]:
        """A running `watch`, to which something happens when what the body does leads to a stage."""
        armed = self.home / "armed"
        with self.started(stage, action, "watch", self.root, armed=armed, cold=cold) as running:
            running.until("watching, ")
            armed.touch()
            yield running

    @contextmanager
    def started(
        self,
        stage: Stage,
        action: str,
        *arguments: str | Path,
        armed: Path | None = None,
        begin: Callable[[], None] | None = None,
        cold: bool = False,
    ) -> Iterator[Running]:
        """A command that is waited for after the body.

        `armed`: the stage counts once this file exists. `begin` is called in the process before it starts.
        `cold`: it imports what it needs itself, as it does with `begin`.
        """
        reached = self.home / "reached"
        reached.unlink(missing_ok=True)
        given = [stage.where, stage.when, str(stage.nth), action, *arguments]
        environ = {**self.environ, "FAILPOINT_REACHED": str(reached)}
        if armed is not None:
            armed.unlink(missing_ok=True)
            environ["FAILPOINT_ARMED"] = str(armed)
        with (self.home / "said").open("w+") as said:
            if cold or begin is not None or sys.platform != "linux":
                process: Process = subprocess.Popen(
                    [sys.executable, FAILPOINT, *given],
                    cwd=self.home,
                    env=environ,
                    stdin=subprocess.DEVNULL,
                    stdout=said,
                    stderr=said,
                    preexec_fn=begin,
                )
            else:
                program = warm.Program(given, self.home, environ, FAILPOINT)
                process = warm.start(program, said.fileno(), said.fileno())
            running = Running(process, self.home / "said", reached, stops=action == "stop")
            try:
                yield running
                running.wait()
            finally:
                process.kill()
                process.wait()

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Tree]:
        """The ledger in this process, with its only repository."""
        async with Ledger.open(environ=self.environ) as ledger:
            tree = Tree(self.root, ledger)
            tree.repository = (await ledger.find_or_add(str(self.root))).repository
            yield tree

    async def scanned(self) -> dict[str, FileRecord]:
        """The records after a scan that nothing disturbed."""
        async with self.opened() as tree:
            await tree.ledger.scan(tree.repository)
            return await tree.present()


class Ended(NamedTuple):
    """How a process ended: what it printed, and how long after it had reached its stage, without the time in
    which others had the processors."""

    code: int
    said: str
    seconds: float


class Running:
    """A process on its way to its stage."""

    def __init__(self, process: Process, said: Path, reached: Path, *, stops: bool) -> None:
        """`stops`: at its stage it is stopped, until somebody continues it."""
        self.process = process
        self.ended: Ended
        self._said = said
        self._reached = reached
        self._stops = stops

    def until(self, words: str) -> None:
        """Waits until it has printed something."""
        self._until(lambda: words in self._said.read_text(), words)

    def until_reached(self) -> None:
        """Waits until it is at its stage, and where that stops it, is stopped: whoever continues it before
        that continues nothing."""
        self._until(self._reached.exists, "its stage")
        if self._stops and sys.platform == "linux":
            self._until(self._is_stopped, "its stop")

    def _is_stopped(self) -> bool:
        with suppress(OSError):  # it has ended
            status = Path(f"/proc/{self.process.pid}/stat").read_text()
            return status.rpartition(")")[2].split()[0] == "T"
        return False

    def _until(self, condition: Callable[[], bool], what: str) -> None:
        end = time.monotonic() + WITHIN
        while True:
            has_ended = self.process.poll() is not None  # asked first: what it said before that counts
            if condition():
                return
            assert not has_ended, f"it ended before {what}: {self._said.read_text()}"
            assert time.monotonic() < end, f"not within {WITHIN:g} s: {what}"
            time.sleep(0.01)

    def children(self) -> list[int]:
        """The processes it started."""
        found: list[int] = []
        for task in Path(f"/proc/{self.process.pid}/task").glob("*/children"):
            with suppress(OSError):  # of a thread that has ended
                found += map(int, task.read_text().split())
        return found

    def wait(self) -> None:
        """Waits for its end. Fails if its stage was not reached, or on a traceback."""
        held_up = self._held_up()
        code = self.process.wait()
        now, said = time.time(), self._said.read_text()
        assert self._reached.exists(), f"the stage was not reached: {said}"
        assert "Traceback" not in said, said
        self.ended = Ended(code, said, now - self._reached.stat().st_mtime - held_up)

    def _held_up(self) -> float:
        """Seconds in which others had the processors from its stage to its end, which is waited for."""
        others, before, since = HeldUp(self.process.pid), 0.0, 0.0
        begin = time.monotonic()
        while self.process.poll() is None:
            since = max(since, others.seconds)  # a thread that ends takes its account with it
            before = before if self._reached.exists() else since
            assert time.monotonic() < begin + WITHIN, f"not within {WITHIN:g} s: its end"
            time.sleep(0.01)
        return since - before


async def is_known(tree: Tree) -> dict[str, FileRecord]:
    """The present records whose content is known, and whose files are as they are recorded."""
    found = {}
    present = await tree.present()
    for path in on_disk(tree.root).keys() & present.keys():
        stat, record = (tree.root / path).lstat(), present[path]
        now = (stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)
        if record.hash_state is HashState.DONE and record.stat[:3] == now:
            found[path] = record
    return found


async def recovers(victim: Victim) -> SyncOperation:
    """Scans after a crash: what was committed is kept and not read again, and all is as on disk."""
    async with victim.opened() as tree:
        known = await is_known(tree)
        crashed = await tree.ledger.sync_operations(tree.repository.id)
        operation = await tree.ledger.scan(tree.repository)
        await assert_true(tree.ledger, tree.repository, victim.root)
        present = await tree.present()
        assert {path: present[path].id for path in known} == {path: r.id for path, r in known.items()}
        unknown = sum(r.stat.size for path, r in present.items() if path not in known)
        assert operation.counts.bytes_hashed <= unknown
        assert operation.status == "completed"
        after_it = {one.id: one for one in await tree.ledger.sync_operations(tree.repository.id)}
        for one in crashed:
            if one.status == "running":
                assert after_it[one.id].status == "failed"
        assert (await tree.ledger.repository(tree.repository.id)).clean
        assert await tree.ledger.store.engine_holder(tree.ledger.host) is None
    return operation
