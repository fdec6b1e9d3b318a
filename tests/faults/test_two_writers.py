"""Two writers: one engine writes a repository; once another has it, what the first would write is refused."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import psycopg
import pytest
from matrix import fault
from support import Tree, assert_true, on_disk, until
from victim import APPLY, Victim, before

from treeledger.engine import engine as engine_module
from treeledger.engine import keeper as keeper_module
from treeledger.engine import patience
from treeledger.engine.hub import RepositoryState
from treeledger.errors import EngineLocked, UsageError
from treeledger.ledger import Ledger
from treeledger.model import ProblemCode

pytestmark = pytest.mark.anyio


@pytest.fixture
def victim(tmp_path: Path, store_url: str) -> Victim:
    made = Victim(tmp_path, store_url)
    made.root.mkdir()
    made.grow(10)
    return made


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Heartbeats come every two seconds, tries to go on every second."""
    monkeypatch.setattr(engine_module, "LEASE_SECONDS", 6.0)
    monkeypatch.setattr(keeper_module, "delays", lambda *_: patience.delays(0.5, 1.0))


def lapse(victim: Victim) -> None:
    """What lets another engine in while one is running: its lock ran out, or somebody removed the file."""
    kind, _, path = victim.store_url.partition(":")
    if kind == "sqlite":
        os.unlink(f"{path}.lock")
        return
    with psycopg.connect(victim.store_url, autocommit=True) as connection:
        connection.execute("UPDATE engine_locks SET lease_until = now() - interval '1 s'")
        connection.execute("UPDATE repositories SET lease_until = now() - interval '1 s'")


async def until_true(tree: Tree) -> None:
    """Waits until the ledger equals the tree."""

    async def is_equal() -> bool:
        present = (await tree.present()).items()
        return {p: (r.stat.size, r.stat.mtime_ns, r.content_hash) for p, r in present} == on_disk(tree.root)

    await until(is_equal, "the ledger equal to the tree")


async def until_state(tree: Tree, state: RepositoryState, words: str = "") -> None:
    keeper = tree.engine.keepers[tree.repository.id]

    async def is_so() -> bool:
        return keeper.state is state and words in keeper.message

    await until(is_so, f"{state}: {words}")


@fault("a second engine is started on a ledger", "it says who has it, and changes nothing; the first goes on")
async def test_second_engine(victim: Victim) -> None:
    async with victim.opened() as one, victim.opened() as other, one.watched():
        fence = (await one.ledger.repository(one.repository.id)).fence
        with pytest.raises(EngineLocked, match=rf"test \(process {os.getpid()} on .* Nothing was changed"):
            async with other.ledger.started():
                pass
        with pytest.raises(EngineLocked):
            await other.ledger.scan(other.repository)
        with pytest.raises(EngineLocked):
            await other.ledger.relocate_repository(other.repository.id, victim.home)
        victim.write("new", "new")
        await until_true(one)
        assert (await one.ledger.repository(one.repository.id)).fence == fence


@fault(
    "an engine loses its lock (out of time, or the lock's file removed), another takes the ledger over",
    "the first writes nothing more, says who has it, does not take it back; when that one ends, it goes on",
)
@pytest.mark.usefixtures("quick")
async def test_takeover(victim: Victim) -> None:
    async with victim.opened() as loser, victim.opened() as winner:
        renewing, tries = hold_up_renewals(loser), count_claims(loser)
        async with loser.watched():
            async with AsyncExitStack() as taken_over:
                async with renewing:
                    await anyio.to_thread.run_sync(lapse, victim)  # the loser may be writing
                    await taken_over.enter_async_context(winner.watched())
                begun = await newest_operation(winner)
                fence = (await winner.ledger.repository(winner.repository.id)).fence
                victim.write("new", "new")
                await until_true(winner)
                await until_state(loser, RepositoryState.DEGRADED, f"process {os.getpid()}")
                seen = len(tries)

                async def has_tried() -> bool:
                    return len(tries) >= seen + 2

                await until(has_tried, "two more tries of the loser")
                victim.write("newer", "newer")
                await until_true(winner)
                now = await winner.ledger.repository(winner.repository.id)
                assert (now.fence, now.health["owner"]) == (fence, winner.engine.tools.owner)
                operations = await winner.ledger.sync_operations(winner.repository.id)
                assert {one.id for one in operations if one.status == "failed"} == set()
                assert await winner_wrote_all(winner, since=begun)
            await until_state(loser, RepositoryState.WATCHING)
            victim.write("newest", "newest")
            await until_true(loser)
    async with victim.opened() as tree:
        await assert_true(tree.ledger, tree.repository, victim.root)


def hold_up_renewals(tree: Tree) -> anyio.Lock:
    """Who has the lock that is given back holds up the renewal of leases."""
    renewing, renew = anyio.Lock(), tree.ledger.store.renew

    async def renewed(*arguments: Any) -> Any:
        async with renewing:
            return await renew(*arguments)

    tree.ledger.store.renew = renewed  # type: ignore[method-assign]
    return renewing


def count_claims(tree: Tree) -> list[None]:
    """Grows with each try to claim."""
    claims: list[None] = []
    claim = tree.ledger.store.claim

    async def counted(*arguments: Any, **options: Any) -> Any:
        claims.append(None)
        return await claim(*arguments, **options)

    tree.ledger.store.claim = counted  # type: ignore[method-assign]
    return claims


