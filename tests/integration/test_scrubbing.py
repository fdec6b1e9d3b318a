"""Scrubbing end to end, where size and mtime alone tell of a change, so that a file can rot unseen."""

from __future__ import annotations

import hashlib
import os
from datetime import UTC, datetime, timedelta, tzinfo

import anyio
import pytest
from support import Tree, until

from treeledger.engine.budget import Budget
from treeledger.engine.scrub import ScrubRequest
from treeledger.engine.scrubbing import Scrubbed
from treeledger.errors import EngineLocked, UsageError
from treeledger.ledger import Ledger
from treeledger.model import (
    ChangeKind,
    FileRecord,
    HashState,
    OperationStatus,
    OperationType,
    ProblemCode,
    RecordState,
)

pytestmark = pytest.mark.anyio

EVERYTHING = Budget(percent=100)


@pytest.fixture
async def blind(tree: Tree) -> Tree:
    """A tree whose change key has no ctime and no inode."""
    tree.repository = await tree.ledger.add_repository(
        tree.root, settings={"change_key": "size-mtime"}, name="blind"
    )
    return tree


@pytest.fixture
async def tree(tree: Tree) -> Tree:
    await tree.ledger.remove_repository(tree.repository.id, purge=True)
    return tree


def rot(tree: Tree, path: str, text: str) -> None:
    """Another content of the same length under the same size and mtime."""
    file = tree.root / path
    status = file.stat()
    assert len(text) == status.st_size
    file.write_text(text)
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))


async def scrub(tree: Tree, budget: Budget = EVERYTHING, **given: float) -> Scrubbed:
    return await tree.ledger.scrub(tree.repository, ScrubRequest(budget=budget, **given))


async def record(tree: Tree, path: str) -> FileRecord:
    found = await tree.record(path)
    assert found is not None
    return found


async def problems(tree: Tree) -> dict[str, ProblemCode]:
    known = await tree.ledger.store.problems(tree.repository.id, notes=False, limit=100)
    return {one.problem.path: one.problem.code for one in known}


async def verified(tree: Tree) -> set[str]:
    return {path for path, one in (await tree.present()).items() if one.last_verified is not None}


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


async def test_nothing_is_verified_twice_before_everything_was_once(blind: Tree) -> None:
    for n in range(10):
        blind.write(f"f{n}", str(n))
    await blind.ledger.scan(blind.repository)
    first = await scrub(blind, Budget(files=4))
    assert (first.files, first.ended) == (4, "files")
    early = await verified(blind)
    for n in range(10, 13):
        blind.write(f"f{n}", str(n))
    await blind.ledger.scan(blind.repository)
    second = await scrub(blind, Budget(files=9))
    assert (second.files, second.corrupted, second.modified) == (9, 0, 0)
    assert len(await verified(blind)) == 13
    before = await blind.present()
    await scrub(blind, Budget(files=4))
    after = await blind.present()
    assert {path for path in after if after[path].last_verified != before[path].last_verified} == early


async def test_a_scrub_is_an_operation_with_counts(blind: Tree) -> None:
    blind.write("a", "one")
    blind.write("sub/b", "other")
    await blind.ledger.scan(blind.repository)
    done = await blind.ledger.scrub(blind.repository, ScrubRequest(("sub",), EVERYTHING))
    operation = done.operation
    assert (operation.type, operation.status) == (OperationType.SCRUB, OperationStatus.COMPLETED)
    assert (operation.counts.files_hashed, operation.counts.bytes_hashed) == (1, 5)
    assert (done.files, done.bytes, done.ended) == (1, 5, None)
    assert await verified(blind) == {"sub/b"}


async def test_corrupted_modified_and_good_are_told_apart(blind: Tree) -> None:
    for name in ("good", "rotten", "edited", "gone"):
        blind.write(name, "1234")
    await blind.ledger.scan(blind.repository)
    before = await blind.kinds("edited")
    rot(blind, "rotten", "12E4")
    blind.write("edited", "12345")
    (blind.root / "gone").unlink()
    done = await scrub(blind)
    assert (done.files, done.corrupted, done.modified, done.unreadable) == (3, 1, 1, 0)
    assert await problems(blind) == {"rotten": ProblemCode.CORRUPTED}
    rotten = await record(blind, "rotten")
    assert (rotten.hash_state, rotten.content_hash) == (HashState.CORRUPTED, digest("1234"))
    assert rotten.last_verified is None
    assert (await record(blind, "edited")).content_hash == digest("12345")
    assert await blind.state("gone") is RecordState.MISSING
    assert await blind.kinds("edited") == [*before, ChangeKind.MODIFIED]


