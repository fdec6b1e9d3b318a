"""A scan in processes: whatever they do by themselves, the ledger is what threads would have made of it."""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest
from postgres_server import OwnServer
from support import WITHIN, Tree, assert_true, tree_on

from treeledger.engine import readers
from treeledger.engine.workers import Workers
from treeledger.model import ChangeKind, FileRecord, HashState, RecordState, SyncOperation
from treeledger.protocols import FileQuery, PartRef
from treeledger.survey import Surveyed, Task
from treeledger.worker import Look, WorkSpec

pytestmark = pytest.mark.anyio

LARGE = 16 * 2**20 + 1  # bytes; more than is read on the way
TOO_LARGE = 20 * 2**20
NAMES = [b"\xff\xfe", b"new\nline", b"\xf4\x8f\xbe\x80", b"x" * 255]
SQLITE = pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)

ODD_HASHER = """
import hashlib, os, time
import treeledger
from treeledger.protocols import PartRef

class Digest:
    def __init__(self):
        self._digest = hashlib.sha256()
        self.hexdigest = self._digest.hexdigest
        if os.path.exists({slow!r}):
            time.sleep(0.02)

    def update(self, data):
        if bytes(data[:5]) == b"fails":
            raise ValueError("it fails")
        while bytes(data[:5]) == b"hangs" and os.path.exists({hangs!r}):
            time.sleep(0.01)
        self._digest.update(data)

class Odd:
    name = "odd"
    new = Digest

@treeledger.impl
def hashers(tables):
    return {{"odd": PartRef({file!r}, "Odd", {{}})}}
"""


class Surveyors:
    """What processes were asked for, and what came back; None where a thread had to do it."""

    def __init__(self) -> None:
        self.found: list[Surveyed | None] = []

    @property
    def read(self) -> int:
        return sum(len(one.sizes) for one in self.found if one is not None)


