"""Memory: there is none left for a while."""

from __future__ import annotations

import resource
import signal
from pathlib import Path

import pytest
from matrix import fault
from support import assert_true, on_disk, until
from victim import APPLY, Running, Stage, Victim, after, before, stages

pytestmark = pytest.mark.anyio


@pytest.fixture
def victim(tmp_path: Path, store_url: str) -> Victim:
    made = Victim(tmp_path, store_url)
    made.root.mkdir()
    made.grow()
    return made


@fault(
    "there is no memory to write a batch to the store, or for what follows its commit",
    "smaller ones are tried, all is recorded; a single one may be a problem until a scan; no traceback",
)
@stages(before(APPLY), after(APPLY), before("sql:insert_entries"))
@pytest.mark.parametrize("how", ["scan", "watch"])
async def test_no_memory_to_write(victim: Victim, how: str, stage: Stage) -> None:
    if how == "scan":
        ended = victim.run(stage, "fill", "scan", victim.root)
        assert ended.code == 0, ended.said
    else:
        with victim.live(stage, "fill") as running:
            for n in range(100):
                victim.write(f"live/f{n}", f"live {n}")
            await until_equal(victim, but=1)
            running.process.send_signal(signal.SIGTERM)
        assert running.ended.code == 0, running.ended.said
    async with victim.opened() as tree:
        if how == "watch":  # a burst may begin with a single change, which cannot be halved
            await tree.ledger.scan(tree.repository)
        await assert_true(tree.ledger, tree.repository, victim.root)


@fault(
    "a process may take no more memory, nor start threads, while it hashes small and large files",
    "what fails is a problem or tried again; all is hashed once there is memory; no traceback",
)
@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("spare", [0, 2**21, 2**24])
async def test_no_memory_to_hash(victim: Victim, spare: int) -> None:
    with victim.live(before(APPLY), "SIGCONT", cold=True) as running:
        limit_memory(running, spare)
        for n in range(6):
            victim.write(f"large{n}", str(n) * (17 * 2**20))
        for n in range(300):
            victim.write(f"small/f{n}", f"small {n}" * 1000)
        running.until_reached()
        resource.prlimit(running.process.pid, resource.RLIMIT_AS, (-1, -1))
        for path in victim.root.rglob("*"):
            path.touch()
        await until_equal(victim, within=120)  # what failed to be read is tried again after 30 s
        running.process.send_signal(signal.SIGTERM)
    assert running.ended.code == 0, running.ended.said
    async with victim.opened() as tree:
        await tree.ledger.scan(tree.repository)
        await assert_true(tree.ledger, tree.repository, victim.root)


def limit_memory(running: Running, spare: int) -> None:
    """Lets a process take so many bytes more than it has, and no more."""
    pages = int(Path(f"/proc/{running.process.pid}/statm").read_text().split()[0])
    most = pages * resource.getpagesize() + spare
    resource.prlimit(running.process.pid, resource.RLIMIT_AS, (most, -1))


async def until_equal(victim: Victim, but: int = 0, within: float = 25) -> None:
    """`but`: so many files at most may not be on record yet."""
    async with victim.opened() as tree:

        async def is_equal() -> bool:
            recorded = {(path, one.content_hash) for path, one in (await tree.present()).items()}
            there = {(path, digest) for path, (_, _, digest) in on_disk(victim.root).items()}
            return recorded <= there and len(there - recorded) <= but

        await until(is_equal, "the ledger equals the disk", within)
