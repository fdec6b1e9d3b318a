"""Moves: records that left one path and arrived at another keep their identity.

A move needs equal file system, inode, size and mtime, and the old path no longer holding that
inode: inodes are reused at once, so an inode alone proves nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from treeledger.model import Change, ChangeKind, FileRecord, FileStat, HashState, RecordState

# What a path holds now, as far as a move needs to know: (file system, inode), or None for nothing.
Held = tuple[int, int] | None
# Whether what seems to have moved from one path to another may be another file in the same inode.
Doubt = Callable[[str, str], bool]


class _Likeness(NamedTuple):
    file_system: int
    inode: int
    size: int
    mtime_ns: int


_PREFERENCE: Final = (RecordState.PRESENT, RecordState.MISSING, RecordState.IGNORED, RecordState.DELETED)


def arrivals(changes: Iterable[Change]) -> list[Change]:
    """The changes that may be the far end of a move: a file whose inode the path did not hold before."""
    return [change for change in changes if _is_arrival(change)]


def _is_arrival(change: Change) -> bool:
    if change.after.state is not RecordState.PRESENT:
        return False
    before, after = change.before, change.after
    return before is None or held(before.stat) != held(after.stat)


def held(stat: FileStat) -> tuple[int, int]:
    return (stat.file_system, stat.inode)


def _likeness(stat: FileStat) -> _Likeness:
    return _Likeness(stat.file_system, stat.inode, stat.size, stat.mtime_ns)


def pair_moves(
    changes: Sequence[Change],
    candidates: Iterable[FileRecord],
    holds: Mapping[str, Held],
    *,
    doubt: Doubt,
) -> list[Change]:
    """The changes with each arrival whose source is known turned into a move.

    `candidates` are records that had the inode of an arrival; `holds` says what each of their paths
    holds now (a path left out is not judged, so its record is no source). Where there is `doubt`, as
    of moves that only a scan found, the content of what moved is to be read again. Changes that need
    each other (swaps, cycles, chains) come out side by side.
    """
    sources = _sources(candidates, holds)
    moves: dict[str, FileRecord] = {}
    for change in arrivals(changes):
        fits = sources.get(_likeness(change.after.stat))
        source = next((one for one in fits or () if one.path != change.after.path), None)
        if source is not None and fits is not None:
            fits.remove(source)
            moves[change.after.path] = source
    if not moves:
        return list(changes)
    kept = _without_overwrites(changes, moves)
    return _side_by_side(_rewritten(changes, moves, kept, doubt))


def exchanged(
    changes: Iterable[Change], candidates: Iterable[FileRecord], holds: Mapping[str, Held]
) -> list[str]:
    """The paths to be looked at with the changes, since another file is there by now: the files that came to
    paths of others may have changed places with those, though nobody told of all of it yet."""
    came = {_likeness(change.after.stat) for change in arrivals(changes) if _is_occupied(change)}
    told = {change.after.path for change in changes}
    return [
        record.path
        for record in candidates
        if record.state in (RecordState.PRESENT, RecordState.MISSING)
        and record.path not in told
        and holds.get(record.path) not in (None, held(record.stat))
        and _likeness(record.stat) in came
    ]


def _is_occupied(change: Change) -> bool:
    return change.before is not None and change.before.state is not RecordState.DELETED


def _sources(
    candidates: Iterable[FileRecord], holds: Mapping[str, Held]
) -> dict[_Likeness, list[FileRecord]]:
    sources: dict[_Likeness, list[FileRecord]] = {}
    newest_first = sorted(candidates, key=lambda r: (_PREFERENCE.index(r.state), -r.id))
    for record in newest_first:
        if record.path in holds and holds[record.path] != held(record.stat):
            sources.setdefault(_likeness(record.stat), []).append(record)
    return sources


def _without_overwrites(changes: Iterable[Change], moves: Mapping[str, FileRecord]) -> dict[str, FileRecord]:
    """The moves that stay moves: onto a free path, or onto a record that itself moves away.

    A rename over a record keeps the target's id: it is modified, and the source's record ends.
    """
    occupied = {
        change.after.path: change.before.id
        for change in changes
        if change.before is not None and _is_occupied(change)
    }
    kept = dict(moves)
    while True:
        leaving = {source.id for source in kept.values()}
        blocked = [path for path in kept if path in occupied and occupied[path] not in leaving]
        if not blocked:
            return kept
        for path in blocked:
            del kept[path]


def _rewritten(
    changes: Iterable[Change],
    moves: Mapping[str, FileRecord],
    kept: Mapping[str, FileRecord],
    doubt: Doubt,
) -> list[Change]:
    moved_ids = {source.id for source in kept.values()}
    rewritten = []
    for change in changes:
        path = change.after.path
        if path in kept:
            rewritten.append(_move(kept[path], change.after, verify=doubt(kept[path].path, path)))
        elif change.before is not None and change.before.id in moved_ids:
            if change.after.state is RecordState.PRESENT:  # another file came to where it was
                newcomer = change.after._replace(id=0, version=0, created_at=None)
                rewritten.append(Change(ChangeKind.ADDED, None, _as_new(newcomer)))
        elif path in moves:
            verify = doubt(moves[path].path, path)
            rewritten.append(_overwritten(change, moves[path], verify))
        else:
            rewritten.append(change)
    return rewritten


def _side_by_side(changes: Sequence[Change]) -> list[Change]:
    """Each change is followed by the one whose record held its path, so that a batch seldom parts the two."""
    leaving = {change.before.path: index for index, change in enumerate(changes) if change.before is not None}
    ordered: dict[int, Change] = {}
    for start in range(len(changes)):
        index: int | None = start
        while index is not None and index not in ordered:
            ordered[index] = changes[index]
            index = leaving.get(changes[index].after.path)
    return list(ordered.values())


def _as_new(record: FileRecord) -> FileRecord:
    return FileRecord(
        0, record.repository_id, record.path, record.stat, hash_state=_unread(record.hash_state)
    )


def _unread(state: HashState) -> HashState:
    return HashState.SKIPPED if state is HashState.SKIPPED else HashState.PENDING


def _move(source: FileRecord, target: FileRecord, *, verify: bool) -> Change:
    after = source._replace(
        path=target.path,
        stat=target.stat,
        state=RecordState.PRESENT,
        held_id=None,
        hash_state=_moved_state(source.hash_state, verify),
    )
    return Change(ChangeKind.MOVED, source, after)


def _overwritten(change: Change, source: FileRecord, verify: bool) -> Change:
    """A record over which another was renamed; its content is new even where size and mtime are equal."""
    after = _with_content_of(source, change.after, verify)
    kind, before = change.kind, change.before
    if kind is None and before is not None and before.content_hash != after.content_hash:
        kind = ChangeKind.HASHED if before.content_hash is None else ChangeKind.MODIFIED
    return Change(kind, before, after)


def _with_content_of(source: FileRecord, target: FileRecord, verify: bool) -> FileRecord:
    return target._replace(
        hash_state=_moved_state(source.hash_state, verify),
        hash_algorithm=source.hash_algorithm,
        content_hash=source.content_hash,
        read_at=source.read_at,
        last_verified=source.last_verified,
    )


def _moved_state(state: HashState, verify: bool) -> HashState:
    if state is HashState.FAILED:
        return HashState.PENDING
    return HashState.VERIFY if verify and state is HashState.DONE else state
