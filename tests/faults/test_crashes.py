"""Crashes: the process is killed at every stage of its work; the next run costs nothing but time."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from executable import is_running
from matrix import fault
from receiver import Receiver, receiving
from support import Tree, assert_true, on_disk, until
from victim import (
    ADD,
    APPLY,
    CLAIM,
    DELETE,
    FINISH,
    READ,
    RELEASE,
    WALK,
    Stage,
    Victim,
    after,
    before,
    is_known,
    recovers,
    stages,
)

from treeledger.ledger import Ledger
from treeledger.model import HoldStatus, RecordState
from treeledger.protocols import FileQuery

pytestmark = pytest.mark.anyio


@pytest.fixture
def victim(tmp_path: Path, store_url: str) -> Victim:
    made = Victim(tmp_path, store_url)
    made.root.mkdir()
    return made


@fault("kill -9 at a stage of the first scan", "the next scan goes on: equal to the disk, nothing read twice")
@stages(
    after("sql:claim"),
    after("sql:begin_operation"),
    before(WALK),
    after(READ),
    after("sql:insert_records"),
    after("sql:insert_entries"),
    after(APPLY),
    before("sql:add_scope"),
    after(FINISH),
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
    victim.grow(9000)
    victim.dies(after(ADD), "scan", victim.root)
    operation = await recovers(victim)
    assert 0 < operation.counts.files_hashed < 9000


@fault(
    "kill -9 at a stage of a scan that finds edits, moves, swaps, removals and a new rule",
    "the next scan ends with the same records as if nothing had happened, ids of moved files included",
)
@stages(
    before(READ),
    after("sql:park_records"),
    after("sql:update_records"),
    after(APPLY),
    before("treeledger.engine.scan:Scanner._inspect_vanished"),
    after(APPLY, 2),
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
    after("sql:insert_entries"),
    after(APPLY),
    before("treeledger.engine.subtrees:Subtrees._scan"),
    before("treeledger.plugins.sql.marks:Marks.clear_dirty"),
    before(DELETE),
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
    after("sql:lock_migrations"),
    after("sql:script"),
    before("sql:script", 2),
    after("sql:add_migration"),
    after("treeledger.plugins.sql.migrating:apply_missing"),
)
async def test_first_start(tmp_path: Path, new_store_url: str, stage: Stage) -> None:
    victim = Victim(tmp_path, new_store_url)
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


@fault(
    "kill -9 at a stage of planning or doing an action's jobs",
    "the next engine goes on at once: every change is delivered, one whose delivery was not noted twice",
)
@stages(
    after("sql:plan_job"),
    after("treeledger.plugins.sql.jobs:Jobs.plan_jobs"),
    after("treeledger.plugins.sql.jobs:Jobs.claim_jobs"),
    after("treeledger.plugins.webhook:Webhook.run"),
    before("sql:finish_job"),
)
async def test_jobs(victim: Victim, stage: Stage) -> None:
    with receiving() as receiver:
        config = victim.home / "plugins.toml"
        config.write_text(f'[plugins.phone]\nuse = "webhook"\nurl = "{receiver.url}/"\n')
        config.chmod(0o600)
        victim.environ["TREELEDGER_CONFIG"] = str(config)
        written = victim.home / "new"
        written.write_text("new")
        with victim.live(stage, "kill"):
            written.rename(victim.root / "new")  # one event, hence one change
        async with victim.opened() as tree, tree.watched():

            async def is_done() -> bool:
                waiting = await tree.ledger.store.jobs(limit=10)
                return not waiting and "new" in delivered(receiver)

            await until(is_done, "the change delivered")
        was_noted = stage.where not in ("treeledger.plugins.webhook:Webhook.run", "sql:finish_job")
        assert delivered(receiver).count("new") == (1 if was_noted else 2)


def delivered(receiver: Receiver) -> list[str]:
    bodies = [json.loads(delivery.body) for delivery in receiver.deliveries]
    return [change["path"] for body in bodies for change in body["changes"]]


@fault("kill -9 of an engine whose worker processes are reading", "they end, too, within seconds")
async def test_orphans(tmp_path: Path) -> None:
    victim = Victim(tmp_path, f"sqlite:{tmp_path / 'state' / 'ledger.db'}")
    victim.grow(1500)
    (victim.root / "endless").touch()
    os.truncate(victim.root / "endless", 1 << 40)
    with victim.started(before(ADD), "stop", "scan", victim.root) as running:
        running.until_reached()
        workers = running.children()
        assert workers
        running.process.kill()

    async def have_ended() -> bool:
        return not any(is_running(pid) for pid in workers)

    await until(have_ended, "the end of its worker processes")
