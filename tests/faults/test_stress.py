"""Stress: writers at full speed for minutes, while stores break and reconciliations run; then equality.

TREELEDGER_STRESS is for how many seconds on each store; `make stress` takes ten minutes.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from pathlib import Path

import anyio
import anyio.to_thread
import pytest
from breaking import Disturb
from operations import digest, regular_files
from replay import Replay, disagreement
from writer import stop, writing

from treeledger.errors import StoreUnavailable
from treeledger.ledger import Ledger
from treeledger.model import FileRecord, HashState, JournalEntry, OperationStatus, Repository
from treeledger.protocols import FileQuery

pytestmark = [pytest.mark.stress, pytest.mark.anyio, pytest.mark.timeout(0)]

SECONDS = float(os.environ.get("TREELEDGER_STRESS", "600"))
WRITERS = 3
SETTLES_WITHIN = 240.0  # seconds; what a move left to verify is read within a minute or two
PAGE = 5000
SETTINGS = {
    "max_delete": {"floor": 10_000_000},  # nobody is there to decide
    "reconciliation": {"interval": "20s", "schedule": None},
}


class Engine:
    """`treeledger watch` in a process of its own."""

    def __init__(self, root: Path, url: str, home: Path) -> None:
        self._errors = home / "errors"
        environ = {**os.environ, "TREELEDGER_CONFIG": "", "TREELEDGER_STORE": url, "HOME": str(home)}
        with open(home / "output", "wb") as output, open(self._errors, "wb") as errors:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "treeledger", "watch", root],
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=errors,
            )

    def memory(self) -> int:
        """Bytes of this process and those it started, what they share counted once (PSS)."""
        pid = self.process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        total = 0
        for one in (str(pid), *children):
            with suppress(OSError):  # it has ended
                rollup = Path(f"/proc/{one}/smaps_rollup").read_text()
                found = re.search(r"^Pss:\s+(\d+)", rollup, re.MULTILINE)
                total += int(found[1]) * 1024 if found else 0
        return total

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def end(self) -> None:
        """Stops it in order; it never complained of itself."""
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(15)
        said = self._errors.read_text()
        assert "Traceback" not in said, said
        assert code == 0, said


class Follower:
    """Reads the journal as it grows: every entry once, in order; what it tells must be possible."""

    def __init__(self, ledger: Ledger) -> None:
        self.replay = Replay()
        self.wrong: list[str] = []
        self._store = ledger.store

    async def follow(self) -> None:
        while True:
            with suppress(StoreUnavailable):
                await self._store.wait(self.replay.n, 1.0)
                await self.read_on()
            await anyio.sleep(0.05)

    async def read_on(self) -> None:
        while entries := await self._store.changes(self.replay.n, limit=PAGE):
            self.wrong += self.replay.take(_whole_transactions(entries))


def _whole_transactions(entries: Sequence[JournalEntry]) -> Sequence[JournalEntry]:
    """A full page may end within a transaction; the rest of that comes with the next."""
    whole = [entry for entry in entries if entry.at != entries[-1].at]
    return whole if len(entries) == PAGE and whole else entries


@asynccontextmanager
async def _ledger(url: str, root: Path) -> AsyncIterator[tuple[Ledger, Repository]]:
    async with Ledger.open(store=url, environ={**os.environ, "TREELEDGER_CONFIG": ""}) as ledger:
        yield ledger, await ledger.add_repository(root, settings=SETTINGS)


async def test_full_speed(
    broken: tuple[str, Disturb], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url, disturb = broken
    root, home = tmp_path / "tree", tmp_path / "home"
    root.mkdir()
    home.mkdir()
    with ExitStack() as stack:
        say = stack.enter_context(_loudly(capsys))
        async with _ledger(url, root) as (ledger, repository):
            follower = Follower(ledger)
            engine = Engine(root, url, home)
            stack.callback(engine.kill)
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(follower.follow)
                with writing(root, WRITERS) as writers:
                    memory = await _pass_time(engine, follower, disturb, say)
                    operations = await anyio.to_thread.run_sync(stop, writers)
                say(f"the writers did {operations:,} operations; settling")
                seconds = await _until_equal(ledger, repository, root, say)
                tasks.cancel_scope.cancel()
            engine.end()
            await _judge(ledger, repository, follower)
            _check_memory(memory)
            say(
                f"equal after {seconds:.1f} s; {follower.replay.n:,} entries;"
                f" memory at most {max(memory) / 2**20:.0f} MiB"
            )


@contextmanager
def _loudly(capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[[str], None]]:
    began = time.monotonic()

    def say(words: str) -> None:
        with capsys.disabled():
            print(f"{time.monotonic() - began:6.0f} s  {words}", flush=True)

    yield say


async def _pass_time(
    engine: Engine, follower: Follower, disturb: Disturb, say: Callable[[str], None]
) -> list[int]:
    """The minutes of full speed; returns the memory of the engine, taken every ten seconds."""
    began = time.monotonic()
    memory = []
    tenths = 0
    while (passed := time.monotonic() - began) < SECONDS:
        await anyio.sleep(min(10.0, SECONDS - passed))
        assert engine.process.poll() is None, "the engine ended"
        assert follower.wrong == []
        memory.append(engine.memory())
        say(f"{follower.replay.n:,} entries, {memory[-1] / 2**20:.0f} MiB")
        if passed * 10 // SECONDS > tenths:
            tenths += 1
            say(await anyio.to_thread.run_sync(disturb, tenths))
    return memory


async def _until_equal(
    ledger: Ledger, repository: Repository, root: Path, say: Callable[[str], None]
) -> float:
    """Waits until the ledger holds what is on the disk, hash for hash; returns the seconds it took."""
    truth = {path: (one.size, one.mtime_ns, digest(root / path)) for path, one in regular_files(root).items()}
    say(f"{len(truth):,} files on the disk")
    began = time.monotonic()
    while time.monotonic() < began + SETTLES_WITHIN:
        with suppress(StoreUnavailable):
            records = await _present(ledger, repository)
            differing = _differing(records, truth)
            if not differing:
                return time.monotonic() - began
        await anyio.sleep(0.5)
    pytest.fail(f"not equal within {SETTLES_WITHIN:g} s: {differing[:20]}")


async def _present(ledger: Ledger, repository: Repository) -> dict[str, FileRecord]:
    return {record.path: record async for record in ledger.files(FileQuery(repository.id))}


def _differing(records: dict[str, FileRecord], truth: dict[str, tuple[int, int, str]]) -> list[str]:
    known = {
        path: (record.stat.size, record.stat.mtime_ns, record.content_hash)
        for path, record in records.items()
    }
    return [
        f"{path}: {truth.get(path)} is {records.get(path)}"
        for path in sorted(known.keys() | truth.keys())
        if known.get(path) != truth.get(path)
    ]


async def _judge(ledger: Ledger, repository: Repository, follower: Follower) -> None:
    await follower.read_on()
    assert follower.wrong == []
    assert follower.replay.n == (await ledger.store.head()).n
    records = await _present(ledger, repository)
    assert disagreement(follower.replay, records.values()) == []
    assert {record.hash_state for record in records.values()} <= {HashState.DONE, HashState.VERIFY}
    operations = await ledger.sync_operations(limit=100_000)
    assert [one for one in operations if one.status is OperationStatus.RUNNING] == []
    assert [one for one in operations if one.status is OperationStatus.FAILED and not one.error_message] == []
    assert await ledger.store.problems(None, notes=False, limit=10) == []


def _check_memory(memory: Sequence[int]) -> None:
    """The second half takes no more than the first, but for what an engine may keep here and there."""
    half = len(memory) // 2
    if half > 3:
        assert max(memory[half:]) < 1.25 * max(memory[:half]) + 32 * 2**20, memory