async def test_the_same_corruption_is_journaled_once_and_survives_scans(blind: Tree) -> None:
    blind.write("a", "1234")
    await blind.ledger.scan(blind.repository)
    before = await blind.kinds("a")
    rot(blind, "a", "12E4")
    for _ in range(2):
        assert (await scrub(blind)).corrupted == 1
        await blind.ledger.scan(blind.repository)
        await blind.ledger.scan(blind.repository, rehash=True)
        assert await problems(blind) == {"a": ProblemCode.CORRUPTED}
    assert await blind.kinds("a") == [*before, ChangeKind.CORRUPTED]
    [*_, entry] = await blind.journal()
    assert entry.hash == entry.hash_before == digest("1234")
    (blind.root / "a").chmod(0o600)  # mends nothing, even where it is seen
    await blind.ledger.scan(blind.repository)
    assert (await record(blind, "a")).hash_state is HashState.CORRUPTED


async def test_corrupted_files_do_not_take_the_turns_of_others(blind: Tree) -> None:
    for n in range(6):
        blind.write(f"f{n}", "1234")
    await blind.ledger.scan(blind.repository)
    for n in range(3):
        rot(blind, f"f{n}", "12E4")
    await scrub(blind)
    for _ in range(2):
        assert (await scrub(blind, Budget(files=3))).files == 3
    assert (await scrub(blind, older_than=3600.0)).files == 0


@pytest.mark.parametrize("moment", ["as it was", "another"])
async def test_the_good_content_restored_ends_the_problem(blind: Tree, moment: str) -> None:
    file = blind.write("a", "1234")
    await blind.ledger.scan(blind.repository)
    before = await blind.kinds("a")
    mtime = file.stat().st_mtime_ns
    rot(blind, "a", "12E4")
    await scrub(blind)
    backup = blind.root / ".backup"
    backup.write_text("1234")
    os.utime(backup, ns=(mtime, mtime if moment == "as it was" else 10**18))
    backup.replace(file)
    done = await scrub(blind)
    assert (done.corrupted, done.unreadable) == (0, 0)
    healed = await record(blind, "a")
    assert (healed.hash_state, healed.content_hash) == (HashState.DONE, digest("1234"))
    assert await problems(blind) == {}
    last = ChangeKind.HASHED if moment == "as it was" else ChangeKind.MODIFIED
    assert await blind.kinds("a") == [*before, ChangeKind.CORRUPTED, last]


async def test_a_corrupted_file_that_moves_or_goes_takes_its_problem_along(blind: Tree) -> None:
    blind.write("a", "1234")
    blind.write("other")
    await blind.ledger.scan(blind.repository)
    rot(blind, "a", "12E4")
    await scrub(blind)
    (blind.root / "a").rename(blind.root / "b")
    await blind.ledger.scan(blind.repository)
    assert await problems(blind) == {"b": ProblemCode.CORRUPTED}
    assert (await record(blind, "b")).hash_state is HashState.CORRUPTED
    (blind.root / "b").unlink()
    await blind.ledger.scan(blind.repository)
    assert await problems(blind) == {}


async def test_a_person_accepts_what_is_there_now(blind: Tree) -> None:
    blind.write("a", "1234")
    blind.write("b", "1234")
    await blind.ledger.scan(blind.repository)
    rot(blind, "a", "12E4")
    await scrub(blind)
    with pytest.raises(UsageError, match="not corrupted"):
        await blind.ledger.accept(blind.repository, ["a", "b"])
    with pytest.raises(UsageError, match="no present record"):
        await blind.ledger.accept(blind.repository, ["none"])
    assert (await record(blind, "a")).content_hash == digest("1234")
    (judged,) = await blind.ledger.accept(blind.repository, ["a"])
    assert judged.is_accepted
    assert await problems(blind) == {}
    entry = (await blind.journal())[-1]
    assert (entry.kind, entry.hash_before, entry.hash) == (
        ChangeKind.ACCEPTED,
        digest("1234"),
        digest("12E4"),
    )
    assert (await scrub(blind)).corrupted == 0


