"""What a reading of a file's content makes of its record: a pure function."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from treeledger.diff import without_content
from treeledger.model import Change, ChangeKind, FileRecord, HashState
from treeledger.reading import Outcome, Read

_FIRST_RETRY: Final = timedelta(seconds=30)
_LONGEST_RETRY: Final = timedelta(hours=6)
_UNREAD: Final = frozenset((HashState.PENDING, HashState.FAILED, HashState.SKIPPED))


def with_read(change: Change, read: Read, algorithm: str, now: datetime) -> Change:
    """The change with what the reading found; unchanged where the reading has to be repeated.

    A content read for the first time makes a quiet change `hashed`; one that proves to be another
    than recorded makes it `modified`, or `corrupted` if no stat ever told of it: then the recorded
    hash stays; one that is confirmed leaves it quiet.
    """
    after = change.after
    match read.outcome:
        case Outcome.DONE:
            return _with_digest(change, read, algorithm, now)
        case Outcome.FAILED:
            tries = after.hash_tries + 1
            retry_at = now + min(_FIRST_RETRY * 2 ** min(tries - 1, 12), _LONGEST_RETRY)
            state = HashState.FAILED if after.content_hash is None else after.hash_state
            return change._replace(
                after=after._replace(hash_state=state, hash_tries=tries, hash_retry_at=retry_at)
            )
        case Outcome.TOO_LARGE | Outcome.TIMED_OUT:
            return change._replace(after=without_content(after, HashState.SKIPPED))
        case _:
            return change


def _with_digest(change: Change, read: Read, algorithm: str, now: datetime) -> Change:
    before, after, kind = change.before, change.after, change.kind
    known = after.content_hash if after.hash_algorithm == algorithm else None
    if kind is None and known != read.digest:
        if known is not None and before is not None and _is_settled(before) and before.stat == after.stat:
            return Change(ChangeKind.CORRUPTED, before, before)
        kind = ChangeKind.HASHED if known is None else ChangeKind.MODIFIED
    verified = now if known == read.digest else after.last_verified if known is None else None
    return Change(kind, change.before, _hashed(after, read, algorithm, now, verified))


def _is_settled(record: FileRecord) -> bool:
    return record.hash_state is HashState.DONE


def to_reread(record: FileRecord) -> FileRecord:
    """The record with its content to be read again at once."""
    state = HashState.VERIFY if record.hash_state is HashState.DONE else record.hash_state
    return record._replace(hash_state=HashState.PENDING if state in _UNREAD else state)


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


def wants_reading(change: Change, *, written: bool) -> bool:
    """Whether the content should be read before this change is committed.

    What is new or modified always; what only a chmod or a backup touched if it was `written` to, or
    a person's scan asked. The rest is verified later, within a budget: `chmod -R` reads nothing.
    """
    state = change.after.hash_state
    return state is HashState.PENDING or (written and state is HashState.VERIFY)
