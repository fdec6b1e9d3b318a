"""The dashboard on a daemon under full load, killed and back again: quick, small, and right in the end.

The files, the daemon, the store and the terminal are real: a process writes 5,000 files a second.
"""

from __future__ import annotations

import os
import re
import signal
import statistics
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from subprocess import Popen

import anyio
import anyio.to_thread
import pytest
from executable import Executable, Running
from executable import until as until_now
from stage import Stage, stage
from support import until

from benchmarks.flood import flooding, written
from benchmarks.measure import HeldUp, resident_memory
from benchmarks.terminal import Terminal, terminal
from treeledger.client import Client
from treeledger.errors import EngineAway
from treeledger.tui.app import Dashboard
from treeledger.tui.model import Link

pytestmark = pytest.mark.anyio
RATE = 5000  # files a second
SHORT, LONG = 1.5, 10.0  # seconds
SETTLES_WITHIN = 60.0
ENOUGH = 8  # keys, of which a slow machine answers fewer amid one flood
KEY_WITHIN = 0.1  # seconds, less those in which others had the processors; of the median
GROWS = 30_000_000  # bytes at most, for the feeds, which are bounded
PAGES = (("2", "─ Operations"), ("3", "─ Files"), ("4", "─ Attention"), ("1", "─ Repositories"))
CONFIGURATION = """\
[api]
socket = "{home}/s"

[defaults]
max_delete = {{ floor = 10000000 }}

[[repositories]]
name = "photos"
root = "{home}/photos"
"""


class House:
    """A home with a tree and its daemon, which may be killed and started again."""

    def __init__(self, home: Path, store: str | None) -> None:
        self.photos = home / "photos"
        self.photos.mkdir(parents=True)
        self.config = home / "plugins.toml"
        self.config.write_text(CONFIGURATION.format(home=home))
        self.config.chmod(0o600)
        self.executable = Executable(home, store=store)
        self.address = f"unix:{home}/s"

    @contextmanager
    def daemon(self) -> Iterator[Running]:
        with self.executable.started("--config", self.config, "daemon", terminal=False) as running:
            running.until("photos: watching")
            yield running

    async def find(self) -> str:
        return self.address

    @property
    def files(self) -> int:
        return sum(path.is_file() for path in self.photos.rglob("*"))


def kill(daemon: Running) -> None:
    daemon.signal(signal.SIGKILL)
    daemon.process.wait()


async def differences(house: House, shown: Stage) -> list[str]:
    """What is shown otherwise than the engine says."""
    snapshot = shown.app.snapshot
    try:
        async with Client(house.address) as client:
            repositories = tuple([one async for one in client.repositories()])
            journal = await client.journal(repository="photos", limit=200)
            operations = [one async for one in client.operations()][:50]
    except EngineAway:
        return ["the engine is away"]
    compared = {
        "link": (snapshot.link, Link.HERE),
        "head": (snapshot.head, int(journal.head.rpartition(":")[2])),
        "feed": (snapshot.feed("photos")[:200], tuple(reversed(journal.items))),
        "operations": (list(snapshot.operations[:50]), operations),
        "running": (dict(snapshot.running), {}),
        "state": ([one.state for one in snapshot.repositories], [one.state for one in repositories]),
        "files": ([one.files for one in snapshot.repositories], [house.files]),
    }
    return [name for name, (seen, known) in compared.items() if seen != known]


async def until_right(house: House, shown: Stage) -> None:
    wrong: list[str] = []

    async def is_right() -> bool:
        wrong[:] = await differences(house, shown)
        return not wrong

    try:
        await until(is_right, "shown as it is", within=SETTLES_WITHIN)
    except AssertionError as error:
        raise AssertionError(f"{error}; what differs: {', '.join(wrong)}\n{shown.text}") from None


@asynccontextmanager
async def flood(house: House, seconds: float) -> AsyncIterator[None]:
    process = flooding(house.photos, RATE, seconds)
    try:
        yield
        assert await anyio.to_thread.run_sync(written, process) > 0
    finally:
        process.kill()
        process.wait()


async def _killed_amid_a_flood(house: House, seconds: float) -> None:
    async with stage(Dashboard(house.find)) as shown:
        with house.daemon() as daemon:
            await shown.until(r"photos +● watching")
            async with flood(house, seconds):
                await shown.until(r"[1-9][0-9,]{2,} +[0-9.]+ kB|[1-9][0-9,]{2,} +[0-9.]+ MB")
                kill(daemon)
                await shown.until("engine away")
                assert shown.app.snapshot.running == {}
        with house.daemon():
            await until_right(house, shown)
            feed = [one.n for one in shown.app.snapshot.feed("photos")]
            assert feed == sorted(set(feed), reverse=True)


async def test_a_daemon_killed_amid_a_flood_is_shown_as_it_is_once_it_is_back(
    store_url: str, tmp_path: Path
) -> None:
    await _killed_amid_a_flood(House(tmp_path / "home", store_url), SHORT)


@pytest.mark.stress
@pytest.mark.timeout(0)
async def test_so_it_is_after_ten_seconds(store_url: str, tmp_path: Path) -> None:
    await _killed_amid_a_flood(House(tmp_path / "home", store_url), LONG)


def _keys_amid_a_flood(house: House, seconds: float) -> None:
    with house.daemon(), terminal(_command(house), house.executable.environ()) as window:
        window.until("● watching")
        for key, page in PAGES:
            window.answer(key, page)  # each screen is made when it is opened first
        before = resident_memory(window.process.pid)
        took: list[float] = []
        while len(took) < ENOUGH:
            process = flooding(house.photos, RATE, seconds)
            took += _pressed(window, process)
            assert written(process) > 0
        until_now(lambda: re.search(rf"{house.files:,} ", window.text()), "all files counted")
        assert statistics.median(took) < KEY_WITHIN, took
        assert resident_memory(window.process.pid) - before < GROWS
        assert window.process.poll() is None


def _pressed(window: Terminal, process: Popen[str]) -> Iterator[float]:
    """Seconds that each key took by itself, while the process runs."""
    while process.poll() is None:
        for key, page in PAGES:
            others = HeldUp(os.getpid(), window.process.pid)  # through both of which a key goes
            took = window.answer(key, page)
            yield took - others.seconds


def _command(house: House) -> list[str]:
    return [sys.executable, "-m", "treeledger", "--config", str(house.config), "tui"]


def test_keys_answer_amid_a_flood_and_the_memory_stays(tmp_path: Path) -> None:
    _keys_amid_a_flood(House(tmp_path / "home", None), SHORT)


@pytest.mark.stress
@pytest.mark.timeout(0)
def test_so_they_do_for_ten_seconds(tmp_path: Path) -> None:
    _keys_amid_a_flood(House(tmp_path / "home", None), LONG)
