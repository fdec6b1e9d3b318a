"""Crashes: the process is killed at every stage of its work; the next run costs nothing but time."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
from matrix import fault
from support import WITHIN, Tree, assert_true, on_disk, until

from treeledger.ledger import Ledger
from treeledger.model import FileRecord, HashState, HoldStatus, RecordState, SyncOperation
from treeledger.protocols import FileQuery

pytestmark = pytest.mark.anyio

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


@pytest.fixture
def victim(tmp_path: Path, store_url: str) -> Victim:
    made = Victim(tmp_path, store_url)
    made.root.mkdir()
    return made


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


@fault("kill -9 at a stage of the first scan", "the next scan goes on: equal to the disk, nothing read twice")
@stages(
    after("treeledger.plugins.sql.repositories:Repositories.add_repository"),
    after("sql:claim"),
    after(CLAIM),
    after("sql:begin_operation"),
    before(WALK),
    after(READ),
    after("sql:insert_records"),
    after("sql:insert_entries"),
    after(APPLY),
    before("treeledger.engine.hashes:Hashes.drain"),
    before("sql:add_scope"),
    after(FINISH),
    before("sql:release"),
    after(RELEASE),
)
async def test_first_scan(victim: Victim, stage: Stage) -> None:
    victim.grow()
    victim.dies(stage, "scan", victim.root)
    await recovers(victim)


@fault(
    "kill -9 between two batches of a scan",
    "the files of the first keep ids and hashes, and are not read again",
)
async def test_between_batches(victim: Victim) -> None:
    victim.grow(1500)
    victim.dies(after(APPLY), "scan", victim.root)
    operation = await recovers(victim)
    assert 0 < operation.counts.files_hashed <= 500


@fault(
    "kill -9 at a stage of a scan that finds edits, moves, swaps, removals and a new rule",
    "the next scan ends with the same records as if nothing had happened, ids of moved files included",
)
@stages(
    before(READ),
    after("sql:park_records"),
    after("sql:update_records"),
    before("sql:insert_entries"),
    after(APPLY),
    before("treeledger.engine.scan:Scanner._inspect_vanished"),
    after(APPLY, 2),
    before(DELETE),
    before("sql:insert_entries", 3),
    after(APPLY, 3),
)
async def test_later_scan(victim: Victim, stage: Stage) -> None:
    victim.grow()
    victim.write("d3/a.log", "until a rule hides it")
    ids = {path: record.id for path, record in (await victim.scanned()).items()}
    moved = disturb(victim)
    victim.dies(stage, "scan", victim.root)
    await recovers(victim)
    async with victim.opened() as tree:
        now = {path: record.id for path, record in (await tree.present()).items()}
        assert {new: now[new] for new in moved} == {new: ids[old] for new, old in moved.items()}
        assert await tree.state("d3/e/f3") is RecordState.DELETED
        assert await tree.state("d3/a.log") is RecordState.IGNORED


def disturb(victim: Victim) -> dict[str, str]:
    """Edits, moves, swaps, removes, ignores; returns the old path of each moved file by its new one."""
    root = victim.root
    victim.write("d1/e/f1", "edited")
    victim.write("new/f", "new")
    for n in (3, 7):
        (root / f"d3/e/f{n}").unlink()
    (root / "d2/e").rename(root / "d2/renamed")
    (root / "d0/e/f0").rename(root / "parked")
    (root / "d0/e/f8").rename(root / "d0/e/f0")
    (root / "parked").rename(root / "d0/e/f8")
    victim.write(".treeledgerignore", "*.log\n")
    return {
        "d0/e/f0": "d0/e/f8",
        "d0/e/f8": "d0/e/f0",
        **{f"d2/renamed/f{n}": f"d2/e/f{n}" for n in range(2, 40, 4)},
    }


@fault(
    "kill -9 at a stage of a deletion that is held",
    "nothing is deleted, the next scan has it all under one hold",
)
@stages(
    before("sql:open_hold"),
    after("treeledger.plugins.sql.deletions:Deletions.open_hold"),
    before("treeledger.engine.deletions:Deletions._hold"),
    after("sql:update_records", 2),
    after(APPLY, 2),
)
async def test_held(victim: Victim, stage: Stage) -> None:
    victim.grow()
    await victim.scanned()
    shutil.rmtree(victim.root / "d0")
    for folder in ("d1", "d2"):
        shutil.rmtree(victim.root / folder)
    victim.dies(stage, "scan", victim.root)
    await recovers(victim)
    async with victim.opened() as tree:
        (hold,) = await tree.ledger.store.holds(tree.repository.id, statuses=(HoldStatus.OPEN,))
        assert (hold.gone, hold.live) == (30, 40)
        assert await count(tree, RecordState.MISSING) == 30
        assert await count(tree, RecordState.DELETED) == 0


@fault(
    "kill -9 at a stage of carrying out an approved deletion",
    "the next run carries out the rest, and nothing else",
)
@stages(
    after("treeledger.plugins.sql.deletions:Deletions.set_hold"),
    before(DELETE),
    after("sql:insert_entries"),
    after(APPLY),
    before("sql:set_hold", 2),
)
async def test_approved(victim: Victim, stage: Stage) -> None:
    victim.grow()
    await victim.scanned()
    for folder in ("d0", "d1", "d2"):
        shutil.rmtree(victim.root / folder)
    await victim.scanned()
    victim.dies(stage, "deletions", "approve", "1")
    await recovers(victim)
    async with victim.opened() as tree:
        (hold,) = await tree.ledger.store.holds(tree.repository.id, statuses=tuple(HoldStatus))
        assert hold.status is HoldStatus.CLOSED
        assert await count(tree, RecordState.DELETED) == 30


async def count(tree: Tree, state: RecordState) -> int:
    return len([r async for r in tree.ledger.files(FileQuery(tree.repository.id, states=(state,)))])


@fault(
    "kill -9 at a stage of a live burst, then the engine is started again",
    "what was heard and not written is found, what was written is not read again, ids are kept",
)
@stages(
    before("treeledger.engine.hearing:Hearing._take"),
    before("treeledger.engine.inspector:Inspector.inspect"),
    before(BEGIN),
    after(BEGIN),
    after("sql:insert_entries"),
    after(APPLY),
    before("treeledger.engine.hearing:Hearing._scan"),
    before("treeledger.plugins.sql.marks:Marks.clear_dirty"),
    before(DELETE),
    after(APPLY, 2),
    before("sql:finish_operation"),
)
async def test_live(victim: Victim, stage: Stage) -> None:
    victim.grow()
    victim.write("d3/a.log", "until a rule hides it")
    ids = {path: record.id for path, record in (await victim.scanned()).items()}
    async with victim.opened() as tree:
        with victim.dies_live(stage):
            await tree.ledger.store.mark_dirty(tree.repository.id, [("d1", "a test")])
            moved = disturb(victim)
    async with victim.opened() as tree:
        known = await is_known(tree)
        async with tree.watched():

            async def is_equal() -> bool:
                found = {
                    p: (r.stat.size, r.stat.mtime_ns, r.content_hash)
                    for p, r in (await tree.present()).items()
                }
                return found == on_disk(victim.root) and await count(tree, RecordState.MISSING) == 0

            await until(is_equal, "the ledger equal to the tree")
        await assert_true(tree.ledger, tree.repository, victim.root)
        now = {path: record.id for path, record in (await tree.present()).items()}
        assert {new: now[new] for new in moved} == {new: ids[old] for new, old in moved.items()}
        assert {path: now[path] for path in known} == {path: r.id for path, r in known.items()}
        assert (await tree.ledger.repository(tree.repository.id)).clean


@fault("kill -9 at a stage of the making of a ledger", "the next command makes it whole")
@stages(
    before("treeledger.plugins.sql.migrating:apply_missing"),
    after("sql:lock_migrations"),
    after("sql:create_migrations"),
    after("sql:script"),
    after("sql:add_migration"),
    after("treeledger.plugins.sql.migrating:apply_missing"),
)
async def test_first_start(victim: Victim, stage: Stage) -> None:
    victim.grow(5)
    victim.dies(stage, "scan", victim.root)
    await recovers(victim)


@fault(
    "kill -9 at a stage of a relocation", "the same command, given again, ends it; ids and hashes are kept"
)
@stages(
    after(CLAIM),
    after("sql:renumber_file_system"),
    before("treeledger.plugins.sql.repositories:Repositories.update_repository"),
    after("treeledger.plugins.sql.repositories:Repositories.update_repository"),
)
async def test_relocation(victim: Victim, stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> None:
    victim.grow()
    records = await victim.scanned()
    with elsewhere(victim.root) as moved:
        victim.dies(stage, "repo", "relocate", "tree", moved)
        async with Ledger.open(environ=victim.environ) as ledger:
            repository = await ledger.relocate_repository("tree", moved)
            operation = await ledger.scan(repository)
            await assert_true(ledger, repository, moved)
            now = {r.path: r.id async for r in ledger.files(FileQuery(repository.id))}
            assert now == {path: record.id for path, record in records.items()}
            assert operation.counts.files_added == operation.counts.files_removed == 0


@contextmanager
def elsewhere(root: Path) -> Iterator[Path]:
    """The tree on another file system, times kept."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        moved = Path(folder) / "moved"
        shutil.move(root, moved)
        yield moved


@fault("kill -9 at a stage of an import of hashes", "the same command, given again, seeds what is left")
@stages(after(CLAIM), after("sql:insert_entries"), after(APPLY), before("sql:finish_operation"))
async def test_import(victim: Victim, stage: Stage) -> None:
    for n in range(3):
        with victim.write(f"large{n}", str(n)).open("r+b") as file:
            file.truncate(17 << 20)
    async with victim.opened() as tree:
        await tree.ledger.scan(tree.repository, wait=False)
    sums = victim.home / "sums"
    sums.write_text("".join(f"{one[2]}  {path}\n" for path, one in on_disk(victim.root).items()))
    victim.dies(stage, "import", "sha256sum", sums)
    async with victim.opened() as tree:
        hashes = {path: one[2] for path, one in on_disk(victim.root).items()}
        async with tree.ledger.seeding(tree.repository, "sha256") as seeder:
            done = await seeder.seed(hashes)
        assert (done.seeded + done.known, done.unknown, done.differing) == (3, 0, [])
        await assert_true(tree.ledger, tree.repository, victim.root)
