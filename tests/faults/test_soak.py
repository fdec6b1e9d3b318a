"""Soak: a daemon that is read by fifty, while files change, its store breaks and it is told to reload.

TREELEDGER_SOAK is for how many seconds on each store; `make soak` takes half an hour.
"""

from __future__ import annotations

import os
import re
import signal
from array import array
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path

import anyio
import anyio.to_thread
import httpx
import pytest
from breaking import Disturb
from crowd import ABSENT, FICKLE, SLOW, STEADY, Follower, Listener
from executable import Executable, Running
from matrix import fault
from prometheus_client.parser import text_string_to_metric_families
from support import Tree, until
from truth import until_equal
from writer import stop, writing

from treeledger.ledger import Ledger
from treeledger.model import OperationStatus
from treeledger.protocols import Store

pytestmark = pytest.mark.anyio

SECONDS = float(os.environ.get("TREELEDGER_SOAK", "1800"))
SHORT = 12.0  # seconds
TURNS = 60  # of disturbances, but one every two seconds at most
REPOSITORIES = ("a", "b")
FOLLOWERS = 50
LISTENERS = 6
RATE = 15.0  # operations a second of each writer, of whom each repository has one
SETTLES_WITHIN = 120.0  # seconds
CATCHES_UP_WITHIN = 120.0
PAGE = 5000
CONFIGURATION = """\
[api]
socket = "{home}/api.sock"

[defaults]
max_delete = {{ floor = 10000000 }}  # nobody is there to decide
reconciliation = {{ interval = "20s" }}

[[repositories]]
name = "a"
root = "{home}/a"

[[repositories]]
name = "b"
root = "{home}/b"
file_watcher = {{ debounce = "{debounce}ms" }}
"""


class Daemon:
    """`treeledger daemon` in a process of its own, over the repositories `a` and `b`."""

    def __init__(self, running: Running, home: Path) -> None:
        self.address = f"unix:{home}/api.sock"
        self.memory: list[int] = []  # bytes, now and then
        self._running = running
        self._home = home
        self._reloads = 0

    @classmethod
    @contextmanager
    def started(cls, home: Path, url: str) -> Iterator[Daemon]:
        for name in REPOSITORIES:
            (home / name).mkdir(parents=True)
        _configure(home, 0)
        command = Executable(home, store=url)
        with command.started("--config", home / "plugins.toml", "daemon", terminal=False) as running:
            running.until("b: watching")
            yield cls(running, home)

    def reload(self) -> None:
        """Has it take up other settings of `b`."""
        self._reloads += 1
        _configure(self._home, self._reloads)
        self._running.signal(signal.SIGHUP)

    def note_memory(self) -> None:
        assert self._running.process.poll() is None, f"it ended\n{self._running.text[-5000:]}"
        status = Path(f"/proc/{self._running.process.pid}/status").read_text()
        found = re.search(r"^VmRSS:\s+(\d+) kB", status, re.MULTILINE)
        assert found is not None
        self.memory.append(int(found[1]) * 1024)

    async def readers(self) -> dict[str, float]:
        """How many there are of each stream, as /metrics says."""
        transport = httpx.AsyncHTTPTransport(uds=self.address.removeprefix("unix:"))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            text = (await client.get("/metrics", timeout=30)).text
        families = {family.name: family for family in text_string_to_metric_families(text)}
        return {one.labels["stream"]: one.value for one in families["treeledger_api_readers"].samples}

    def end(self) -> None:
        """Stops it in order; it never complained of itself."""
        self._running.signal(signal.SIGTERM)
        assert self._running.wait(10) == 0, self._running.text[-5000:]


def _configure(home: Path, turn: int) -> None:
    file = home / "plugins.toml"
    file.write_text(CONFIGURATION.format(home=home, debounce=400 + turn % 2))
    file.chmod(0o600)


@fault(
    "a store breaks again and again while a daemon reloads and fifty read of it, slow ones, some that leave",
    "each sees every entry once and in order; the memory is flat; the ledger equals the disk",
)
@pytest.mark.slow
async def test_for_seconds(broken: tuple[str, Disturb], tmp_path: Path) -> None:
    await _soak(broken, tmp_path, SHORT)


@pytest.mark.stress
@pytest.mark.timeout(0)
async def test_for_long(broken: tuple[str, Disturb], tmp_path: Path) -> None:
    await _soak(broken, tmp_path, SECONDS)


