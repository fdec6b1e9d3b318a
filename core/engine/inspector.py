"""Inspection: the only way a record changes because of what is on disk.

Read the records with their versions, look at the paths now, decide, read contents, apply where the
version still holds; what was overtaken is inspected again.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final, NamedTuple

from treeledger.diff import Absent, Sight, change_of
from treeledger.engine.content import to_reread, wants_reading, with_read
from treeledger.engine.context import Context
from treeledger.engine.run import Run
from treeledger.model import (
    Change,
    ChangeKind,
    File,
    FileRecord,
    FileStat,
    HashState,
    Ignored,
    Problem,
    ProblemCode,
    Unknown,
)
from treeledger.moves import Held, arrivals, pair_moves
from treeledger.reading import Outcome, Read, ReadLimits
from treeledger.worker import Look

READY_WITHIN: Final = 2.0  # seconds a commit waits for hashes
SMALL_FILE: Final = 16 * 2**20  # bytes; larger files are committed pending and read in a lane of their own
_TRIES: Final = 5
_MOUNT_GONE: Final = "the file system it was on is not mounted here, or is covered; its record is kept"


class _Manner(NamedTuple):
    """How one inspection goes about it."""

    found_by_scan: bool
    reread: bool
    deadline: float


class Inspector:
    def __init__(self, context: Context) -> None:
        self._context = context

    async def inspect(
        self,
        paths: Mapping[str, bool],
        run: Run,
        *,
        found_by_scan: bool = False,
        reread: bool = False,
        deadline: float | None = None,
    ) -> list[str]:
        """Brings the records of some paths up to date; the value says whether content may have been written.

        `reread` reads every content again, whatever the stat says. `deadline` (of `time.monotonic`)
        is when to commit whether hashes are known or not. Returns the paths that were overtaken by
        other writers each time: look at them again later.
        """
        manner = _Manner(found_by_scan, reread, deadline or time.monotonic() + READY_WITHIN)
        for _ in range(_TRIES):
            overtaken = await self._once(paths, run, manner)
            if not overtaken:
                return []
            paths = dict.fromkeys(overtaken, True)
        return list(paths)

    async def still_gone(self, records: Sequence[FileRecord]) -> set[str]:
        """Those paths of some records at which, beyond doubt, nothing is now. Raises RootOffline."""
        context = self._context
        looks = await context.workers.look(context.spec, [record.path for record in records])
        await context.root.check()
        sights = [self._sight(look, record) for look, record in zip(looks, records, strict=True)]
        return {sight.path for sight in sights if isinstance(sight, Absent)}

    async def _once(self, paths: Mapping[str, bool], run: Run, manner: _Manner) -> list[str]:
        context = self._context
        wanted = sorted(paths)
        records = await context.store.records_at(context.repository.id, wanted)
        looks = await context.workers.look(context.spec, wanted)
        if any(look.gone for look in looks):
            await context.root.check()
        sights = {look.path: self._sight(look, records.get(look.path)) for look in looks}
        changes = [
            change
            for path, sight in sights.items()
            if (change := self._change(records.get(path), sight, manner, paths[path])) is not None
        ]
        changes = await self._paired(changes, looks, verify=manner.found_by_scan)
        changes, reads = await self._with_content(changes, paths, run, manner)
        applied = await context.recorder.apply(changes, run) if changes else None
        await self._report(looks, sights, run)
        corrupted = [_corrupted(c, reads[c.after.path]) for c in changes if c.kind is ChangeKind.CORRUPTED]
        await context.report_reads(reads.values(), corrupted, run)
        return [change.after.path for change in applied.conflicts] if applied else []

    def _change(
        self, record: FileRecord | None, sight: Sight, manner: _Manner, written: bool
    ) -> Change | None:
        context = self._context
        change = change_of(context.repository.id, record, sight, same=context.same, content=context.content)
        if change is None and isinstance(sight, File) and record is not None:
            if manner.reread:
                return Change(None, record, to_reread(record))
            if written and record.hash_state is HashState.VERIFY:  # somebody took note of its stat before
                return Change(None, record, record)
        return change

    def _sight(self, look: Look, record: FileRecord | None) -> Sight:
        if look.verdict is not None and look.verdict.ignored:
            return Ignored(look.path, look.verdict.rule, False)
        if look.stat is not None:
            return File(look.path, look.stat)
        if look.gone:
            return self._absent(look, record)
        assert look.problem is not None
        return Unknown(look.path, look.problem, False)

    def _absent(self, look: Look, record: FileRecord | None) -> Sight:
        """Absent; but where its folder is not known, or is on another file system than the record was,
        a mount went away or covers it: unknown, not gone."""
        above = look.parent_file_system
        if record is None or record.stat.file_system == above:
            return Absent(look.path)
        if above is None:
            problem = Problem(look.path, ProblemCode.IO_ERROR, "its folder cannot be looked at")
        else:
            problem = Problem(look.path, ProblemCode.MOUNT_GONE, _MOUNT_GONE)
        return Unknown(look.path, problem, False)

    async def _paired(self, changes: list[Change], looks: Iterable[Look], *, verify: bool) -> list[Change]:
        newcomers = arrivals(changes)
        if not newcomers:
            return changes
        context = self._context
        inodes = list({(c.after.stat.file_system, c.after.stat.inode) for c in newcomers})
        candidates = await context.store.records_by_inode(context.repository.id, inodes)
        if not candidates:
            return changes
        known = {look.path: look for look in looks}
        others = sorted({record.path for record in candidates} - known.keys())
        if others:
            known.update((look.path, look) for look in await context.workers.look(context.spec, others))
        return pair_moves(changes, candidates, _holds(known.values()), verify=verify)

    async def _with_content(
        self, changes: list[Change], paths: Mapping[str, bool], run: Run, manner: _Manner
    ) -> tuple[list[Change], dict[str, Read]]:
        context = self._context
        if not context.content.hashing:
            return changes, {}
        wanted = [
            (change.after.path, change.after.stat)
            for change in changes
            if wants_reading(change, written=context.one_shot or paths.get(change.after.path, True))
            and (manner.reread or change.after.stat.size <= SMALL_FILE)
        ]
        if not wanted:
            return changes, {}
        reads = {read.path: read for read in await self._read(wanted, manner)}
        run.count_read([read.stat.size for read in reads.values() if read.outcome is Outcome.DONE])
        now = datetime.now(UTC)
        changes = [
            with_read(change, reads[change.after.path], context.algorithm, now)
            if change.after.path in reads
            else change
            for change in changes
        ]
        return changes, reads

    async def _read(self, wanted: Sequence[tuple[str, FileStat]], manner: _Manner) -> list[Read]:
        context = self._context
        limits = ReadLimits(
            deadline=None if manner.reread else manner.deadline,
            max_size=context.content.max_size,
            timeout=context.settings.reconciliation.hash_timeout,
        )
        return await context.workers.read_small(context.spec, wanted, limits)

    async def _report(self, looks: Sequence[Look], sights: Mapping[str, Sight], run: Run) -> None:
        problems = [look.problem for look in looks if look.problem is not None]
        troubled = {problem.path for problem in problems}
        unknown = [sight.problem for sight in sights.values() if isinstance(sight, Unknown)]
        problems += [problem for problem in unknown if problem.path not in troubled]
        troubled.update(problem.path for problem in unknown)
        healthy = [look.path for look in looks if look.path not in troubled]
        await self._context.report(problems, healthy, run)


def _corrupted(change: Change, read: Read) -> Problem:
    message = (
        f"its content changed, but nothing ever said so: it reads as {read.digest},"
        f" on record is {change.after.content_hash}"
    )
    return Problem(read.path, ProblemCode.CORRUPTED, message)


def _holds(looks: Iterable[Look]) -> dict[str, Held]:
    """What the paths hold; a path of which nothing can be said is left out."""
    holds: dict[str, Held] = {}
    for look in looks:
        if look.stat is not None:
            holds[look.path] = (look.stat.file_system, look.stat.inode)
        elif look.gone:
            holds[look.path] = None
    return holds
