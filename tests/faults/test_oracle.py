"""The oracle: whatever is done to a tree, the ledger, the disk and the journal replayed are equal.

TREELEDGER_ORACLE is how many sequences are tried on each store; `make oracle` tries 2,000.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from datetime import timedelta
from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test
from identity import broken_identities
from live import Ledgered, LiveTree, live_tree
from matrix import fault
from operations import Hands, digest, regular_files
from replay import Replay, disagreement, story

from treeledger.model import FileRecord, ProblemCode

SEQUENCES = int(os.environ.get("TREELEDGER_ORACLE", "60"))
STEPS = int(os.environ.get("TREELEDGER_ORACLE_STEPS", "15"))
QUICK = {
    "file_watcher": {"debounce": "10ms"},
    "max_delete": {"floor": 1_000_000},  # nobody is there to decide
}

paths = st.sampled_from(["a", "b", "c", "d/a", "d/b", "d/e/a", "f/a", "f/e/a", "d", "d/e", "f", "f/e"])
contents = st.sampled_from([b"", b"one", b"two", b"three", 70_000]).map(bytes)
outside = st.sampled_from(["x", "y", "x/a"])
moments = st.sampled_from([10**18, 11 * 10**17])  # nanoseconds; not many, so that they meet again


class Sequence:
    """One sequence of operations in a fresh folder of the watched tree, and the judgement of it."""

    numbers = count(1)

    def __init__(self, tree: LiveTree, away: Path) -> None:
        self.folder = f"s{next(self.numbers)}"
        self._tree = tree
        self._root = tree.root / self.folder
        self._root.mkdir()
        shutil.rmtree(away, ignore_errors=True)
        away.mkdir()
        self.hands = Hands(self._root, away)
        self._records: dict[str, FileRecord] = {}
        self._entries: list[str] = []

    def judge(self) -> None:
        """Waits until all is quiet; then everything must agree."""
        hands, root = self.hands, self._root
        truth = {f"{self.folder}/{path}": one for path, one in regular_files(root).items()}
        hashes = {path: digest(self._tree.root / path) for path in truth}
        said = self._tree.settled(self.folder, hashes)
        self._entries.append(story(e for e in said.entries if e.path.startswith(self.folder + "/")))
        wrong = self._tree.replay.take(said.entries)
        wrong += _differences(said, {p: (*one[:2], hashes[p]) for p, one in truth.items()})
        wrong += disagreement(self._tree.replay, said.records.values(), self.folder + "/")
        wrong += self._unexplained(said)
        records = {path.removeprefix(self.folder + "/"): one for path, one in said.records.items()}
        if self._records:
            wrong += broken_identities(self._records, records, hands.history)
        if wrong:
            told = "\n".join(hands.told)
            journal = "\n".join(self._entries)
            pytest.fail(
                "\n".join(
                    [*wrong, self._tree.says(), "\n--- in", self.folder, told, "--- the journal", journal]
                )
            )
        self._records = records
        hands.history[:] = [hands.look()]
        hands.told.append("# all is quiet")
        self._entries.append("# all is quiet")

    def _unexplained(self, said: Ledgered) -> list[str]:
        """Problems, and notes of what is not there."""
        wrong = []
        for _, (path, code, message) in ((known, known.problem) for known in said.problems):
            place = self._tree.root / path
            is_so = (code is ProblemCode.SYMLINK and place.is_symlink()) or (
                code is ProblemCode.NOT_REGULAR and place.is_fifo() and not place.is_symlink()
            )
            if not is_so:
                wrong.append(f"a problem that is none: {path} {code} {message}")
        return wrong

    def end(self) -> None:
        shutil.rmtree(self._root)


def _differences(said: Ledgered, truth: dict[str, tuple[int, int, str]]) -> list[str]:
    known = {
        path: (record.stat.size, record.stat.mtime_ns, record.content_hash)
        for path, record in said.records.items()
    }
    return [
        f"{path}: on the disk {truth.get(path)}, in the ledger {known.get(path)}, {said.records.get(path)}"
        for path in sorted(known.keys() | truth.keys())
        if known.get(path) != truth.get(path)
    ]


class Machine(RuleBasedStateMachine):
    """The operations as hypothesis draws them."""

    def __init__(self, tree: LiveTree, away: Path) -> None:
        super().__init__()
        self._sequence = Sequence(tree, away)
        self._hands = self._sequence.hands
        self._tree = tree
        self._is_judged = False

    @initialize(files=st.dictionaries(paths, contents, max_size=6), is_quiet=st.booleans())
    def begin(self, files: dict[str, bytes], is_quiet: bool) -> None:
        """Most operations want something to be there."""
        for path, content in files.items():
            self._hands.write(path, content)
        if is_quiet:
            self.rest()

    @rule(path=paths, content=contents)
    def write(self, path: str, content: bytes) -> None:
        self._hands.write(path, content)

    @rule(path=paths, content=contents)
    def append(self, path: str, content: bytes) -> None:
        self._hands.append(path, content)

    @rule(path=paths, size=st.integers(0, 5))
    def truncate(self, path: str, size: int) -> None:
        self._hands.truncate(path, size)

    @rule(path=paths, byte=st.sampled_from([b"y", b"z"]))
    def rewrite_unseen(self, path: str, byte: bytes) -> None:
        self._hands.rewrite_unseen(path, byte)

    @rule(path=paths, to=paths, content=contents)
    def rotate(self, path: str, to: str, content: bytes) -> None:
        self._hands.rotate(path, to, content)

    @rule(path=paths, content=contents, mtime_ns=st.none() | moments)
    def save(self, path: str, content: bytes, mtime_ns: int | None) -> None:
        self._hands.save(path, content, mtime_ns)

    @rule(source=paths, to=paths)
    def rename(self, source: str, to: str) -> None:
        self._hands.rename(source, to)

    @rule(one=paths, other=paths)
    def swap(self, one: str, other: str) -> None:
        self._hands.swap(one, other)

    @rule(one=paths, other=paths)
    def exchange(self, one: str, other: str) -> None:
        self._hands.exchange(one, other)

    @rule(path=paths, place=outside)
    def move_out(self, path: str, place: str) -> None:
        self._hands.move_out(path, place)

    @rule(place=outside, path=paths)
    def move_in(self, place: str, path: str) -> None:
        self._hands.move_in(place, path)

    @rule(place=outside, content=contents, mtime_ns=moments)
    def prepare(self, place: str, content: bytes, mtime_ns: int) -> None:
        self._hands.prepare(place, content, mtime_ns)

    @rule(path=paths)
    def remove(self, path: str) -> None:
        self._hands.remove(path)

    @rule(path=paths)
    def make_folder(self, path: str) -> None:
        self._hands.make_folder(path)

    @rule(path=paths, content=contents)
    def into_folder(self, path: str, content: bytes) -> None:
        self._hands.into_folder(path, content)

    @rule(path=paths, content=contents)
    def into_file(self, path: str, content: bytes) -> None:
        self._hands.into_file(path, content)

    @rule(path=paths, mtime_ns=moments)
    def touch(self, path: str, mtime_ns: int) -> None:
        self._hands.touch(path, mtime_ns)

    @rule(path=paths, mode=st.sampled_from([0o600, 0o640]))
    def chmod(self, path: str, mode: int) -> None:
        self._hands.chmod(path, mode)

    @rule(source=paths, to=paths)
    def link(self, source: str, to: str) -> None:
        self._hands.link(source, to)

    @rule(to=paths, path=paths)
    def symlink(self, to: str, path: str) -> None:
        self._hands.symlink(to, path)

    @rule(path=paths)
    def fifo(self, path: str) -> None:
        self._hands.fifo(path)

    @rule(seconds=st.sampled_from([0.001, 0.004, 0.012, 0.03]))
    def pause(self, seconds: float) -> None:
        """Lets the engine come between: a moment of the sequence, nothing is waited for."""
        self._hands.told.append(f"sleep {seconds:g}")
        time.sleep(seconds)

    @rule()
    def scan(self) -> None:
        self._hands.told.append("# a full scan begins")
        self._tree.scan()

    @rule()
    def rest(self) -> None:
        self._is_judged = True
        self._sequence.judge()
        self._is_judged = False

    def teardown(self) -> None:
        if not self._is_judged:
            self._sequence.judge()
        self._sequence.end()


@pytest.fixture
def tree(tmp_path: Path, store_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[LiveTree]:
    """What is missing is deleted quickly, so that this, too, comes between the operations."""
    monkeypatch.setattr("treeledger.gate.QUIET", timedelta(milliseconds=30))
    root = tmp_path / "tree"
    root.mkdir()
    with live_tree(root, store_url, QUICK) as tree:
        yield tree


@fault(
    "anything that programs do to files, at any pace",
    "ledger, disk and replayed journal are equal, hash for hash; what moved is what it was",
)
@pytest.mark.timeout(0)
@pytest.mark.filterwarnings("ignore:Do not use the .random. module")  # the engine does, in its own thread
def test_ledger_disk_and_journal_are_equal(tree: LiveTree, tmp_path: Path) -> None:
    run_state_machine_as_test(
        lambda: Machine(tree, tmp_path / "away"),
        settings=settings(
            max_examples=SEQUENCES,
            derandomize="TREELEDGER_ORACLE" not in os.environ,
            stateful_step_count=STEPS,
            database=None,
            deadline=None,
            phases=(Phase.generate, Phase.shrink),
            suppress_health_check=list(HealthCheck),
        ),
    )
    said = tree.everything()
    replay = Replay()
    assert replay.take(said.entries) == []
    assert disagreement(replay, said.records.values()) == []
    assert set(said.records) == set(regular_files(tree.root))