async def test_accepting_what_was_healed_meanwhile_changes_nothing(blind: Tree) -> None:
    blind.write("a", "1234")
    await blind.ledger.scan(blind.repository)
    rot(blind, "a", "12E4")
    await scrub(blind)
    rot(blind, "a", "1234")
    (judged,) = await blind.ledger.accept(blind.repository, ["a"])
    assert not judged.is_accepted
    assert judged.after.hash_state is HashState.DONE
    assert ChangeKind.ACCEPTED not in await blind.kinds("a")


async def test_what_has_no_known_content_is_left_alone(tree: Tree) -> None:
    limit = {"reconciliation": {"max_hash_size": 10}}
    tree.repository = await tree.ledger.add_repository(tree.root, settings=limit, name="limited")
    tree.write("large", "x" * 100)
    tree.write("small")
    await tree.ledger.scan(tree.repository)
    done = await scrub(tree)
    assert (done.files, done.unreadable) == (1, 0)
    assert (await record(tree, "large")).hash_state is HashState.SKIPPED


async def test_a_pace_is_kept_over_many_files(blind: Tree) -> None:
    for n in range(20):
        blind.write(f"f{n}", "x" * 50_000)
    blind.write("large", "x" * 1_000_000)
    await blind.ledger.scan(blind.repository)
    began = anyio.current_time()
    assert (await scrub(blind, rate=4_000_000)).bytes == 2_000_000
    assert anyio.current_time() - began >= 0.4  # it begins with a tenth of a second in hand


async def test_a_file_larger_than_the_budget_is_read(blind: Tree) -> None:
    blind.write("a", "x" * 1000)
    blind.write("b", "x" * 1000)
    await blind.ledger.scan(blind.repository)
    done = await scrub(blind, Budget(bytes=1))
    assert (done.files, done.ended) == (1, "bytes")


async def test_a_scrub_says_who_has_the_ledger(blind: Tree, store_url: str) -> None:
    async with blind.ledger.started(command="watch"), Ledger.open(store=store_url) as other:
        with pytest.raises(EngineLocked, match="watch"):
            await other.scrub(blind.repository)


async def test_the_engine_verifies_by_the_same_rule(blind: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a chmod touched is read again in the background."""
    monkeypatch.setattr("treeledger.engine.chores._VERIFY_REST", 0.2)
    monkeypatch.setattr("treeledger.engine.chores._VERIFY_SHARE", 1)
    await blind.ledger.remove_repository(blind.repository.id, purge=True)
    blind.repository = await blind.ledger.add_repository(blind.root, name="sharp")
    file = blind.write("a", "1234")
    async with blind.watched():
        before = await blind.until_present("a")
        file.chmod(0o600)

        async def is_verified() -> bool:
            found = await blind.record("a")
            return found is not None and found.last_verified is not None

        await until(is_verified, "verified")
        after = await record(blind, "a")
    assert (after.hash_state, after.content_hash) == (HashState.DONE, before.content_hash)
    assert after.last_verified is not None
    assert before.read_at is not None
    assert after.last_verified > before.read_at


async def test_what_a_scrub_finds_modified_it_does_not_read_twice(
    blind: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was never verified, so it comes up again behind the others, before what was verified."""
    monkeypatch.setattr("treeledger.engine.scrub._PAGE", 1)
    for n in range(6):
        blind.write(f"f{n}", "1234")
    await blind.ledger.scan(blind.repository)
    for n in range(3):
        blind.write(f"f{n}", "12345")
    done = await scrub(blind)
    assert (done.files, done.modified) == (6, 3)


class Ahead:
    """A clock that is a year ahead."""

    @staticmethod
    def now(tz: tzinfo) -> datetime:
        return datetime.now(tz) + timedelta(days=365)


async def test_what_was_verified_by_a_clock_that_was_ahead_is_scrubbed_all_the_same(
    blind: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in range(3):
        blind.write(f"f{n}", "1234")
    await blind.ledger.scan(blind.repository)
    with monkeypatch.context() as clock:
        clock.setattr("treeledger.engine.inspector.datetime", Ahead)
        await scrub(blind)
    ahead = datetime.now(UTC) + timedelta(days=300)
    assert all(one.last_verified and one.last_verified > ahead for one in (await blind.present()).values())
    rot(blind, "f1", "12E4")
    done = await scrub(blind)
    assert (done.files, done.corrupted) == (3, 1)
