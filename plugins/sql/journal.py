"""Reading the journal, and letting its oldest entries go."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import anyio

from treeledger.errors import CursorExpired
from treeledger.model import Cursor, JournalEntry
from treeledger.plugins.sql.values import entry_from
from treeledger.plugins.sql.work import Part, Row, Work, ask, run


class Journal(Part):
    async def head(self) -> Cursor:
        return await self.session.read(head())

    async def changes(
        self,
        after: int,
        *,
        limit: int,
        repository_id: UUID | None = None,
        record_id: int | None = None,
        since: datetime | None = None,
        newest: bool = False,
    ) -> list[JournalEntry]:
        wanted: dict[str, Any] = {
            "after": after,
            "limit": limit,
            "repository_id": None if repository_id is None else str(repository_id),
            "record_id": record_id,
            "since": since,
        }
        return await self.session.read(_changes(wanted, newest))

    async def wait(self, after: int, seconds: float) -> None:
        with anyio.move_on_after(seconds):
            while True:
                announcement, written = self.session.announcement(), self.session.written()
                if (await self.head()).n > after:
                    return
                is_news = False
                while not is_news:
                    with anyio.move_on_after(self.session.poll):
                        await announcement.wait()
                    is_news = announcement.is_set() or self.session.written() != written

    async def trim_journal(self, older_than: timedelta, *, keep_after: int, limit: int) -> int:
        return await self.session.write(_trim(older_than, keep_after, limit))


def head() -> Work[Cursor]:
    [(epoch, n, _)] = yield from ask("head")
    return Cursor(epoch, n)


def _changes(wanted: dict[str, Any], newest: bool) -> Work[list[JournalEntry]]:
    """The head is read after the page, so that what was trimmed between the two is noticed."""
    rows: Sequence[Row] = yield from ask("newest_entries" if newest else "entries", **wanted)
    [(_, last, oldest)] = yield from ask("head")
    after: int = wanted["after"]
    if after > last:
        raise CursorExpired(f"the journal ends at {last}, before {after}: start afresh from its head")
    if after < oldest - 1 and not newest and wanted["since"] is None:
        raise CursorExpired(
            f"the journal begins at {oldest}; what followed {after} is no longer kept: "
            "list the records and go on from the head"
        )
    return [entry_from(row) for row in (reversed(rows) if newest else rows)]


def _trim(older_than: timedelta, keep_after: int, limit: int) -> Work[int]:
    [(_, last, before)] = yield from ask("head")
    rows = yield from ask("old_entries", age=older_than, before=min(keep_after, last) + 1, limit=limit)
    oldest = rows[0][0]
    if oldest is None:
        return 0
    yield from run("keep_entries", oldest=oldest)
    yield from run("drop_entries", oldest=oldest)
    gone: int = oldest - before
    return gone
