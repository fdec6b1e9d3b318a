"""The law of diff, and that the merge in pages nominates everything the diff would change."""

from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from treeledger.diff import CHANGE_KEYS, ContentPolicy, apply, change_of, diff, same_stat
from treeledger.merge import Merge, Nominations, position
from treeledger.model import (
    ChangeKind,
    File,
    FileRecord,
    FileStat,
    HashState,
    Ignored,
    Problem,
    ProblemCode,
    RecordKey,
    RecordState,
    Seen,
    Unknown,
)
from treeledger.names import within

REPOSITORY = UUID(int=1)

paths = st.lists(st.sampled_from(("a", "b", "a.b", "a-")), min_size=1, max_size=4).map("/".join)
stats = st.builds(
    FileStat,
    size=st.integers(0, 2),
    mtime_ns=st.integers(0, 2),
    ctime_ns=st.integers(0, 2),
    file_system=st.just(1),
    inode=st.integers(1, 4),
    mode=st.just(0o100644),
)
states = st.sampled_from((RecordState.PRESENT, RecordState.MISSING, RecordState.IGNORED))


def record(path: str, stat: FileStat, state: RecordState = RecordState.PRESENT, id: int = 1) -> FileRecord:
    return FileRecord(
        id, REPOSITORY, path, stat, state, HashState.DONE, "sha256", "abc", version=1, scan_generation=1
    )


def unknown(path: str) -> Unknown:
    return Unknown(path, Problem(path, ProblemCode.UNREADABLE_DIRECTORY, "no"), True)


@st.composite
def ledgers(draw: st.DrawFn) -> dict[str, FileRecord]:
    chosen = draw(st.lists(st.tuples(paths, stats, states), max_size=12, unique_by=lambda item: item[0]))
    return {path: record(path, stat, state, n) for n, (path, stat, state) in enumerate(chosen, 1)}


@st.composite
def trees(draw: st.DrawFn) -> list[Seen]:
    """What a walk could yield: no path below a file, nothing below what is unknown or ignored."""
    seen: list[Seen] = []
    for path in draw(st.lists(paths, max_size=12, unique=True)):
        if any(within(item.path, path) or within(path, item.path) for item in seen):
            continue
        kind = draw(st.sampled_from(("file", "file", "file", "unknown", "ignored")))
        if kind == "file":
            seen.append(File(path, draw(stats)))
        else:
            seen.append(unknown(path) if kind == "unknown" else Ignored(path, "rule", True))
    return sorted(seen, key=position)


def is_covered(path: str, seen: list[Seen]) -> bool:
    return any(isinstance(item, Unknown) and path != item.path and within(item.path, path) for item in seen)


@given(ledgers(), trees())
def test_the_law(records: dict[str, FileRecord], seen: list[Seen]) -> None:
    after = apply(records, diff(records, seen, REPOSITORY))
    present = {
        path: row.stat
        for path, row in after.items()
        if row.state is RecordState.PRESENT and not is_covered(path, seen)
    }
    assert present == {item.path: item.stat for item in seen if isinstance(item, File)}
    for path, row in records.items():
        if is_covered(path, seen):
            assert after[path] == row


@given(ledgers(), trees())
def test_nothing_is_left_to_change(records: dict[str, FileRecord], seen: list[Seen]) -> None:
    after = apply(records, diff(records, seen, REPOSITORY))
    assert diff(after, seen, REPOSITORY) == []


@given(ledgers(), trees(), st.integers(1, 5))
def test_the_merge_nominates_what_the_diff_changes(
    records: dict[str, FileRecord], seen: list[Seen], batch: int
) -> None:
    keys = [RecordKey(path, *row.stat, row.state) for path, row in sorted(records.items())]
    merge = Merge()
    nominated: set[str] = set()
    for start in range(0, len(seen), batch):
        part = seen[start : start + batch]
        bound = position(part[-1])
        found = merge.step(part, [key for key in keys if key.path <= bound])
        keys = [key for key in keys if key.path > bound]
        nominated |= paths_of(found)
    nominated |= paths_of(merge.step([], keys))
    changed = {change.after.path for change in diff(records, seen, REPOSITORY)}
    assert changed <= nominated


def paths_of(found: Nominations) -> set[str]:
    new = [file.path for file in found.new]
    return {*new, *found.changed, *found.replaced, *found.vanished, *found.ignored}


OLD = FileStat(10, 100, 100, 1, 7, 0o100644)


def test_a_chmod_keeps_the_hash_and_asks_for_verification() -> None:
    change = change_of(REPOSITORY, record("a", OLD), File("a", OLD._replace(ctime_ns=101, mode=0o100600)))
    assert change is not None
    assert change.kind is None
    assert (change.after.hash_state, change.after.content_hash) == (HashState.VERIFY, "abc")


def test_a_write_gives_up_the_hash() -> None:
    change = change_of(REPOSITORY, record("a", OLD), File("a", OLD._replace(mtime_ns=99)))
    assert change is not None
    assert change.kind is ChangeKind.MODIFIED
    assert (change.after.hash_state, change.after.content_hash) == (HashState.PENDING, None)


def test_a_file_that_comes_back_is_restored_with_its_id_and_hash() -> None:
    gone = record("a", OLD, RecordState.DELETED, id=9)
    change = change_of(REPOSITORY, gone, File("a", OLD))
    assert change is not None
    assert (change.kind, change.after.id, change.after.content_hash) == (ChangeKind.RESTORED, 9, "abc")
    assert change.after.hash_state is HashState.DONE


def test_a_rule_makes_a_record_ignored_never_deleted() -> None:
    change = change_of(REPOSITORY, record("a", OLD), Ignored("a", "*.tmp", False))
    assert change is not None
    assert (change.kind, change.after.state) == (ChangeKind.IGNORED, RecordState.IGNORED)


def test_hashing_may_be_off_or_limited() -> None:
    policy = ContentPolicy(hashing=True, max_size=5)
    change = change_of(REPOSITORY, None, File("a", OLD), content=policy)
    assert change is not None
    assert change.after.hash_state is HashState.SKIPPED


def test_the_change_key_follows_the_file_system() -> None:
    other_inode = OLD._replace(inode=8)
    assert not same_stat("auto", "ext4")(OLD, other_inode)
    assert same_stat("auto", "fuse.sshfs")(OLD, other_inode)
    assert CHANGE_KEYS["no-ctime"](OLD, OLD._replace(ctime_ns=5))
