"""What a change is: one pure function of a record and of what is there now.

The law, proved by property tests: for any records and anything seen,

    apply(records, diff(records, seen)) == seen

outside what is unknown: the present records afterwards are exactly the files seen, each with its
stat, and nothing under an unknown path changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final, NamedTuple
from uuid import UUID

from treeledger.model import (
    Change,
    ChangeKind,
    File,
    FileRecord,
    FileStat,
    HashState,
    Ignored,
    RecordState,
    Seen,
    Unknown,
)
from treeledger.names import within


class Absent(NamedTuple):
    """Nothing is at this path, said by a fresh lstat or a complete listing."""

    path: str


Sight = File | Unknown | Ignored | Absent
SameStat = Callable[[FileStat, FileStat], bool]


def same_strictly(a: FileStat, b: FileStat) -> bool:
    """Size, mtime, ctime, file system and inode are equal."""
    return a[:5] == b[:5]


def _same_but_ctime(a: FileStat, b: FileStat) -> bool:
    return a[:2] == b[:2] and a[3:5] == b[3:5]


def _same_size_and_mtime(a: FileStat, b: FileStat) -> bool:
    return a[:2] == b[:2]


CHANGE_KEYS: Final[Mapping[str, SameStat]] = {
    "strict": same_strictly,
    "no-ctime": _same_but_ctime,
    "size-mtime": _same_size_and_mtime,
}

# File systems whose inodes or change times mean nothing: made up by the driver, or absent.
_NO_STABLE_INODES: Final = ("vfat", "exfat", "msdos", "ntfs", "cifs", "smb", "9p", "fuse")


def change_key_on(file_system_type: str, change_key: str) -> str:
    """The one of `CHANGE_KEYS` that a repository's `change_key` means; `auto` looks at the file system."""
    if change_key == "auto":
        return "size-mtime" if file_system_type.startswith(_NO_STABLE_INODES) else "strict"
    return change_key


def same_stat(change_key: str, file_system_type: str) -> SameStat:
    """The comparison that a repository's `change_key` asks for."""
    return CHANGE_KEYS[change_key_on(file_system_type, change_key)]


class ContentPolicy(NamedTuple):
    """Which files are hashed: none, or those up to `max_size` bytes."""

    hashing: bool = True
    max_size: int | None = None

    def first_state(self, size: int) -> HashState:
        wanted = self.hashing and (self.max_size is None or size <= self.max_size)
        return HashState.PENDING if wanted else HashState.SKIPPED


HASH_ALL: Final = ContentPolicy()


def change_of(
    repository_id: UUID,
    record: FileRecord | None,
    sight: Sight,
    *,
    same: SameStat = same_strictly,
    content: ContentPolicy = HASH_ALL,
) -> Change | None:
    """The change that makes a record agree with what is seen at its path; None if it does already.

    `record` is the live record of the path, else the one deleted there last, else None.
    """
    match sight:
        case File(path, stat):
            if record is None:
                new = FileRecord(0, repository_id, path, stat, hash_state=content.first_state(stat.size))
                return Change(ChangeKind.ADDED, None, new)
            return _change_to_file(record, stat, same, content)
        case Ignored():
            if record is None or record.state in (RecordState.IGNORED, RecordState.DELETED):
                return None
            return Change(
                ChangeKind.IGNORED, record, record._replace(state=RecordState.IGNORED, held_id=None)
            )
        case Absent():
            if record is None or record.state in (RecordState.MISSING, RecordState.DELETED):
                return None
            return Change(ChangeKind.MISSING, record, record._replace(state=RecordState.MISSING))
        case Unknown():
            return None


def _change_to_file(
    record: FileRecord, stat: FileStat, same: SameStat, content: ContentPolicy
) -> Change | None:
    is_present = record.state is RecordState.PRESENT
    if is_present and same(record.stat, stat):
        return None
    after = with_stat(record, stat, content)._replace(state=RecordState.PRESENT, held_id=None)
    if not is_present:
        return Change(ChangeKind.RESTORED, record, after)
    kind = None if same_content_by_stat(record.stat, stat) else ChangeKind.MODIFIED
    return Change(kind, record, after)


def same_content_by_stat(a: FileStat, b: FileStat) -> bool:
    """Whether two stats suggest the same content: a chmod, a backup or a copied disk changes neither."""
    return a.size == b.size and a.mtime_ns == b.mtime_ns


def with_stat(record: FileRecord, stat: FileStat, content: ContentPolicy) -> FileRecord:
    """The record with a new stat: its hash kept for verification, or given up with the old content.

    A corrupted one stays so while its stat suggests the same content: a chmod mends nothing.
    """
    if not same_content_by_stat(record.stat, stat):
        return without_content(record, content.first_state(stat.size))._replace(stat=stat)
    if record.hash_state is HashState.DONE and record.stat != stat:
        return record._replace(stat=stat, hash_state=HashState.VERIFY)
    if record.hash_state is HashState.FAILED:
        return without_content(record, HashState.PENDING)._replace(stat=stat)
    return record._replace(stat=stat)


def without_content(record: FileRecord, state: HashState) -> FileRecord:
    """The record with nothing known of its content."""
    return record._replace(
        hash_state=state,
        hash_algorithm=None,
        content_hash=None,
        hash_tries=0,
        hash_retry_at=None,
        read_at=None,
        last_verified=None,
    )


def diff(records: Mapping[str, FileRecord], seen: Iterable[Seen], repository_id: UUID) -> list[Change]:
    """All changes between the live records and a complete sight of the tree, in path order.

    The engine does the same in pages (`treeledger.merge` nominates, `change_of` decides); this is
    the statement of the law, for tests and for small trees.
    """
    sights: dict[str, Seen] = {}
    covers: list[Unknown | Ignored] = []
    for item in seen:
        if isinstance(item, File) or not item.subtree:
            sights[item.path] = item
        else:  # a directory: it says nothing of a record that was a file at its path
            covers.append(item)
    changes = []
    for path in sorted(records.keys() | sights.keys()):
        sight = sights.get(path) or _cover(path, covers) or Absent(path)
        change = change_of(repository_id, records.get(path), sight)
        if change is not None:
            changes.append(change)
    return changes


def _cover(path: str, covers: Iterable[Unknown | Ignored]) -> Unknown | Ignored | None:
    return next((cover for cover in covers if path != cover.path and within(cover.path, path)), None)


def apply(records: Mapping[str, FileRecord], changes: Iterable[Change]) -> dict[str, FileRecord]:
    """The live records after some changes, as a store would hold them; moves may swap."""
    changes = list(changes)
    after = dict(records)
    for change in changes:
        if change.before is not None and after.get(change.before.path) == change.before:
            del after[change.before.path]
    after.update(
        (change.after.path, change.after)
        for change in changes
        if change.after.state is not RecordState.DELETED
    )
    return after
