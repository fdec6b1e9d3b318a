"""From missing to deleted: once it is quiet, and unless so much is gone that a person must decide."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

import anyio

from treeledger.engine.context import Context
from treeledger.engine.inspector import Inspector
from treeledger.engine.run import Run
from treeledger.gate import PATIENCE, Verdict, judge
from treeledger.model import Change, ChangeKind, FileRecord, HeldDeletion, HoldStatus, RecordState
from treeledger.protocols import Gone
from treeledger.units import show_count

_PAGE: Final = 1000
_BUSY: Final = 0.1  # seconds


class Deletions:
    """Settles the missing records of one repository; every one is looked at once more before it ends."""

    def __init__(self, context: Context, inspector: Inspector) -> None:
        self._context = context
        self._inspector = inspector
        self._samples: deque[tuple[datetime, int]] = deque()
        self._limit = context.settings.max_delete
        self._window = timedelta(seconds=self._limit.window)
        self._stepping = anyio.Lock()
        self.is_busy: Callable[[], bool] = lambda: False  # whether more losses may be known in a moment

    async def sample(self) -> None:
        """Notes the live count, as of before whatever is found gone from now on."""
        gone = await self._gone()
        self._note(gone, await self._files() + gone.in_window)

    async def step(self, run: Run, *, was_emptied: bool = False) -> float | None:
        """Does what is due; returns the seconds until something may be due, None if nothing waits.

        `was_emptied`: a scan found the root empty, which is held however few files there were.
        """
        async with self._stepping:
            return await self._step(run, was_emptied)

    async def settle(self, run: Run, *, was_emptied: bool = False) -> None:
        """Waits until nothing is missing that is not held."""
        while (delay := await self.step(run, was_emptied=was_emptied)) is not None:  # noqa: ASYNC110
            await anyio.sleep(delay)  # until the store's clock says so

    async def _step(self, run: Run, was_emptied: bool) -> float | None:
        await self._decided(run)
        gone = await self._gone()
        if gone.waiting == 0:
            return None
        files = await self._files()
        self._note(gone, files + gone.waiting)
        judgement = judge(gone, self._live_then(), self._limit)
        if judgement.verdict is Verdict.WAIT:
            return judgement.wait
        if self.is_busy() and gone.oldest is not None and gone.now < gone.oldest + PATIENCE:
            return _BUSY  # more may be on its way, and what moved may be found again
        hold = await self._open_hold()
        if hold is not None or judgement.verdict is Verdict.HOLD or (was_emptied and files == 0):
            await self._hold(hold, gone, run)
        else:
            await self._delete(None, run, until=gone.newest)
        left = await self._gone()
        # What was judged and is still missing is unknown by now: it waits for another loss, or a scan.
        return 0.0 if left.newest is not None and left.newest != gone.newest else None

    async def _gone(self) -> Gone:
        return await self._context.store.gone(self._context.repository.id, self._window)

    async def _files(self) -> int:
        return (await self._context.current()).files

    def _note(self, gone: Gone, live: int) -> None:
        if gone.in_window == gone.waiting:  # nothing else within the window: it begins here
            self._samples.clear()
        self._samples.append((gone.now, live))
        while self._samples[0][0] < gone.now - self._window - PATIENCE and len(self._samples) > 1:
            self._samples.popleft()

    def _live_then(self) -> int:
        return self._samples[0][1]

    async def _delete(self, hold: HeldDeletion | None, run: Run, *, until: datetime | None = None) -> None:
        """Ends the missing records of a hold, or those that are not held, that are still not there.

        Those that went missing after `until` were not judged: they wait for the next time.
        """
        context = self._context
        after = 0
        while page := await self._missing(hold, after):
            after = page[-1].id
            paths = [
                record.path
                for record in page
                if until is None or (record.missing_at is not None and record.missing_at <= until)
            ]
            if not paths:
                continue
            await self._inspector.inspect(dict.fromkeys(paths, False), run)
            now = await context.store.records_at(context.repository.id, paths)
            missing = [record for record in now.values() if record.state is RecordState.MISSING]
            gone = await self._inspector.still_gone(missing) if missing else set()
            ended = [
                Change(ChangeKind.DELETED, record, record._replace(state=RecordState.DELETED, held_id=None))
                for record in missing
                if record.path in gone
            ]
            applied = await context.recorder.apply(ended, run)
            await context.report([], [record.path for record in applied.records])

    async def _missing(self, hold: HeldDeletion | None, after: int) -> list[FileRecord]:
        return await self._context.store.gone_records(
            self._context.repository.id,
            held_id=None if hold is None else hold.id,
            since=None,
            limit=_PAGE,
            after=after,
        )

    async def _open_hold(self) -> HeldDeletion | None:
        holds = await self._context.store.holds(self._context.repository.id, statuses=(HoldStatus.OPEN,))
        return holds[0] if holds else None

    async def _hold(self, hold: HeldDeletion | None, gone: Gone, run: Run) -> None:
        """Puts everything that is missing, and what was deleted within the window, under one hold."""
        context = self._context
        if hold is None:
            live = self._live_then()
            reason = (
                f"{show_count(gone.in_window)} of {show_count(live)} files are gone;"
                f" more than {show_count(self._limit.files)} or {self._limit.percent:g} % needs your word"
            )
            hold = await context.store.open_hold(context.lease, gone=gone.in_window, live=live, reason=reason)
        since, after = gone.now - self._window, 0
        while page := await context.store.gone_records(
            context.repository.id, held_id=None, since=since, limit=_PAGE, after=after
        ):
            after = page[-1].id
            await context.recorder.apply([_held(record, hold.id) for record in page], run)
        after = 0
        while page := await self._missing(None, after):
            after = page[-1].id
            await context.recorder.apply([_held(record, hold.id) for record in page], run)

    async def _decided(self, run: Run) -> None:
        """Carries out what a person decided, and closes holds whose files all came back."""
        context = self._context
        statuses = (HoldStatus.OPEN, HoldStatus.APPROVED)
        for hold in await context.store.holds(context.repository.id, statuses=statuses):
            if hold.status is HoldStatus.APPROVED:
                await context.root.check()
                await self._delete(hold, run)
            if not await self._missing(hold, 0):
                await context.store.set_hold(hold.id, HoldStatus.CLOSED, lease=context.lease)


def _held(record: FileRecord, hold_id: int) -> Change:
    kind = ChangeKind.MISSING if record.state is RecordState.DELETED else None
    return Change(kind, record, record._replace(state=RecordState.MISSING, held_id=hold_id))
