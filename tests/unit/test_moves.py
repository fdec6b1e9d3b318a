"""Moves keep identity, and only what is certain is a move."""

from uuid import UUID

import pytest

from treeledger.diff import Absent, Sight, apply, change_of
from treeledger.model import Change, ChangeKind, File, FileRecord, FileStat, HashState, RecordState
from treeledger.moves import Held, exchanged, pair_moves

REPOSITORY = UUID(int=1)
# A tree is a line such as "a:1 b:2": path a holds inode 1. Size and mtime follow the inode.


def stat(inode: int) -> FileStat:
    return FileStat(100 + inode, 1000 + inode, 1, 1, inode, 0o100644)


def ledger(line: str) -> dict[str, FileRecord]:
    return {
        path: FileRecord(
            n, REPOSITORY, path, stat(inode), RecordState.PRESENT, HashState.DONE, "sha256", f"h{inode}"
        )
        for n, (path, inode) in enumerate(parse(line).items(), 1)
    }


def parse(line: str) -> dict[str, int]:
    return {path: int(inode) for path, _, inode in (item.partition(":") for item in line.split())}


def changes_between(
    before: str, after: str, *, verify: bool = False
) -> tuple[list[Change], dict[str, FileRecord]]:
    records, tree = ledger(before), parse(after)
    paths = sorted(records.keys() | tree.keys())
    sights: list[Sight] = [File(p, stat(tree[p])) if p in tree else Absent(p) for p in paths]
    found = [change_of(REPOSITORY, records.get(sight.path), sight) for sight in sights]
    changes = [change for change in found if change is not None]
    holds: dict[str, Held] = {p: (1, tree[p]) if p in tree else None for p in paths}
    return pair_moves(changes, records.values(), holds, doubt=lambda source, target: verify), records


@pytest.mark.parametrize(
    ("before", "after", "kinds", "ids"),
    [
        pytest.param("a:1", "b:1", "b=moved", "b=1", id="rename"),
        pytest.param("a:1 b:2", "a:2 b:1", "a=moved b=moved", "a=2 b=1", id="swap"),
        pytest.param("a:1 b:2 c:3", "a:3 b:1 c:2", "a=moved b=moved c=moved", "a=3 b=1 c=2", id="cycle"),
        pytest.param("a:1 b:2", "b:1 c:2", "b=moved c=moved", "b=1 c=2", id="chain"),
        pytest.param("a:1 b:2", "b:1", "a=missing b=modified", "a=1 b=2", id="rename over keeps the target"),
        pytest.param("a:1", "a:9 b:1", "a=added b=moved", "a=0 b=1", id="moved away, another in its place"),
        pytest.param("a:1", "a:1 b:1", "b=added", "a=1 b=0", id="hard link is no move"),
        pytest.param("a:1 x:2", "a:1 b:1", "b=added x=missing", "a=1 b=0 x=2", id="hard link and a loss"),
        pytest.param("a:1", "b:2", "a=missing b=added", "a=1 b=0", id="another file"),
    ],
)
def test_pairing(before: str, after: str, kinds: str, ids: str) -> None:
    changes, records = changes_between(before, after)
    assert " ".join(f"{c.after.path}={c.kind}" for c in sorted(changes, key=lambda c: c.after.path)) == kinds
    ledger_after = apply(records, changes)
    assert " ".join(f"{path}={row.id}" for path, row in sorted(ledger_after.items())) == ids


def test_a_move_hashes_nothing() -> None:
    (change,), _ = changes_between("a:1", "b:1")
    assert (change.after.hash_state, change.after.content_hash) == (HashState.DONE, "h1")


def test_a_move_that_only_a_scan_found_is_verified_later() -> None:
    (change,), _ = changes_between("a:1", "b:1", verify=True)
    assert change.after.hash_state is HashState.VERIFY


def test_a_rename_over_a_record_takes_the_hash_along() -> None:
    changes, _ = changes_between("a:1 b:2", "b:1")
    (target,) = [change for change in changes if change.after.path == "b"]
    assert (target.kind, target.after.content_hash) == (ChangeKind.MODIFIED, "h1")


def test_a_reused_inode_is_no_move() -> None:
    records = ledger("a:1")
    new = FileStat(100 + 1, 5555, 1, 1, 1, 0o100644)  # same inode, other mtime
    added = change_of(REPOSITORY, None, File("b", new))
    assert added is not None
    assert pair_moves([added], records.values(), {"a": None}, doubt=lambda source, target: False) == [added]


def test_a_path_that_nobody_looked_at_is_no_source() -> None:
    records = ledger("a:1")
    added = change_of(REPOSITORY, None, File("b", stat(1)))
    assert added is not None
    assert pair_moves([added], records.values(), {}, doubt=lambda source, target: False) == [added]


def test_a_rename_over_a_file_of_equal_size_and_mtime_is_told() -> None:
    records = ledger("a:1 b:2")
    target = records["b"]._replace(stat=stat(1)._replace(inode=2))
    change = change_of(REPOSITORY, target, File("b", stat(1)))
    assert change is not None
    (told,) = pair_moves(
        [change], [records["a"], target], {"a": None, "b": (1, 1)}, doubt=lambda source, target: False
    )
    assert (told.kind, told.after.id, told.after.content_hash) == (ChangeKind.MODIFIED, 2, "h1")


@pytest.mark.parametrize(
    ("before", "now", "told", "also"),
    [
        pytest.param("a:1 b:2", "a:2 b:1", "a", ["b"], id="half of a swap"),
        pytest.param("a:1 b:2", "a:2 b:1", "a b", [], id="a swap"),
        pytest.param("a:1 b:2", "a:2", "a", [], id="a rename over another"),
        pytest.param("a:1 b:2", "a:1 b:9 c:2", "c", [], id="to a free path"),
        pytest.param("a:1 b:2", "a:2 b:2", "a", [], id="another name of it"),
        pytest.param("a:1 b:2 c:3", "a:3 b:1 c:2", "a", ["c"], id="a third of a cycle"),
    ],
)
def test_what_may_have_changed_places_is_looked_at_with_it(
    before: str, now: str, told: str, also: list[str]
) -> None:
    records, tree = ledger(before), parse(now)
    found = [change_of(REPOSITORY, records.get(path), File(path, stat(tree[path]))) for path in told.split()]
    holds: dict[str, Held] = {path: (1, tree[path]) if path in tree else None for path in records}
    assert exchanged([one for one in found if one is not None], records.values(), holds) == also
