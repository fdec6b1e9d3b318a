"""What the page of files asks the engine for: pages of records, and all about one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from treeledger import wire
from treeledger.answers import Duplicates, FileExplanation
from treeledger.api.routing import Page
from treeledger.client import Client
from treeledger.client_reading import part
from treeledger.tui.book import Gap
from treeledger.tui.file_details import MOST_COPIES, Detail
from treeledger.tui.file_texts import Wanted

_FIRST: Final = 100  # rows of the first page: more than are seen, and soon there
_AT_ONCE: Final = 500  # rows of the others

Row = wire.Record | Duplicates


async def page_of(client: Client, wanted: Wanted, gap: Gap) -> Page[Any]:
    """The rows of a page that is to be read. Raises as the client."""
    rows = gap.rows or (_AT_ONCE if gap.number or wanted.is_costly else _FIRST)
    kind: type[Page[Any]] = Page[Duplicates] if wanted.duplicates else Page[wire.Record]
    route = "/api/duplicates" if wanted.duplicates else "/api/files"
    return await client.get(route, kind, after=gap.after, limit=rows, **wanted.query())


async def head_of(client: Client) -> int:
    """The number of the last change: what is asked for after this has it. Raises as the client."""
    return int((await client.journal(limit=1)).head.rpartition(":")[2])


async def told_of(client: Client, row: Row) -> Detail:
    """All about a file; of a content that several files have, all of these, too. Raises as the client."""
    facts = await client.explain(row.repository, row.path)
    return Detail(facts, await copies_of(client, facts) if isinstance(row, Duplicates) else None)


async def copies_of(client: Client, facts: FileExplanation) -> list[wire.Record]:
    """The files with the content of this one, itself among them, and no more of them than anybody reads."""
    if facts.record is None or facts.record.hash is None:
        return []
    kind: type[Page[wire.Record]] = Page[wire.Record]
    page = await client.get(f"/api/duplicates/{part(facts.record.hash)}", kind, limit=MOST_COPIES + 1)
    return page.items


def place_of(row: Row | None, rows: Sequence[Row], otherwise: int) -> int:
    """Where the same file is among others."""
    if row is None:
        return otherwise
    key = row.repository, row.path
    return next((place for place, one in enumerate(rows) if (one.repository, one.path) == key), otherwise)
