"""`move`: the records of a directory that was renamed go along, a batch of files in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple

from treeledger.model import File, FileStat, Lease
from treeledger.names import successor
from treeledger.plugins.sql.leases import hold_lease
from treeledger.plugins.sql.values import moment
from treeledger.plugins.sql.work import Part, Work, ask, run

_PAGE: Final = 5000  # records


class _Renamed(NamedTuple):
    """A directory of one repository that was at `source` and is at `target`."""

    repository: str
    source: str
    target: str

    def before(self, path: str) -> str:
        """Where a file was that is below `target` now."""
        return self.source + path[len(self.target) :]

    def after(self, path: str) -> str:
        """The inverse of `before`."""
        return self.target + path[len(self.source) :]


class Moving(Part):
    async def move(
        self,
        lease: Lease,
        source: str,
        target: str,
        files: Sequence[File],
        *,
        operation_id: int | None = None,
        generation: int = 0,
    ) -> range:
        if not files:
            return range(0)
        renamed = _Renamed(str(lease.repository_id), source, target)
        entries = await self.session.write(_move(lease, renamed, files, operation_id, generation))
        if entries:
            self.session.announce()
        return entries


def _move(
    lease: Lease, renamed: _Renamed, files: Sequence[File], operation_id: int | None, generation: int
) -> Work[range]:
    now = yield from hold_lease(lease)
    found = yield from _standing(renamed, {renamed.before(path): stat for path, stat in files})
    free = yield from _free(renamed, found)
    if not free:
        return range(0)
    yield from _go_along(renamed, free, now, generation)
    return (yield from _journal(renamed, free, operation_id))


def _standing(renamed: _Renamed, wanted: dict[str, FileStat]) -> Work[dict[str, int]]:
    """The ids, by path and in its order, of the present records at these paths with exactly these stats."""
    found: dict[str, int] = {}
    low, high = min(wanted), max(wanted)
    while True:
        rows = yield from ask(
            "movable_between", repository_id=renamed.repository, low=low, high=high, limit=_PAGE
        )
        found.update((row[1], row[0]) for row in rows if wanted.get(row[1]) == row[2:])
        if len(rows) < _PAGE:
            return found
        low = successor(rows[-1][1])


def _free(renamed: _Renamed, found: dict[str, int]) -> Work[list[int]]:
    """The ids of those at whose new path no record lives."""
    if not found:
        return []
    targets = [renamed.after(path) for path in found]
    repository = renamed.repository
    rows = yield from ask("any_live_between", repository_id=repository, low=targets[0], high=targets[-1])
    if not rows:
        return [*found.values()]
    rows = yield from ask("occupied_paths", repository_id=repository, paths=targets)
    occupied = {path for path, _ in rows}
    return [id for id, path in zip(found.values(), targets, strict=True) if path not in occupied]


def _go_along(renamed: _Renamed, ids: list[int], now: datetime, generation: int) -> Work[None]:
    yield from run(
        "move_records",
        repository_id=renamed.repository,
        ids=ids,
        target=renamed.target,
        start=len(renamed.source) + 1,
        generation=generation,
        now=now,
    )


def _journal(renamed: _Renamed, ids: list[int], operation_id: int | None) -> Work[range]:
    """Numbers come last: whoever has taken them holds up all other writers until it commits."""
    [(last, at, *_)] = yield from ask("number_entries", count=len(ids))
    numbers = range(last - len(ids) + 1, last + 1)
    yield from run(
        "journal_moves",
        repository_id=renamed.repository,
        ids=ids,
        source=renamed.source,
        start=len(renamed.target) + 1,
        first=numbers.start,
        at=moment(at),
        operation_id=operation_id,
    )
    return numbers
