"""What a reading of a file's content makes of its record: pure functions."""

from __future__ import annotations

import shlex
from datetime import datetime, timedelta
from typing import Final

from treeledger.diff import without_content
from treeledger.model import (
    Change,
    ChangeKind,
    FileRecord,
    HashState,
    Problem,
    ProblemCode,
    RecordState,
    Repository,
)
from treeledger.names import shown
from treeledger.reading import Outcome, Read

_FIRST_RETRY: Final = timedelta(seconds=30)
_LONGEST_RETRY: Final = timedelta(hours=6)
_HELD_UP: Final = 60.0  # seconds that a writer may be held up between the times of a file and its data
_KNOWN_GOOD: Final = (HashState.DONE, HashState.CORRUPTED)  # a hash that only another content may replace


def with_read(change: Change, read: Read, algorithm: str, now: datetime, *, accept: bool = False) -> Change:
    """The change with what the reading found; unchanged where the reading has to be repeated.

    A content read for the first time makes a quiet change `hashed`. One that proves to be another than
    recorded makes it `modified` if the stat had changed (then the hash was only to be verified), else
    `corrupted`: the good hash stays until the good content is back (`hashed`), the stat tells of
    another one, or a person says with `accept` that what was read is right. One that is confirmed
    leaves it quiet.
    """
    after = change.after
    match read.outcome:
        case Outcome.DONE:
            return _with_digest(change, read, algorithm, now, accept)
        case Outcome.FAILED:
            tries = after.hash_tries + 1
            retry_at = now + min(_FIRST_RETRY * 2 ** min(tries - 1, 12), _LONGEST_RETRY)
            state = HashState.FAILED if after.content_hash is None else after.hash_state
            return change._replace(
                after=after._replace(hash_state=state, hash_tries=tries, hash_retry_at=retry_at)
            )
        case Outcome.TOO_LARGE | Outcome.TIMED_OUT if after.hash_state not in _KNOWN_GOOD:
            return change._replace(after=without_content(after, HashState.SKIPPED))
        case _:
            return change


def _with_digest(change: Change, read: Read, algorithm: str, now: datetime, accept: bool) -> Change:
    kind, after = change.kind, change.after
    found = _digest_by(after.hash_algorithm, read, algorithm)
    is_confirmed = found is not None and found == after.content_hash
    was_corrupted = after.hash_state is HashState.CORRUPTED
    is_kept = not is_confirmed and (
        was_corrupted or (found is not None and after.hash_state is HashState.DONE)
    )
    if is_kept and not (accept and was_corrupted):
        corrupted = after._replace(
            hash_state=HashState.CORRUPTED, hash_tries=0, hash_retry_at=None, read_at=now
        )
        return Change(kind if was_corrupted else kind or ChangeKind.CORRUPTED, change.before, corrupted)
    if kind is None:
        kind = _kind(after, algorithm, is_confirmed=is_confirmed, is_known=found is not None)
    verified = now if is_confirmed else None if found is not None else after.last_verified
    return Change(kind, change.before, _hashed(after, read, algorithm, now, verified))


def _kind(record: FileRecord, algorithm: str, *, is_confirmed: bool, is_known: bool) -> ChangeKind | None:
    """What a reading says of a record whose stat said nothing."""
    if record.hash_state is HashState.CORRUPTED and not is_confirmed:
        return ChangeKind.ACCEPTED
    if is_confirmed and record.hash_state is not HashState.CORRUPTED and record.hash_algorithm == algorithm:
        return None
    return ChangeKind.MODIFIED if is_known and not is_confirmed else ChangeKind.HASHED


def _digest_by(name: str | None, read: Read, algorithm: str) -> str | None:
    """The digest that can be compared with one by this algorithm; None if the reading has none."""
    return read.digest if name == algorithm else dict(read.extra).get(name or "")


def _hashed(
    record: FileRecord, read: Read, algorithm: str, now: datetime, verified: datetime | None
) -> FileRecord:
    return record._replace(
        hash_state=HashState.DONE,
        hash_algorithm=algorithm,
        content_hash=read.digest,
        hash_tries=0,
        hash_retry_at=None,
        read_at=now,
        last_verified=verified,
    )


def corruption(repository: Repository, record: FileRecord, read: Read | None) -> Problem:
    """The trouble with a corrupted file, and what to do about it."""
    found = f"it reads as {read.digest}" if read is not None and read.digest else "it read as another"
    path = shlex.quote(shown(f"{repository.root.rstrip('/')}/{record.path}"))
    message = (
        f"its content changed, but its size and times did not; {found}, on record is"
        f" {record.content_hash}, which stays. Restore it from a backup and scrub again; or, if what is"
        f" there is right: treeledger scrub --accept {path}"
    )
    return Problem(record.path, ProblemCode.CORRUPTED, message)


def was_read_early(record: FileRecord) -> bool:
    """Whether a content was read so soon after a write that what came with it may not all have been there.

    Linux gives a file its new times before it copies the data (`file_update_time`, then the copy), so a
    writer that is held up in between leaves old bytes under a new stat; the event comes when it is done.
    """
    if record.hash_state is not HashState.DONE or record.read_at is None:
        return False
    return record.read_at.timestamp() - record.stat.ctime_ns / 1e9 < _HELD_UP


def wants_reading(change: Change, *, written: bool) -> bool:
    """Whether the content should be read before this change is committed.

    What is new or modified always; what only a chmod or a backup touched, or a scan took for a move, if
    it is to be verified `at_once`. The rest is verified later, within a budget: `chmod -R` reads nothing.
    What is gone or ignored is not read, though it may be back by now.
    """
    if change.after.state is not RecordState.PRESENT:
        return False
    state = change.after.hash_state
    return state is HashState.PENDING or (written and state in (HashState.VERIFY, HashState.CORRUPTED))
