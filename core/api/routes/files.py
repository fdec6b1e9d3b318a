"""The records of files, page by page, and why one is as it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from itertools import groupby
from typing import Annotated, Final, Literal, NamedTuple
from uuid import UUID

import msgspec

from treeledger import wire
from treeledger.answers import FileExplanation, RecordDetails
from treeledger.api.routes.common import by_id, id_in, inside, wanted_id
from treeledger.api.routes.paging import Number, Text, cursor, place
from treeledger.api.routing import Asked, Form, Page, Paged, Route
from treeledger.api.service import Service
from treeledger.errors import NotFound, UsageError
from treeledger.explaining import explain
from treeledger.globs import compile_globs
from treeledger.model import FileRecord, RecordState
from treeledger.protocols import FileOrder, FileQuery, Store
from treeledger.searching import containing
from treeledger.units import parse_since

_EXAMINED: Final = 20_000  # records that a request looks at, however few of them match
_CHUNK: Final = 1000  # of them at a time
_MOST_GLOBS: Final = 100
_LONGEST: Final = 1000  # characters of a part that is looked for

State = Literal["present", "missing", "deleted", "ignored", "all"]


class FilesQuery(Paged, frozen=True, kw_only=True):
    """`prefix` is a literal start of the path, `text` a part of it in either case, `glob` as
    `treeledger files` takes it; `at` a time."""

    repository: str | None = None
    prefix: str = ""
    text: Annotated[Text, msgspec.Meta(max_length=_LONGEST)] = ""
    glob: Annotated[tuple[str, ...], msgspec.Meta(max_length=_MOST_GLOBS)] = ()
    state: State = "present"
    duplicates: bool = False
    at: str | None = None
    sort: Literal["path", "size", "modified"] = "path"


class ExplainQuery(Form, frozen=True, kw_only=True):
    """`path`: relative to the root of the repository."""

    repository: str
    path: str


class _Found(NamedTuple):
    """Some records, and where to go on after them; None at the end."""

    records: list[FileRecord]
    place: tuple[object, ...] | None


class _Match(NamedTuple):
    """What the store looks for, and what decides among that; None where everything of it is wanted."""

    prefix: str
    parts: tuple[str, ...]
    decides: Callable[[str], bool] | None

    @classmethod
    def of(cls, query: FilesQuery) -> _Match | None:
        """None if no path begins both as the globs and as the prefix do."""
        globs, search = compile_globs(query.glob), containing(query.text)
        prefix = max(globs.prefix, query.prefix, key=len)
        if not (prefix.startswith(globs.prefix) and prefix.startswith(query.prefix)):
            return None
        if query.glob:
            return cls(
                prefix, search.parts or globs.parts, lambda path: globs.matches(path) and search.matches(path)
            )
        return cls(prefix, search.parts, None if search.is_exact else search.matches)


async def listed(service: Service, asked: Asked) -> Page[wire.Record]:
    """A request looks at a bounded number of records: a page may have few items, or none, and a `next`."""
    query: FilesQuery = asked.query
    match = _Match.of(query)
    if match is None:
        return Page(items=[])
    wanted = await _wanted(service, query, match)
    read = _found if wanted.order is FileOrder.PATH else _sorted
    found = await read(service.ledger.store, wanted, match.decides or (lambda path: True), query.limit)
    names = await by_id(service)
    return Page(
        items=[wire.Record.of(one, wire.name_of(one.repository_id, names)) for one in found.records],
        next=None if found.place is None else cursor(found.place),
    )


async def _wanted(service: Service, query: FilesQuery, match: _Match) -> FileQuery:
    """What is asked of the store."""
    if query.duplicates and (query.at or query.state != "present"):
        raise UsageError("duplicates is about files that are there now: without at and state")
    if query.sort != "path" and query.at:
        raise UsageError("sort: what was at another time is listed by path")
    repository_id = await wanted_id(service, query.repository)
    order = FileOrder(query.sort)
    is_whole = query.at is not None or query.duplicates or order is not FileOrder.PATH
    filtered = _EXAMINED if is_whole else _CHUNK  # each page takes the store as long as all of them
    wanted = FileQuery(
        repository_id=repository_id,
        prefix=match.prefix,
        parts=match.parts,
        states=tuple(RecordState) if query.state == "all" else (RecordState(query.state),),
        duplicates=query.duplicates,
        at=_moment(query.at),
        order=order,
        limit=query.limit + 1 if match.decides is None else filtered,
    )
    if order is not FileOrder.PATH:
        return replace(wanted, beyond=_beyond(query))
    after = place(query, tuple[UUID, Text])
    if after is not None and repository_id not in (None, after[0]):
        raise UsageError("after: this is the `next` of another repository's files")
    return replace(wanted, after=after)


def _beyond(query: FilesQuery) -> tuple[int, int] | None:
    """The place of a page in an order of numbers."""
    after = place(query, tuple[str, Number, Number])
    if after is None:
        return None
    order, value, id = after
    if order != query.sort:
        raise UsageError("after: this is the `next` of files in another order")
    return value, id


def _moment(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        return parse_since(text, datetime.now(UTC))
    except (ValueError, OverflowError) as error:
        raise UsageError(f"at: {error}") from None


async def _found(store: Store, query: FileQuery, matches: Callable[[str], bool], limit: int) -> _Found:
    """The next `limit` records that match, with all that have the path of the last one."""
    records: list[FileRecord] = []
    after, examined = query.after, 0
    while examined < _EXAMINED:
        page = await store.files(replace(query, after=after))
        for path, group in groupby(page, key=lambda record: (record.repository_id, record.path)):
            if len(records) >= limit:
                return _Found(records, after)
            if matches(path[1]):
                records += group
            after = path
        if len(page) < query.limit:
            return _Found(records, None)
        examined += len(page)
    return _Found(records, after)


async def _sorted(store: Store, query: FileQuery, matches: Callable[[str], bool], limit: int) -> _Found:
    """As `_found`, of one look of the store at all records: another would take as long."""
    page = await store.files(query)
    records: list[FileRecord] = []
    for record in page:
        if len(records) == limit:
            return _Found(records, _sorted_place(query.order, records[-1]))
        if matches(record.path):
            records.append(record)
    return _Found(records, _sorted_place(query.order, page[-1]) if len(page) == query.limit else None)


def _sorted_place(order: FileOrder, record: FileRecord) -> tuple[object, ...]:
    value = record.stat.size if order is FileOrder.SIZE else record.stat.mtime_ns
    return order.value, value, record.id


async def one(service: Service, asked: Asked) -> RecordDetails:
    id = id_in(asked)
    record = await service.ledger.store.record(id)
    if record is None:
        raise NotFound(f"there is no record {id}")
    return RecordDetails.of(record, wire.name_of(record.repository_id, await by_id(service)))


async def explained(service: Service, asked: Asked) -> FileExplanation:
    repository = await service.ledger.repository(asked.query.repository)
    return FileExplanation.of(await explain(service.ledger, repository, inside(asked.query.path)))


ROUTES = (
    Route(
        "GET",
        "/api/files",
        "The records of files, by repository and path",
        listed,
        Page[wire.Record],
        query=FilesQuery,
        tag="files",
    ),
    Route("GET", "/api/files/{id:int}", "One record", one, RecordDetails, tag="files"),
    Route(
        "GET",
        "/api/explain",
        "Why a file is, or is not, in the ledger as one expects",
        explained,
        FileExplanation,
        query=ExplainQuery,
        tag="files",
    ),
)
