"""A scan in processes: whatever they do by themselves, the ledger is what threads would have made of it."""

from __future__ import annotations

import errno
import hashlib
import os
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from support import Tree, assert_true, tree_on, until

from treeledger.engine.workers import Workers
from treeledger.model import ChangeKind, FileRecord, HashState, RecordState, SyncOperation
from treeledger.protocols import FileQuery
from treeledger.survey import Surveyed, Task
from treeledger.worker import WorkSpec

pytestmark = pytest.mark.anyio

LARGE = 16 * 2**20 + 1  # bytes; more than is read on the way
TOO_LARGE = 20 * 2**20
SQLITE = pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)

ODD_HASHER = '''
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
        self._digest.update(data)

class Odd:
    name = "odd"
    new = Digest

@treeledger.impl
def hashers(tables):
    return {{"odd": PartRef({file!r}, "Odd", {{}})}}
'''


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
    """A configuration with a hasher from a file: it fails for some contents, and is slow while `slow` is there."""
    plugin = tmp_path / "odd.py"
    plugin.write_text(ODD_HASHER.format(slow=str(tmp_path / "slow"), file=str(plugin)))
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
    for name in (b"\xff\xfe", b"new\nline", b"\xf4\x8f\xbe\x80", "ünï".encode(), "u\u0308".encode(), b"x" * 255):
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
    tmp_path: Path, store_url: str, config: Path, surveyors: Surveyors
) -> None:
    root = tmp_path / "tree"
    grow(root)
    grow_odd(root)
    results = []
    for url, processes in ((f"sqlite:{tmp_path}/threads/ledger.db", False), (store_url, True)):
        async with tree_on(root, url, processes=processes, config=config) as tree:
            results.append(await told(tree, await tree.ledger.scan(tree.repository)))
            again = await tree.ledger.scan(tree.repository)
            assert (again.counts.files_added, again.counts.files_updated, again.counts.files_hashed) == (0, 0, 0)
            await tree.check_sound()
    threads, processes = results
    assert surveyors.read > 1000
    for what, expected in threads.items():
        assert processes[what] == expected, what