@pytest.fixture(autouse=True)
def surveyors(monkeypatch: pytest.MonkeyPatch) -> Surveyors:
    noted = Surveyors()
    survey = Workers.survey

    async def noting(self: Workers, spec: WorkSpec, task: Task) -> Surveyed | None:
        found = await survey(self, spec, task)
        noted.found.append(found)
        return found

    monkeypatch.setattr(Workers, "survey", noting)
    return noted


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A configuration with a hasher from a file: it fails for some contents, hangs while `hangs` is there.

    While `slow` is there it is slow.
    """
    plugin = tmp_path / "odd.py"
    plugin.write_text(
        ODD_HASHER.format(slow=str(tmp_path / "slow"), hangs=str(tmp_path / "hangs"), file=str(plugin))
    )
    config = tmp_path / "plugins.toml"
    config.write_text(
        "[plugins.odd]\nfile = 'odd.py'\n"
        f"[defaults.reconciliation]\nhashers = ['odd']\nmax_hash_size = '{TOO_LARGE - 1}B'\n"
    )
    for path in (plugin, config):
        path.chmod(0o600)
    return config


def grow(root: Path, count: int = 3000, *, folders: int = 60, start: int = 0) -> None:
    """Small files of different contents, more than one thread looks at before processes begin."""
    for number in range(start, start + count):
        file = root / f"d{number % folders:03}" / f"e{number % 3}" / f"f{number}"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"content {number}")


def grow_odd(root: Path) -> None:
    """Whatever is not a small file with a usual name."""
    (root / "m").mkdir(exist_ok=True)
    (root / "m" / "large").write_bytes(b"l" * LARGE)
    (root / "m" / "too large").write_bytes(b"t" * TOO_LARGE)
    (root / "m" / "unreadable").write_bytes(b"fails")
    (root / "m" / "empty").write_bytes(b"")
    os.link(root / "d001/e1/f1", root / "m" / "linked")
    os.link(root / "m" / "empty", root / "z linked")
    (root / "m" / "symlink").symlink_to("large")
    (root / "m" / "folder link").symlink_to("..")
    os.mkfifo(root / "m" / "fifo")
    for name in (*NAMES, "ünï".encode(), "u\u0308".encode()):
        Path(os.fsdecode(os.fsencode(root / "m") + b"/" + name)).write_bytes(name)
    for name in ("same", "SAME"):
        (root / "m" / name).write_text(name)
    (root / ".treeledgerignore").write_text("*.log\nhidden/\n/d002/e2/f2\n!kept.log\n")
    deep = root.joinpath("d059", *("n" * number for number in range(1, 9)))
    deep.mkdir(parents=True)
    (deep / ".treeledgerignore").write_text("!*.log\nonly-here\n[bad\n")
    for name in ("a.log", "only-here", "kept.log", "other"):
        (deep / name).write_text(name)
        (root / "d030" / name).write_text(name)
    (root / "d010" / "hidden" / "below").mkdir(parents=True)
    (root / "d010" / "hidden" / "below" / "file").write_text("hidden")


def plain(record: FileRecord) -> tuple[Any, ...]:
    """A record without what tells of when and in which ledger it was written."""
    return (
        record.path,
        record.stat._replace(file_system=0),
        record.state,
        record.hash_state,
        record.hash_algorithm,
        record.content_hash,
        record.hash_tries,
        record.read_at is not None,
    )


async def records(tree: Tree) -> list[FileRecord]:
    query = FileQuery(tree.repository.id, states=tuple(RecordState))
    return sorted([one async for one in tree.ledger.files(query)], key=lambda one: (one.path, one.id))


async def told(tree: Tree, operation: SyncOperation) -> dict[str, Any]:
    """Everything that a ledger says after a scan, but times and numbers of its own."""
    repository = await tree.ledger.repository(tree.repository.id)
    problems = await tree.ledger.store.problems(tree.repository.id, notes=True, limit=1000)
    counts = operation.counts
    return {
        "records": [plain(record) for record in await records(tree)],
        "repository": (repository.files, repository.bytes, repository.missing),
        "problems": sorted((one.problem.path, one.problem.code) for one in problems),
        "counts": {name: getattr(counts, name) for name in counts.__dataclass_fields__},
        "kinds": Counter(
            (entry.path, entry.kind, entry.hash is not None)
            for entry in await tree.journal()
            if entry.kind is not ChangeKind.HASHED and not entry.path.endswith("large")
        ),
    }


async def test_a_first_scan_in_processes_records_what_one_in_threads_does(
    tmp_path: Path, store_url: str, config: Path, surveyors: Surveyors, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("treeledger.engine.scan.READY_WITHIN", WITHIN)  # nothing is left to be read later
    root = tmp_path / "tree"
    grow(root)
    grow_odd(root)
    results = []
    for url, processes in ((f"sqlite:{tmp_path}/threads/ledger.db", False), (store_url, True)):
        async with tree_on(root, url, processes=processes, config=config) as tree:
            results.append(await told(tree, await tree.ledger.scan(tree.repository)))
            again = await tree.ledger.scan(tree.repository)
            assert (again.counts.files_added, again.counts.files_updated) == (0, 0)
            assert again.counts.files_hashed == 0
            await tree.check_sound()
    threads, processes = results
    assert surveyors.read > 1000
    for what, expected in threads.items():
        assert processes[what] == expected, what


@asynccontextmanager
async def grown(tmp_path: Path, store_url: str, **given: Any) -> AsyncIterator[Tree]:
    """A tree of small files and a ledger that works with processes."""
    root = tmp_path / "tree"
    grow(root)
    async with tree_on(root, store_url, processes=True, **given) as tree:
        yield tree


async def test_files_that_came_back_are_restored_and_not_read(tmp_path: Path, store_url: str) -> None:
    async with grown(tmp_path, store_url) as tree:
        settings = {"max_delete": {"floor": 10_000}}
        await tree.ledger.store.update_repository(tree.repository.id, settings=settings)
        tree.repository = await tree.ledger.repository(tree.repository.id)
        await tree.ledger.scan(tree.repository)
        before = {record.path: record for record in await records(tree)}
        (tree.root / "d000").rename(tmp_path / "aside")
        gone = await tree.ledger.scan(tree.repository)
        assert gone.counts.files_removed == 50
        (tmp_path / "aside").rename(tree.root / "d000")
        grow(tree.root, 4000, folders=80, start=10_000)
        back = await tree.ledger.scan(tree.repository)
        assert (back.counts.files_added, back.counts.files_hashed) == (4050, 4000)
        after = {record.path: record for record in await records(tree)}
        returned = [path for path in before if path.startswith("d000/")]
        assert len(returned) == 50
        last = {entry.path: entry.kind for entry in await tree.journal()}
        for path in returned:
            assert (after[path].id, after[path].content_hash) == (before[path].id, before[path].content_hash)
            assert last[path] is ChangeKind.RESTORED
        await assert_true(tree.ledger, tree.repository, tree.root)


async def test_a_folder_renamed_while_nobody_watched_keeps_ids_and_is_not_read(
    tmp_path: Path, store_url: str, surveyors: Surveyors
) -> None:
    async with grown(tmp_path, store_url) as tree:
        await tree.ledger.scan(tree.repository)
        before = await tree.present()
        (tree.root / "d").mkdir()
        for number in range(60):
            (tree.root / f"d{number:03}").rename(tree.root / "d" / f"{number:03}")
        read = surveyors.read
        operation = await tree.ledger.scan(tree.repository)
        assert (operation.counts.files_moved, operation.counts.files_added) == (3000, 0)
        assert surveyors.read == read
        after = await tree.present()
        assert {path: record.id for path, record in after.items()} == {
            f"d/{path[1:]}": record.id for path, record in before.items()
        }
        await assert_true(tree.ledger, tree.repository, tree.root)


@SQLITE
async def test_a_new_link_to_a_known_file_is_a_record_of_its_own(tmp_path: Path, store_url: str) -> None:
    async with grown(tmp_path, store_url) as tree:
        await tree.ledger.scan(tree.repository)
        for number in range(0, 3000, 2):
            path = f"d{number % 60:03}/e{number % 3}/f{number}"
            (tree.root / "links" / str(number % 60)).mkdir(parents=True, exist_ok=True)
            os.link(tree.root / path, tree.root / "links" / str(number % 60) / str(number))
        operation = await tree.ledger.scan(tree.repository)
        assert (operation.counts.files_added, operation.counts.files_moved) == (1500, 0)
        await assert_true(tree.ledger, tree.repository, tree.root)


@SQLITE
async def test_a_scan_looks_at_nothing_twice(
    tmp_path: Path, store_url: str, monkeypatch: pytest.MonkeyPatch, surveyors: Surveyors
) -> None:
    """What it inspects itself is no reason to inspect what else is there."""
    look, looked = Workers.look, 0

    async def looking(workers: Workers, spec: WorkSpec, paths: Sequence[str]) -> list[Look]:
        nonlocal looked
        looked += len(paths)
        return await look(workers, spec, paths)

    monkeypatch.setattr(Workers, "look", looking)
    monkeypatch.setattr("treeledger.engine.scan._BATCH", 100)
    for limit in ("_MOST", "_COLLAPSED"):
        monkeypatch.setattr(f"treeledger.engine.beside.{limit}", 1)
    async with grown(tmp_path, store_url) as tree:
        await tree.ledger.scan(tree.repository)
    taken_up = sum(len(one.new) for one in surveyors.found if one is not None)
    assert (taken_up > 1000, looked + taken_up) == (True, 3000)


class Held:
    """A store's `add`, held at its first call until `free`; `files` are those it was called with."""

    def __init__(self) -> None:
        self.begun, self.free = anyio.Event(), anyio.Event()
        self.files: list[str] = []

    def hold(self, tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
        store = type(tree.ledger.store)
        add = store.add

        async def held(store: Any, lease: Any, files: Any, **given: Any) -> Any:
            if not self.begun.is_set():
                self.files = [file[0] for file in files]
                self.begun.set()
                await self.free.wait()
            return await add(store, lease, files, **given)

        monkeypatch.setattr(store, "add", held)


async def test_what_changed_between_its_survey_and_its_commit_is_looked_at_again(
    tmp_path: Path, store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with grown(tmp_path, store_url) as tree:
        held = Held()
        held.hold(tree, monkeypatch)
        async with tree.ledger.started(command="test", root_check=0.2) as engine:
            tree.engine = engine
            with anyio.fail_after(WITHIN):
                await held.begun.wait()
            deleted, changed, moved, *_ = held.files
            (tree.root / deleted).unlink()
            (tree.root / changed).write_text("other, and longer")
            (tree.root / moved).rename(tree.root / "moved")
            await tree.until_present("moved")  # by then the other events were heard as well
            held.free.set()
            await tree.until_status("watching")
            await tree.until_equal()
        await assert_true(tree.ledger, tree.repository, tree.root)


def children() -> list[int]:
    """The worker processes of this one."""
    found = []
    for task in Path("/proc/self/task").iterdir():
        with suppress(OSError):  # a thread, or a process, that has just ended
            found += [int(pid) for pid in (task / "children").read_text().split() if is_worker(int(pid))]
    return found


def is_worker(pid: int) -> bool:
    with suppress(OSError):
        return b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()
    return False


@SQLITE
async def test_a_worker_process_that_is_killed_costs_nothing_but_time(
    tmp_path: Path, store_url: str, monkeypatch: pytest.MonkeyPatch, surveyors: Surveyors
) -> None:
    async with grown(tmp_path, store_url) as tree:
        add = type(tree.ledger.store).add
        others = children()  # of the test before, which may end later
        killed: list[int] = []

        async def killing(store: Any, lease: Any, files: Any, **given: Any) -> Any:
            for pid in [pid for pid in children() if pid not in others][:1] if not killed else []:
                killed.append(pid)
                os.kill(pid, signal.SIGKILL)
            return await add(store, lease, files, **given)

        monkeypatch.setattr(type(tree.ledger.store), "add", killing)
        monkeypatch.setattr("treeledger.engine.scan._NEW", 200)
        operation = await tree.ledger.scan(tree.repository)
        assert killed
        assert None in surveyors.found
        assert operation.counts.files_scanned == 3000
        await assert_true(tree.ledger, tree.repository, tree.root)
        await tree.check_sound()


@SQLITE
async def test_a_file_that_hangs_in_a_worker_process_holds_up_no_other(
    tmp_path: Path, store_url: str, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readers, "_PATIENCE", 2.0)
    monkeypatch.setattr("treeledger.engine.scan.READY_WITHIN", 0.5)
    (tmp_path / "hangs").touch()
    async with grown(tmp_path, store_url, config=config) as tree:
        tree.write("d050/e0/hanging", "hangs")
        with anyio.fail_after(4 * WITHIN):
            operation = await tree.ledger.scan(tree.repository)
        present = await tree.present()
        assert present.pop("d050/e0/hanging").hash_state is HashState.FAILED
        assert {record.hash_state for record in present.values()} == {HashState.DONE}
        assert (len(present), operation.counts.problems) == (3000, 1)
        (tmp_path / "hangs").unlink()
        tree.write("d050/e0/hanging", "hangs no more")
        await tree.ledger.scan(tree.repository)
        await assert_true(tree.ledger, tree.repository, tree.root)


@SQLITE
async def test_listing_does_not_wait_for_slow_reading(
    tmp_path: Path, store_url: str, config: Path, surveyors: Surveyors
) -> None:
    (tmp_path / "slow").touch()
    async with grown(tmp_path, store_url, config=config) as tree:
        listed = await tree.ledger.scan(tree.repository, wait=False)
        states = Counter(record.hash_state for record in (await tree.present()).values())
        assert listed.counts.files_scanned == sum(states.values()) == 3000
        assert states[HashState.PENDING] > states[HashState.DONE] > 0
        assert any(one is not None and one.is_late for one in surveyors.found)
        (tmp_path / "slow").unlink()
        await tree.ledger.scan(tree.repository)
        await assert_true(tree.ledger, tree.repository, tree.root)


@pytest.mark.parametrize("how", ["none", "away", "broken"])
@SQLITE
async def test_where_processes_cannot_read_the_ledger_threads_do(
    tmp_path: Path, store_url: str, monkeypatch: pytest.MonkeyPatch, surveyors: Surveyors, how: str
) -> None:
    readers = {
        "none": None,
        "away": PartRef("tests.integration.readers", "Away", {}),
        "broken": PartRef("tests.integration.readers", "no such reader", {}),
    }
    async with grown(tmp_path, store_url) as tree:
        monkeypatch.setattr(type(tree.ledger.store), "reader", lambda store: readers[how])
        operation = await tree.ledger.scan(tree.repository)
        assert operation.counts.files_scanned == 3000
        assert (set(surveyors.found) == {None}) is (how != "none")
        await assert_true(tree.ledger, tree.repository, tree.root)


async def test_a_server_that_stops_in_the_middle_is_waited_for(
    tmp_path: Path, own_server: OwnServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with grown(tmp_path, own_server.url("ledger")) as tree:
        store = type(tree.ledger.store)
        add, calls = store.add, iter(range(100))

        async def stopping(store: Any, lease: Any, files: Any, **given: Any) -> Any:
            if next(calls) == 1:
                own_server.stop("immediate")
                away.set()
            return await add(store, lease, files, **given)

        away = anyio.Event()
        monkeypatch.setattr(store, "add", stopping)
        monkeypatch.setattr("treeledger.engine.scan._NEW", 200)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(tree.ledger.scan, tree.repository)
            await away.wait()
            await anyio.to_thread.run_sync(own_server.start)
        await assert_true(tree.ledger, tree.repository, tree.root)
        await tree.check_sound()


@pytest.mark.slow
@SQLITE
async def test_a_large_directory_and_a_deep_one_are_found_whole_in_bounded_pieces(
    tmp_path: Path, store_url: str, surveyors: Surveyors
) -> None:
    root, depth = tmp_path / "tree", 3000
    (root / "large" / "below").mkdir(parents=True)
    for number in range(60_000):
        os.close(os.open(root / "large" / f"{number * 7919 % 60_000:05}", os.O_CREAT | os.O_WRONLY))
    (root / "large" / "below" / "file").touch()
    descriptor = os.open(root, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir("d", dir_fd=descriptor)
        os.close(os.open("f", os.O_CREAT | os.O_WRONLY, dir_fd=descriptor))
        below = os.open("d", os.O_RDONLY, dir_fd=descriptor)
        os.close(descriptor)
        descriptor = below
    os.close(descriptor)
    async with tree_on(root, store_url, processes=True) as tree:
        first = await tree.ledger.scan(tree.repository)
        again = await tree.ledger.scan(tree.repository)
        recorded = set(await tree.present())
    assert (first.counts.files_added, again.counts.files_unchanged) == (60_001 + depth, 60_001 + depth)
    expected = {"d/" * level + "f" for level in range(depth)}
    expected |= {f"large/{number:05}" for number in range(60_000)} | {"large/below/file"}
    assert recorded == expected
    assert max(len(one.new) for one in surveyors.found if one is not None) <= 51_000
    await anyio.run_process(["rm", "-rf", str(root)])