async def _soak(broken: tuple[str, Disturb], tmp_path: Path, seconds: float) -> None:
    url, disturb = broken
    with Daemon.started(tmp_path / "home", url) as daemon:
        async with _trees(url, tmp_path / "home") as trees:
            store = trees[0].ledger.store
            head = await store.head()
            hurry = anyio.Event()
            followers, listeners = _crowd(daemon.address, str(head), hurry)
            async with anyio.create_task_group() as tasks:
                for reader in (*followers, *listeners):
                    tasks.start_soon(reader.read)
                await until(lambda: _are(daemon, FOLLOWERS, LISTENERS), "all of them read")
                await _pass_time(daemon, trees, disturb, seconds)
                for tree in trees:
                    await until_equal(tree, SETTLES_WITHIN)
                hurry.set()
                await _until_all_have_read(await _numbers(store, head.n, trees), followers)
                await _until_all_have_heard(listeners)
                tasks.cancel_scope.cancel()
            await until(lambda: _are(daemon, 0, 0), "nobody reads any more")
            expected = await _numbers(store, head.n, trees)
            daemon.end()
            await _check_order(trees[0].ledger)
    for one in followers:
        assert one.numbers == expected[one.repository][: len(one.numbers)], one.habits
    _check_readers(followers, listeners)
    _check_memory(daemon.memory)
    print(
        f"{len(expected[None]):,} entries, {sum(len(one.numbers) for one in followers):,} read over"
        f" {sum(one.lines for one in followers):,} lines; {len(listeners[0].ended):,} operations;"
        f" memory {', '.join(str(_mib(one)) for one in daemon.memory)} MiB"
    )


@asynccontextmanager
async def _trees(url: str, home: Path) -> AsyncIterator[list[Tree]]:
    async with Ledger.open(store=url, environ={**os.environ, "TREELEDGER_CONFIG": ""}) as ledger:
        trees = []
        for name in REPOSITORIES:
            tree = Tree(home / name, ledger)
            tree.repository = await ledger.repository(name)
            trees.append(tree)
        yield trees


def _crowd(address: str, since: str, hurry: anyio.Event) -> tuple[list[Follower], list[Listener]]:
    """One in three reads of one repository only."""
    habits = (STEADY, FICKLE, SLOW, STEADY, FICKLE, SLOW, ABSENT)
    followers = [
        Follower(
            address,
            habits[n % len(habits)],
            hurry,
            since=since,
            repository=REPOSITORIES[n % 2] if n % 3 == 0 else None,
        )
        for n in range(FOLLOWERS)
    ]
    return followers, [Listener(address, habits[n % 3], hurry) for n in range(LISTENERS)]


async def _are(daemon: Daemon, followers: int, listeners: int) -> bool:
    return await daemon.readers() == {"changes": followers, "events": listeners}


async def _pass_time(daemon: Daemon, trees: Sequence[Tree], disturb: Disturb, seconds: float) -> None:
    """Files change, and in each turn the store breaks in some way and the configuration is read again."""
    turns = min(TURNS, round(seconds / 2))
    with ExitStack() as stack:
        writers = [one for tree in trees for one in stack.enter_context(writing(tree.root, 1, RATE))]
        for turn in range(turns):
            await anyio.sleep(seconds / turns)
            daemon.note_memory()
            said = await anyio.to_thread.run_sync(disturb, turn % 10)
            daemon.reload()
            print(f"turn {turn}: {_mib(daemon.memory[-1])} MiB; {said}", flush=True)
        await anyio.to_thread.run_sync(stop, writers)


async def _numbers(store: Store, after: int, trees: Sequence[Tree]) -> dict[str | None, array[int]]:
    """Of all entries of the journal after one, by repository; of all of them under None."""
    names = {tree.repository.id: tree.repository.name for tree in trees}
    found: dict[str | None, array[int]] = {name: array("q") for name in (None, *names.values())}
    while entries := await store.changes(after, limit=PAGE):
        after = entries[-1].n
        for entry in entries:
            found[None].append(entry.n)
            found[names[entry.repository_id]].append(entry.n)
    return found


async def _until_all_have_read(expected: dict[str | None, array[int]], followers: Sequence[Follower]) -> None:
    async def have_read() -> bool:
        return all(one.numbers and one.numbers[-1] >= expected[one.repository][-1] for one in followers)

    await until(have_read, "all have read all", CATCHES_UP_WITHIN)


async def _until_all_have_heard(listeners: Sequence[Listener]) -> None:
    async def have_heard() -> bool:
        return len({tuple(one.ended) for one in listeners}) == 1

    await until(have_heard, "all have heard the end of the same operations", CATCHES_UP_WITHIN)


async def _check_order(ledger: Ledger) -> None:
    operations = await ledger.sync_operations(limit=100_000)
    assert [one for one in operations if one.status is OperationStatus.RUNNING] == []
    assert [one for one in operations if one.status is OperationStatus.FAILED and not one.error_message] == []
    assert await ledger.store.problems(None, notes=False, limit=10) == []


def _check_readers(followers: Sequence[Follower], listeners: Sequence[Listener]) -> None:
    assert {one.afresh for one in (*followers, *listeners)} == {0}
    for one in listeners:
        assert sorted(set(one.numbers)) == list(one.numbers), one.habits
        assert len(set(one.ended)) == len(one.ended), one.habits
    assert len({id for one in listeners for id in one.ended}) == len(listeners[0].ended)
    assert all(one.lines > 1 for one in followers if one.habits.leaves)


def _check_memory(memory: Sequence[int]) -> None:
    """The second half takes no more than the first, but for what a process may keep here and there."""
    half = len(memory) // 2
    assert max(memory[half:]) < 1.1 * max(memory[:half]) + 16 * 2**20, memory


def _mib(size: int) -> int:
    return size // 2**20
