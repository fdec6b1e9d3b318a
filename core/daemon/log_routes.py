"""`GET /api/logs`: what the engine logged last."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec

from treeledger.api.routing import MOST, Asked, Form, Route
from treeledger.api.service import Service
from treeledger.daemon.logs import KEPT, Kept, Ring
from treeledger.names import stored_from_os
from treeledger.wire_events import LogLevel, LogPage, LogRecord


class LogQuery(Form, frozen=True, kw_only=True):
    """Which records: of at least a level; those that follow `after`, the `n` of a record, else the last."""

    level: LogLevel = "info"
    after: Annotated[int, msgspec.Meta(ge=0)] | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=MOST)] = 100


async def logs(service: Service, asked: Asked) -> LogPage:
    """The last records that are in memory; none, where the program keeps no log."""
    query: LogQuery = asked.query
    ring = Ring.of_this_process()
    if ring is None:
        return LogPage(items=[], next=query.after or 0, kept=0, file=None)
    found = ring.page(least=query.level, after=query.after, limit=query.limit)
    return LogPage(
        items=[_record(one) for one in found],
        next=found[-1].n if found else query.after or 0,
        kept=KEPT,
        file=None if ring.file is None else stored_from_os(str(ring.file)),
    )


def _record(kept: Kept) -> LogRecord:
    line = kept.line
    return LogRecord(
        n=kept.n,
        ts=line.ts,
        level=line.level,
        logger=line.logger,
        message=line.message,
        repository=line.repository,
        exception=line.exception,
    )


LOG_ROUTES: Final = (
    Route("GET", "/api/logs", "what was logged last", logs, answers=LogPage, query=LogQuery, tag="engine"),
)
