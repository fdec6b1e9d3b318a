"""A tree, a ledger of it, and processes of treeledger on them that meet their end at a given point."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
from support import WITHIN, Tree, assert_true, on_disk

from treeledger.ledger import Ledger
from treeledger.model import FileRecord, HashState, SyncOperation

FAILPOINT = Path(__file__).parent / "failpoint.py"
KILLED = -9


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
CLAIM = "treeledger.plugins.sql.repositories:Repositories.claim"
RELEASE = "treeledger.plugins.sql.repositories:Repositories.release"
BEGIN = "treeledger.plugins.sql.operations:Operations.begin_operation"
FINISH = "treeledger.plugins.sql.operations:Operations.finish_operation"
LOOK = "treeledger.worker:look"
READ = "treeledger.worker:read"
WALK = "treeledger.worker:walk_batches"
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
            self.write(f"d{n % 4}/e/f{n}", f"{n} " * (n + 1))

    def write(self, path: str, text: str) -> Path:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file

    def dies(self, stage: Stage, *arguments: str | Path) -> str:
        """Runs a command that is killed at a stage; what it had said."""
        done = subprocess.run(
            self._command(stage, arguments),
            cwd=self.home,
            env=self.environ,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == KILLED, f"{stage} was not reached: {done}"
        assert "Traceback" not in done.stderr
        return done.stdout

    def _command(self, stage: Stage, arguments: tuple[str | Path, ...]) -> list[str | Path]:
        return [sys.executable, FAILPOINT, stage.where, stage.when, str(stage.nth), "kill", *arguments]

    @contextmanager
    def dies_live(self, stage: Stage) -> Iterator[None]:
        """What the body does to the tree has a running `watch` killed at a stage."""
        armed = self.home / "armed"
        process = subprocess.Popen(
            self._command(stage, ("watch", self.root)),
            cwd=self.home,
            env={**self.environ, "FAILPOINT_ARMED": str(armed)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert process.stdout is not None
        try:
            said = ""
            while "watching, " not in said:
                line = process.stdout.readline()
                assert line, f"it ended: {said}"
                said += line
            armed.touch()
            yield
            assert process.wait(WITHIN) == KILLED
            assert "Traceback" not in process.stdout.read()
        finally:
            process.kill()
            process.wait()
            process.stdout.close()

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
