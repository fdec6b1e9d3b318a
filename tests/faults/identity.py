"""Which records must be the same ones after a burst of operations: what moves alone keeps its identity.

Within a burst the engine looks when it comes to it. So only what holds whatever moment it looked at is
asked for; with one operation between two quiet moments that is every move, and every file replaced.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from operations import Sight

from treeledger.model import FileRecord

Records = Mapping[str, FileRecord]


def broken_identities(before: Records, after: Records, history: Sequence[Sight]) -> list[str]:
    """In words, each record that has not the id it must have. `history`: the tree after every step."""
    wrong = []
    for path, record in before.items():
        for place in {_moved_to(path, record, before, history), _stayed_at(path, record, history)} - {None}:
            now = after.get(place) if place else None
            if now is None or now.id != record.id:
                wrong.append(f"{path} #{record.id} is now {place} #{now and now.id}")
    return wrong


def _moved_to(path: str, record: FileRecord, before: Records, history: Sequence[Sight]) -> str | None:
    """Where a file is that was never changed, had one name at a time, and only such as were free."""
    trail = []
    for sight in history:
        names = [name for name, truth in sight.items() if truth.inode == record.stat.inode]
        if len(names) != 1 or sight[names[0]][:2] != record.stat[:2]:
            return None
        trail.append(names[0])
    others = set(trail) - {path}
    if others & before.keys():
        return None
    if any(
        sight[name].inode != record.stat.inode for sight in history for name in {*others, path} & sight.keys()
    ):
        return None
    return None if trail[-1].startswith("../") else trail[-1]


def _stayed_at(path: str, record: FileRecord, history: Sequence[Sight]) -> str | None:
    """A path that always held a file, whose first one never showed up elsewhere."""
    always = all(path in sight for sight in history)
    moved = any(
        truth.inode == record.stat.inode and name != path
        for sight in history
        for name, truth in sight.items()
    )
    return path if always and not moved else None
