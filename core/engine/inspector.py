"""Inspection: the only way a record changes because of what is on disk.

Read the records with their versions, look at the paths now, decide, read contents, apply where the
version still holds; what was overtaken is inspected again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Final, NamedTuple

import anyio

from treeledger.diff import Absent, Sight, change_of
from treeledger.engine.beside import Looking
from treeledger.engine.content import corruption, wants_reading, was_read_early, with_read
from treeledger.engine.context import Context
from treeledger.engine.groups import ungrouped
from treeledger.engine.neighbours import Neighbours
from treeledger.engine.run import Run
from treeledger.engine.twins import changed_twins
from treeledger.model import (
    Change,
    File,
    FileRecord,
    FileStat,
    HashState,
    Ignored,
    Problem,
    ProblemCode,
    RecordState,
    Unknown,
)
from treeledger.moves import Held, arrivals, exchanged, held, pair_moves
from treeledger.pacing import Pace
from treeledger.reading import OVERTAKEN, Outcome, Read, ReadLimits
from treeledger.worker import Look

READY_WITHIN: Final = 2.0  # seconds a commit waits for hashes
SMALL_FILE: Final = 16 * 2**20  # bytes; larger files are committed pending and read in a lane of their own
_TRIES: Final = 5
_MOMENT: Final = 0.05  # seconds within which all is told of files that changed places
_DOUBTFUL: Final = (HashState.VERIFY, HashState.CORRUPTED)  # read again where the content may be another
_UNREAD: Final = (HashState.PENDING, HashState.FAILED, HashState.VERIFY)
_MOUNT_GONE: Final = "the file system it was on is not mounted here, or is covered; its record is kept"


class Reread(NamedTuple):
    """To read every content again, whatever the stat says.

    `deadline` (of `time.monotonic`): no file is begun after it; `pace` as in `ReadLimits`. `accept`: a
    person says that what is read now is right, where it was corrupted.
    """

    deadline: float | None = None
    pace: Pace | None = None
    accept: bool = False


class _Manner(NamedTuple):
    """How one inspection goes about it."""

    found_by_scan: bool
    reread: Reread | None
    deadline: float


class _Left(NamedTuple):
    """What one round of an inspection could not bring up to date."""

    overtaken: list[str]  # by other writers of the ledger
    unsteady: list[str]  # by writers of the files, while these were read again
    twins: dict[str, bool]  # other names of files that changed


class Inspector:
    def __init__(self, context: Context) -> None:
        self._context = context
        self.neighbours = Neighbours(context)
        self.hint: Callable[[str], bool | None] = lambda path: None  # of what was told and not looked at yet

    async def inspect(
        self,
        paths: Mapping[str, bool],
        run: Run,
        *,
        found_by_scan: bool = False,
        reread: Reread | None = None,
        deadline: float | None = None,
    ) -> list[str]:
        """Brings the records of some paths up to date; the value says whether content may have been written.

        `deadline` (of `time.monotonic`) is when to commit whether hashes are known or not; not so with
        `reread`. Returns the paths that were overtaken by other writers each time: look at them again later.
        """
        manner = _Manner(found_by_scan, reread, deadline or time.monotonic() + READY_WITHIN)
        beside = self._context.beside
        if not found_by_scan:  # the scan has said where it looks
            beside.begin(paths)
        for _ in range(_TRIES):
            with beside.looking(paths) as looking:
                left = await self._once(paths, run, manner, looking)
                doubtful = dict.fromkeys(looking.met(), False)
            if reread:  # whoever looks once more has no reason to read everything again
                left.overtaken.extend(await self.inspect(dict.fromkeys(left.unsteady, True) | doubtful, run))
                doubtful = {}
            paths = doubtful | left.twins | dict.fromkeys(left.overtaken, True)
            if not paths:
                return []
        return list(paths)

    async def still_gone(self, records: Sequence[FileRecord]) -> set[str]:
        """Those paths of some records at which, beyond doubt, nothing is now. Raises RootOffline."""
        context = self._context
        looks = await context.workers.look(context.spec, [record.path for record in records])
        await context.root.check()
        sights = [self._sight(look, record) for look, record in zip(looks, records, strict=True)]
        return {sight.path for sight in sights if isinstance(sight, Absent)}

    async def _once(
        self, paths: Mapping[str, bool], run: Run, manner: _Manner, looking: Looking, rounds: int = 1
    ) -> _Left:
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
        alike = await self._alike(changes, manner)
        candidates, holds = await self._sources(changes, alike, looks, looking)
        also = [path for path in exchanged(changes, candidates, holds) if path not in paths]
        if also and rounds < _TRIES:
            hints = dict.fromkeys(also, True) if manner.found_by_scan else await self._hints(also)
            return await self._once({**hints, **paths}, run, manner, looking, rounds + 1)
        twins = {} if manner.found_by_scan else await changed_twins(context, changes, alike, paths)
        if candidates:
            changes = pair_moves(changes, candidates, holds, doubt=partial(_may_be_another, paths, manner))
        to_read = {
            change.after.path: change.after.stat
            for change in changes
            if self._wants_reading(change, paths, manner)
        }
        changes, reads = await self._with_content(changes, to_read, run, manner)
        written = [change for change in changes if change.kind or change.before != change.after]
        applied = await context.recorder.apply(written, run) if written else None
        context.ask_for(c.after.path for c in changes if c.after.path in to_read and _is_doubtful(c.after))
        await self._report(looks, sights, run)
        overtaken = [change.after.path for change in applied.conflicts] if applied else []
        corrupted = [
            corruption(context.repository, change.after, reads.get(change.after.path))
            for change in changes
            if _is_corrupted(change.after) and change.after.path not in overtaken
        ]
        run.corrupted += sum(problem.path in reads for problem in corrupted)
        await context.report_reads(reads.values(), corrupted, run)
        if not manner.found_by_scan:  # a scan sees the names of a directory together
            self.neighbours.note(changes, (look.path for look in looks if look.is_directory))
        unsteady = [read.path for read in reads.values() if manner.reread and read.outcome in OVERTAKEN]
        return _Left(overtaken, unsteady, twins)

    def _change(
        self, record: FileRecord | None, sight: Sight, manner: _Manner, written: bool
    ) -> Change | None:
        context = self._context
        change = change_of(context.repository.id, record, sight, same=context.same, content=context.content)
        if change is None and isinstance(sight, File) and record is not None:
            is_stale = (
                record.hash_state in _UNREAD and record.stat != sight.stat
            )  # only an exact stat is read
            if manner.reread or is_stale:
                return Change(None, record, record._replace(stat=sight.stat))
            if written and record.hash_state in _DOUBTFUL:  # somebody took note of its stat before
                return Change(None, record, record)
            if written and was_read_early(record):
                return Change(None, record, record._replace(hash_state=HashState.VERIFY))
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

    async def _alike(self, changes: Sequence[Change], manner: _Manner) -> list[FileRecord]:
        """The records of the inodes that came or changed, for moves and for other names of a file.

        A scan meets every name by itself: then only what came matters.
        """
        present = [change for change in changes if change.after.state is RecordState.PRESENT]
        asked = arrivals(changes) if manner.found_by_scan else present
        inodes = list({held(change.after.stat) for change in asked})
        if not inodes:
            return []
        return await self._context.store.records_by_inode(self._context.repository.id, inodes)

    async def _hints(self, paths: Sequence[str]) -> dict[str, bool]:
        """What is told of some paths by now, or in a moment; they may be written where nothing is."""
        with anyio.move_on_after(_MOMENT):
            while any(self.hint(path) is None for path in paths):  # noqa: ASYNC110 - it has no end to wait for
                await anyio.sleep(_MOMENT / 10)
        return {path: self.hint(path) is not False for path in paths}

    async def _sources(
        self, changes: list[Change], alike: Iterable[FileRecord], looks: Iterable[Look], looking: Looking
    ) -> tuple[list[FileRecord], dict[str, Held]]:
        """The records of which the files that arrived may be, and what is at their paths now."""
        arrived = {held(change.after.stat) for change in arrivals(changes)}
        candidates = [record for record in alike if held(record.stat) in arrived]
        known = {look.path: look for look in looks}
        others = sorted({record.path for record in candidates} - known.keys())
        if others:
            looking.also(others)
            looks = await self._context.workers.look(self._context.spec, others)
            known.update((look.path, look) for look in looks)
        return candidates, _holds(known.values())

    async def _with_content(
        self, changes: list[Change], wanted: Mapping[str, FileStat], run: Run, manner: _Manner
    ) -> tuple[list[Change], dict[str, Read]]:
        context = self._context
        small = [one for one in wanted.items() if manner.reread or one[1].size <= SMALL_FILE]
        if not small or not context.content.hashing:
            return changes, {}
        if context.pace is not None and not manner.reread:
            return changes, {}  # a commit waits for no pace: the hash queue reads them
        reads = {read.path: read for read in await self._read(small, manner)}
        run.count_read([read.stat.size for read in reads.values() if read.outcome is Outcome.DONE])
        now = datetime.now(UTC)
        accept = manner.reread is not None and manner.reread.accept
        changes = [
            with_read(change, reads[change.after.path], context.algorithm, now, accept=accept)
            if change.after.path in reads
            else change
            for change in changes
        ]
        return changes, reads

    def _wants_reading(self, change: Change, paths: Mapping[str, bool], manner: _Manner) -> bool:
        """Doubts about a content are settled now if events told of it, or a person asked."""
        is_told = change.kind is not None and not manner.found_by_scan
        at_once = self._context.one_shot or is_told or paths.get(change.after.path, True)
        wants = wants_reading(change, written=at_once)
        return wants or (manner.reread is not None and change.kind is None)

    async def _read(self, wanted: Sequence[tuple[str, FileStat]], manner: _Manner) -> list[Read]:
        """Small files in one go, large ones each in a thread."""
        context, reread = self._context, manner.reread
        pace = (reread.pace if reread else None) or context.pace
        limits = ReadLimits(
            deadline=reread.deadline if reread else manner.deadline,
            max_size=context.content.max_size,
            timeout=context.settings.reconciliation.hash_timeout,
            pace=pace,
        )
        most = SMALL_FILE if pace is None else min(SMALL_FILE, pace.rate)
        reads: list[Read] = []

        async def read_small(small: Sequence[tuple[str, FileStat]]) -> None:
            reads.extend(await context.workers.read_small(context.spec, small, limits))

        async def read_large(path: str, stat: FileStat) -> None:
            reads.append(await context.workers.read_large(context.spec, path, stat, limits, context.large))

        with ungrouped():
            async with anyio.create_task_group() as tasks:
                for path, stat in wanted:
                    if stat.size > most:
                        tasks.start_soon(read_large, path, stat)
                if small := [one for one in wanted if one[1].size <= most]:
                    tasks.start_soon(read_small, small)
        return reads

    async def _report(self, looks: Sequence[Look], sights: Mapping[str, Sight], run: Run) -> None:
        problems = [look.problem for look in looks if look.problem is not None]
        troubled = {problem.path for problem in problems}
        unknown = [sight.problem for sight in sights.values() if isinstance(sight, Unknown)]
        problems += [problem for problem in unknown if problem.path not in troubled]
        troubled.update(problem.path for problem in unknown)
        healthy = [look.path for look in looks if look.path not in troubled]
        gone = [path for path, sight in sights.items() if isinstance(sight, Absent)]
        self._context.unread.difference_update(gone)
        await self._context.report(problems, healthy, run)


def _is_doubtful(record: FileRecord) -> bool:
    return record.hash_state is HashState.VERIFY


def _is_corrupted(record: FileRecord) -> bool:
    return record.hash_state is HashState.CORRUPTED and record.state is RecordState.PRESENT


def _may_be_another(paths: Mapping[str, bool], manner: _Manner, source: str, target: str) -> bool:
    """Whether what seems to have moved was written to, or left its place otherwise: it may be no move."""
    return manner.found_by_scan or paths.get(source, True) or paths.get(target, True)


def _holds(looks: Iterable[Look]) -> dict[str, Held]:
    """What the paths hold; a path of which nothing can be said is left out."""
    holds: dict[str, Held] = {}
    for look in looks:
        if look.stat is not None:
            holds[look.path] = (look.stat.file_system, look.stat.inode)
        elif look.gone:
            holds[look.path] = None
    return holds
