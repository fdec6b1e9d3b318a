"""What a reading makes of a record: one rule, proved over every combination."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from treeledger.diff import Absent, change_of
from treeledger.engine.content import corruption, wants_reading, with_read
from treeledger.model import Change, ChangeKind, File, FileRecord, FileStat, HashState, Ignored, Repository
from treeledger.reading import Outcome, Read

HERE = UUID(int=1)
THEN, NOW = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)
STAT = FileStat(10, 1, 1, 1, 1, 0o100644)
WITH_HASH = (HashState.DONE, HashState.VERIFY, HashState.CORRUPTED)

states = st.sampled_from(WITH_HASH)
digests = st.sampled_from(["good", "other"])
stats = st.builds(
    STAT._replace,
    size=st.sampled_from([10, 11]),
    mtime_ns=st.sampled_from([1, 2]),
    ctime_ns=st.sampled_from([1, 2]),
    inode=st.sampled_from([1, 2]),
)


def record(state: HashState = HashState.DONE, **fields: object) -> FileRecord:
    one = FileRecord(7, HERE, "a", STAT, hash_state=state, read_at=THEN, version=1)
    if state in WITH_HASH:
        one = one._replace(hash_algorithm="sha256", content_hash="good", last_verified=THEN)
    return one._replace(**fields)  # type: ignore[arg-type]


def read(digest: str = "good", **extra: str) -> Read:
    return Read("a", STAT, Outcome.DONE, digest, tuple(extra.items()))


def inspected(before: FileRecord, stat: FileStat, found: Read, *, accept: bool = False) -> Change:
    """As the inspector does it: what the stat says, then what the reading says."""
    change = change_of(HERE, before, File("a", stat)) or Change(None, before, before)
    return with_read(change, found, "sha256", NOW, accept=accept)


@given(states, stats, digests, st.booleans())
def test_a_good_hash_goes_only_when_the_stat_told_or_a_person_did(
    state: HashState, stat: FileStat, digest: str, accept: bool
) -> None:
    """The law of scrubbing, over all states, stats, contents and words of a person."""
    before = record(state)
    change = inspected(before, stat, read(digest), accept=accept)
    after = change.after
    is_rewritten = (stat.size, stat.mtime_ns) != (STAT.size, STAT.mtime_ns)
    is_touched = stat != STAT or state is HashState.VERIFY
    is_accepted = accept and state is HashState.CORRUPTED
    if digest == "good":
        assert (after.hash_state, after.content_hash) == (HashState.DONE, "good")
        assert change.kind is (
            ChangeKind.MODIFIED
            if is_rewritten
            else ChangeKind.HASHED
            if state is HashState.CORRUPTED
            else None
        )
        assert is_rewritten or after.last_verified == NOW
    elif is_rewritten or (is_touched and state is not HashState.CORRUPTED):
        assert (change.kind, after.hash_state, after.content_hash) == (
            ChangeKind.MODIFIED,
            HashState.DONE,
            "other",
        )
    elif is_accepted:
        assert (change.kind, after.hash_state, after.content_hash) == (
            ChangeKind.ACCEPTED,
            HashState.DONE,
            "other",
        )
    else:
        assert (after.hash_state, after.content_hash, after.last_verified) == (
            HashState.CORRUPTED,
            "good",
            THEN,
        )
        assert change.kind is (None if state is HashState.CORRUPTED else ChangeKind.CORRUPTED)
        assert after.read_at == NOW


@given(states, st.sampled_from([Outcome.FAILED, Outcome.TIMED_OUT, Outcome.TOO_LARGE, Outcome.CHANGED]))
def test_a_reading_that_failed_takes_no_good_hash_away(state: HashState, outcome: Outcome) -> None:
    before = record(state)
    change = inspected(before, STAT, Read("a", STAT, outcome))
    given_up = state is HashState.VERIFY and outcome in (Outcome.TIMED_OUT, Outcome.TOO_LARGE)
    assert (change.after.content_hash is None) == given_up
    assert given_up or change.after.hash_state is state
    assert change.after.last_verified == (None if given_up else THEN)
    assert change.kind is None


def test_a_hash_by_another_algorithm_is_compared_where_the_reading_has_it() -> None:
    before = record(hash_algorithm="blake3")
    kept = with_read(Change(None, before, before), read("new", blake3="other"), "sha256", NOW)
    assert (kept.kind, kept.after.content_hash) == (ChangeKind.CORRUPTED, "good")
    changed = with_read(Change(None, before, before), read("new", blake3="good"), "sha256", NOW)
    assert changed.kind is ChangeKind.HASHED
    assert (changed.after.hash_algorithm, changed.after.content_hash) == ("sha256", "new")
    corrupted = before._replace(hash_state=HashState.CORRUPTED)
    unknown = with_read(Change(None, corrupted, corrupted), read("new"), "sha256", NOW, accept=False)
    assert unknown.after.content_hash == "good"


def test_the_message_says_what_is_safe_and_what_to_do() -> None:
    repository = Repository(HERE, "photos", "here", "/data/my photos")
    problem = corruption(repository, record(HashState.CORRUPTED), read("other"))
    assert "treeledger scrub --accept '/data/my photos/a'" in problem.message
    assert "reads as other" in problem.message
    assert "on record is good" in problem.message


@given(st.sampled_from(HashState), st.booleans())
def test_nothing_is_read_of_what_is_gone_or_ignored(state: HashState, written: bool) -> None:
    before = record(state)
    for sight in (Absent("a"), Ignored("a", "*.log", False)):
        change = change_of(HERE, before, sight)
        assert change is not None
        assert not wants_reading(change, written=written)