async def newest_operation(tree: Tree) -> int:
    (newest,) = await tree.ledger.store.operations(tree.repository.id, limit=1)
    return newest.id


async def winner_wrote_all(tree: Tree, *, since: int) -> bool:
    """Whether no entry of the journal that is newer than an operation is of an older one."""
    entries = await tree.journal()
    newer = [entry for entry in entries if entry.path in ("new", "newer")]
    return bool(newer) and all(
        entry.operation_id is not None and entry.operation_id > since for entry in newer
    )


@fault(
    "two hosts with the same root path on one ledger", "two repositories, each right, each with its own files"
)
async def test_two_hosts(postgres_url: str, tmp_path: Path) -> None:
    trees = {host: host_of(tmp_path, host, postgres_url) for host in ("one", "two")}
    async with trees["one"].opened() as one, trees["two"].opened() as two, one.watched(), two.watched():
        assert one.repository.root == two.repository.root
        assert one.repository.id != two.repository.id
        victim = trees["one"]
        victim.write("new", "new")
        await until_true(one)
        await until_true(two)
        with pytest.raises(UsageError, match="is on host two"):
            await one.ledger.scan(two.repository)
    for tree in trees.values():
        async with tree.opened() as opened:
            await assert_true(opened.ledger, opened.repository, tree.root)


def host_of(home: Path, host: str, store_url: str) -> Victim:
    """A machine's view of the ledger and the tree that has the same path on each."""
    victim = Victim(home, store_url)
    victim.grow(10)
    config = home / f"{host}.toml"
    config.write_text(f'host = "{host}"\n')
    config.chmod(0o600)
    victim.environ["TREELEDGER_CONFIG"] = str(config)
    return victim


@fault(
    "an engine is stopped (SIGSTOP) for longer than its lease in the middle of a batch; another takes over",
    "continued, it writes nothing of the batch, says why, ends in order when told",
)
async def test_stopped_for_long(postgres_url: str, tmp_path: Path) -> None:
    victim = Victim(tmp_path, postgres_url)
    victim.grow(10)
    with victim.live(before(APPLY), "stop") as running:
        gone = victim.write("gone", "before anybody could write it down")
        running.until_reached()
        gone.unlink()
        lapse(victim)
        async with victim.opened() as tree, tree.watched():
            running.process.send_signal(signal.SIGCONT)
            await anyio.to_thread.run_sync(running.until, "tree is degraded: treeledger test (process")
            victim.write("new", "new")
            await until_true(tree)
            assert await tree.record("gone") is None
            running.process.terminate()
            assert await anyio.to_thread.run_sync(running.process.wait) == 0
            await until_state(tree, RepositoryState.WATCHING)
    async with victim.opened() as tree:
        problems = await tree.ledger.store.problems(tree.repository.id, notes=False, limit=10)
        assert [one.problem.code for one in problems] == [ProblemCode.TWO_WRITERS]
        await tree.ledger.scan(tree.repository)  # alone
        await assert_true(tree.ledger, tree.repository, victim.root)


@fault(
    "an engine is stopped (SIGSTOP), another is started beside it",
    "it is refused; continued, the first goes on",
)
async def test_stopped(victim: Victim) -> None:
    with victim.live(before(APPLY), "stop") as running:
        victim.write("new", "new")
        running.until_reached()
        async with victim.opened() as tree:
            with pytest.raises(EngineLocked, match=f"process {running.process.pid}"):
                await tree.ledger.scan(tree.repository)
            running.process.send_signal(signal.SIGCONT)
            await until_true(tree)
        running.process.terminate()
    assert running.ended.code == 0


@fault(
    "several scans are started at once on a new ledger",
    "one or more are done, the others say who has it, all is right",
)
async def test_scans_at_once(victim: Victim) -> None:
    done = await at_once(victim, *(("scan", str(victim.root)) for _ in range(4)))
    assert {code for code, _ in done} <= {0, 1}
    assert 0 in {code for code, _ in done}
    for code, said in done:
        assert code == 0 or "has this ledger" in said or "is starting" in said, said
    async with victim.opened() as tree:
        assert len(await tree.ledger.repositories()) == 1
        await assert_true(tree.ledger, tree.repository, victim.root)


@fault("several commands make a new ledger at once", "each of them finds it whole")
async def test_first_starts_at_once(victim: Victim) -> None:
    done = await at_once(victim, *[("status",)] * 4)
    assert [code for code, _ in done] == [0] * 4, done


@fault("folders are made repositories by several commands at once", "each once, under a name of its own")
async def test_adds_at_once(victim: Victim) -> None:
    folders = [victim.home / f"{n}/photos" for n in (1, 1, 2, 3)]
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
    done = await at_once(victim, *(("repo", "add", str(folder)) for folder in folders))
    assert sorted(code for code, _ in done) == [0, 0, 0, 2], done
    assert sum("is the repository" in said or "is a repository" in said for _, said in done) == 1
    async with Ledger.open(environ=victim.environ) as ledger:
        roots = {repository.root for repository in await ledger.repositories()}
        assert roots == {str(folder) for folder in folders}


async def at_once(victim: Victim, *commands: tuple[str, ...]) -> list[tuple[int, str]]:
    """The exit code and the words of each of several commands that are started together."""
    processes = [
        await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "treeledger", *command),
            env=victim.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        for command in commands
    ]
    done = []
    for process in processes:
        out, _ = await process.communicate()
        assert b"Traceback" not in out, out.decode()
        assert process.returncode is not None
        done.append((process.returncode, out.decode()))
    return done
