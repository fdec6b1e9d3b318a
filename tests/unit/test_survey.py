"""The survey: whatever it leaves out is as recorded, however often it breaks off."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from types import SimpleNamespace
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.test_walk import FakeTree, contents, files_of, rules, walk
from treeledger.diff import ContentPolicy, apply, diff
from treeledger.model import (
    File,
    FileRecord,
    FileStat,
    HashState,
    Ignored,
    RecordKey,
    RecordState,
    Seen,
)
from treeledger.names import within
from treeledger.protocols import Entry, NewFile
from treeledger.reading import Outcome, Read, ReadLimits
from treeledger.survey import Surveyed, Taking, Task, survey
from treeledger.walk import ALL, Walk

REPOSITORY = UUID(int=1)
states = st.sampled_from([RecordState.PRESENT, RecordState.PRESENT, RecordState.MISSING, RecordState.IGNORED])
FRESH = Taking(ContentPolicy(), ReadLimits(), small=50, seconds=60, patience=60, most=3)


class Records:
    """A ledger of some records, and what is known of new files."""

    def __init__(self, records: dict[str, FileRecord], known: Sequence[str] = ()) -> None:
        self.rows = [(path, *row.stat, row.state.value) for path, row in sorted(records.items())]
        self.known_paths = set(known)

    def keys(self, low: str, high: str | None, limit: int) -> list[RecordKey]:
        found = [row for row in self.rows if row[0] >= low and (high is None or row[0] < high)]
        return [RecordKey._make(row) for row in found[: min(limit, 2)]] if limit < 2 else found[:limit]  # type: ignore[arg-type]

    def known(self, files: Sequence[tuple[str, int, int]]) -> set[str]:
        return {path for path, _, _ in files} & self.known_paths

    def close(self) -> None: ...


def surveyed(content: dict, hidden: set[str], ledger: Records, task: Task, most: int) -> list[Surveyed]:
    """All surveys of a tree, each broken off after some files."""
    found, waiting = [], [task._replace(most=most)]
    while waiting:
        now = waiting.pop()
        found.append(survey(Walk(FakeTree(content), rules(*hidden), now.prefix, now.span), ledger, read, now))
        waiting += [now._replace(span=span) for span in found[-1].rest]
    return found


def read(wanted: Sequence[tuple[str, FileStat]], limits: ReadLimits, patience: float) -> list[Read]:
    return [
        Read(path, stat, Outcome.DONE, "aa" * 4) if stat.size != 7 else Read(path, stat, Outcome.CHANGED)
        for path, stat in wanted
    ]


@st.composite
def scenes(draw: st.DrawFn) -> tuple[dict, set[str], dict[str, FileRecord]]:
    """A tree, names that are ignored, and records: of what is there, of what was, and of what changed."""
    content = draw(contents) | draw(st.sampled_from([{}, {"a": {}, "b": {"x": 1}}]))
    before: dict[str, FileRecord] = {}
    seen = [item for batch in walk(FakeTree(content), rules()) for item in batch.seen]
    for item in seen:
        if isinstance(item, File) and draw(st.integers(0, 9)):
            stat = item.stat if draw(st.integers(0, 4)) else item.stat._replace(mtime_ns=1)
            before[item.path] = FileRecord(1, REPOSITORY, item.path, stat, draw(states))
    for path in draw(st.lists(st.sampled_from(["a", "a/x", "b/x", "b/y/z", "zz", "-/y"]), max_size=3)):
        before.setdefault(path, FileRecord(1, REPOSITORY, path, FileStat(1, 1, 1, 1, 9, 0)))
    return content, draw(st.sets(st.sampled_from(["a", "b", "-"]), max_size=1)), before


@settings(max_examples=300)
@given(scenes(), st.integers(1, 20), st.integers(1, 5), st.booleans())
def test_what_a_survey_does_not_name_is_as_recorded(
    scene: tuple[dict, set[str], dict[str, FileRecord]], most: int, batch: int, takes: bool
) -> None:
    content, hidden, before = scene
    task = Task(batch=batch, taking=FRESH if takes else None)
    found = surveyed(content, hidden, Records(before), task, most)
    seen: list[Seen] = [item for b in walk(FakeTree(content), rules(*hidden)) for item in b.seen]
    changed = {change.after.path for change in diff(before, seen, REPOSITORY)}
    named: set[str] = set()
    for one in found:
        step = one.nominations
        named |= {*step.changed, *step.replaced, *step.vanished, *step.ignored}
        named |= {file.path for file in step.new} | {file.path for file in one.new}
    files = [item for item in seen if isinstance(item, File)]
    covers = [item.path for item in seen if isinstance(item, Ignored) and item.subtree]
    vanished = [path for one in found for path in one.nominations.vanished]
    assert changed <= named
    assert not any(path != cover and within(cover, path) for path in vanished for cover in covers)
    assert sum(one.files for one in found) == len(files)
    assert sum(one.nominations.unchanged for one in found) == len({f.path for f in files} - named)


@given(contents, st.integers(1, 5), st.data())
def test_new_files_are_taken_up_once_and_only_if_the_ledger_knows_nothing_of_them(
    content: dict, most: int, data: st.DataObject
) -> None:
    every = sorted(files_of(content))
    known = data.draw(st.sets(st.sampled_from(every))) if every else set()
    found = surveyed(content, set(), Records({}, tuple(known)), Task(batch=2, taking=FRESH), most)
    taken = [file for one in found for file in one.new]
    named = [file.path for one in found for file in one.nominations.new]
    again = [path for one in found for path in one.nominations.changed]
    assert sorted([*(file[0] for file in taken), *named, *again]) == every
    assert set(named) == known
    sizes = {item.path: item.stat.size for b in walk(FakeTree(content), rules()) for item in b.seen}  # type: ignore[union-attr]
    for path, size, *_, state, digest in taken:
        assert sizes[path] == size
        assert (state, digest) == ((HashState.DONE, "aa" * 4) if size <= 50 else (HashState.PENDING, None))
    assert all(sizes[path] == 7 for path in again)


def test_what_there_was_no_time_to_read_is_taken_up_without_a_hash_and_said() -> None:
    later = [Read("a", FileStat(1, 0, 0, 1, 1, 0o100644), Outcome.LATER)]
    going = Walk(FakeTree({"a": 1}), rules(), "", ALL)
    found = survey(going, Records({}), lambda *asked: later, Task(taking=FRESH))
    assert found.is_late
    assert found.new == [NewFile("a", 1, 0, 0, 1, 1, 0o100644, "pending", None)]


def test_what_one_survey_gives_back_is_bounded_in_a_large_directory_too() -> None:
    content = {f"d{number:03}": {"x": 1, "y": 1} for number in range(500)}
    taking = FRESH._replace(most=10**9)
    waiting, found = [Task(batch=100, most=10**9, seconds=3600, found=300, taking=taking)], []
    while waiting:
        now = waiting.pop()
        going = Walk(FakeTree(content), rules(), "", now.span, most_in_memory=50)
        found.append(survey(going, Records({}), read, now))
        waiting += [now._replace(span=span) for span in found[-1].rest]
    assert sum(len(one.new) for one in found) == 1000
    assert max(len(one.new) for one in found) <= 300


@pytest.mark.parametrize("is_known", [True, False])
def test_a_survey_is_the_longer_the_longer_its_way_but_not_for_what_is_to_be_inspected(
    monkeypatch: pytest.MonkeyPatch, is_known: bool
) -> None:
    content = {f"{number:02}": 1 for number in range(50)} | {
        f"d{number:02}": {"x": 1} for number in range(50)
    }
    seen = [item for b in walk(FakeTree(content), rules()) for item in b.seen]
    now = [0.0]
    monkeypatch.setattr("treeledger.survey.time", SimpleNamespace(monotonic=lambda: now[0], time=lambda: 0.0))

    class Slow(FakeTree):
        def list(self, path: str) -> Iterator[Entry]:
            now[0] += 0.1 if path else 10.0
            return super().list(path)

    records = apply({}, diff({}, seen, REPOSITORY)) if is_known else {}
    task = Task(batch=1, most=10, found=60, seconds=1.0)
    found = survey(Walk(Slow(content), rules()), Records(records), read, task)
    assert (found.files, found.rest) == (100, []) if is_known else (60, found.rest)


@pytest.mark.parametrize("batch", [1, 2, 3])
def test_what_lies_below_a_hidden_folder_is_ignored_and_not_vanished(batch: int) -> None:
    content = {"-": 1, "a": {"x": 1}, "b": 1, "c": 1}
    seen = [item for b in walk(FakeTree(content), rules()) for item in b.seen]
    before = apply({}, diff({}, seen, REPOSITORY))
    (found,) = surveyed(content, {"a"}, Records(before), Task(batch=batch), 100)
    assert (found.nominations.ignored, found.nominations.vanished) == (["a/x"], [])
    assert found.nominations.unchanged == 3


def test_applying_what_was_named_makes_the_records_true() -> None:
    """The law of `diff` again, for what a survey names."""
    content = {"a": 1, "b": {"c": 2}}
    seen = [item for b in walk(FakeTree(content), rules()) for item in b.seen]
    after = apply({}, diff({}, seen, REPOSITORY))
    found = surveyed(content, set(), Records(after), Task(), 1)
    assert sum(one.nominations.unchanged for one in found) == 2
