"""GET /api/changes and /api/events: the journal and what goes on, by the page and as streams."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Final, TypeVar
from uuid import UUID

import anyio
import msgspec

from treeledger import wire
from treeledger.api.events import Encoded, Event, Ping, Sent
from treeledger.api.news import News, told
from treeledger.api.routing import MOST, Asked, Form, Route
from treeledger.api.service import Service
from treeledger.api.tail import Tail
from treeledger.errors import CursorExpired
from treeledger.journal import Reader, Since, check
from treeledger.model import Cursor, JournalEntry
from treeledger.wire_events import Afresh, Changes

PING_EVERY: Final = 15.0  # seconds
_AT_ONCE: Final = 100  # entries that go over the line together
T = TypeVar("T")


class ChangesAsked(Form, frozen=True, kw_only=True):
    """Of the journal: after a cursor or number, or since a time; without `since` the newest."""

    since: str | None = None
    repository: str | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=MOST)] = 100


class EventsAsked(Form, frozen=True, kw_only=True):
    """Of the events: after the id of one."""

    since: str | None = None


async def _changes(service: Service, asked: Asked) -> Changes | AsyncIterator[Sent]:
    id = None
    if asked.query.repository is not None:
        id = (await service.ledger.repository(asked.query.repository)).id
    if asked.wants_events:
        return await _changes_stream(service, asked, id)
    return await _changes_page(service, asked, id)


async def _changes_page(service: Service, asked: Asked, repository_id: UUID | None) -> Changes:
    store, limit = service.ledger.store, asked.query.limit
    head = await store.head()
    reader = Reader(store, head, repository_id, patience=0.0)
    if asked.query.since is None:
        entries, is_more = await reader.newest(limit), False
    else:
        entries = await _page(reader, _since(asked.query.since, head), limit + 1)
        entries, is_more = entries[:limit], len(entries) > limit
    names = {one.id: one for one in await service.ledger.repositories()}
    items = [wire.Change.of(one, wire.name_of(one.repository_id, names), head.epoch) for one in entries]
    return Changes(items=items, next=items[-1].cursor if is_more else None, head=str(head))


async def _page(reader: Reader, since: Since, limit: int) -> list[JournalEntry]:
    found: list[JournalEntry] = []
    async for entries in reader.pages(since, limit):
        found += entries
    return found


def _since(text: str, head: Cursor) -> Since:
    since = Since.parse(text, datetime.now(UTC))
    check(since, head)
    return since


async def _changes_stream(service: Service, asked: Asked, repository_id: UUID | None) -> AsyncIterator[Sent]:
    """Raises UsageError for a `since` that is none; an expired one is told to the reader."""
    tail = service.tail
    head = await tail.head()
    given = asked.last_event_id or asked.query.since
    try:
        since = Since(head.n, head.epoch) if given is None else Since.parse(given, datetime.now(UTC))
        begin = await tail.begin(since)
    except CursorExpired as error:
        return _afresh(head, str(error))
    return follow(tail, begin, repository_id)


async def follow(
    tail: Tail, cursor: Cursor, repository_id: UUID | None, ping_every: float = PING_EVERY
) -> AsyncGenerator[Sent, None]:
    """Every entry after the cursor, in order, without end; a ping at once, and whenever nothing was said for
    a while, however much goes on that is not of the repository."""
    tail.join()
    try:
        yield Ping(str(cursor))
        said = anyio.current_time()
        while True:
            page = await _within(ping_every, partial(tail.after, cursor)) or ()
            for begin in range(0, len(page), _AT_ONCE):
                some = page[begin : begin + _AT_ONCE]
                cursor = Cursor(cursor.epoch, some[-1].n)
                lines = b"".join(one.line for one in some if repository_id in (None, one.repository_id))
                if lines:
                    yield Encoded(lines)
                    said = anyio.current_time()
            if anyio.current_time() - said >= ping_every:
                yield Ping(str(cursor))
                said = anyio.current_time()
    except CursorExpired as error:
        yield Event("afresh", Afresh(cursor=str(await tail.head()), message=str(error)))
    finally:
        tail.leave()


async def _afresh(head: Cursor, message: str) -> AsyncIterator[Sent]:
    yield Event("afresh", Afresh(cursor=str(head), message=message))


async def _within(seconds: float, call: Callable[[], Awaitable[T]]) -> T | None:
    with anyio.move_on_after(seconds):
        return await call()
    return None


async def _events(service: Service, asked: Asked) -> AsyncIterator[Sent]:
    given = asked.last_event_id or asked.query.since
    return report(service.news, service.news.head if given is None else _cursor(given))


async def report(news: News, cursor: Cursor) -> AsyncGenerator[Sent, None]:
    """What is told after that event, without end; `afresh` wherever some of it is gone."""
    news.join()
    try:
        if news.is_known(cursor):
            yield Ping(str(cursor))
        while True:
            if not news.is_known(cursor):
                cursor = news.head
                message = "some events are gone: ask for the state of things, then go on from here"
                yield Event("afresh", Afresh(cursor=str(cursor), message=message), str(cursor))
            heard = await _within(PING_EVERY, partial(news.after, cursor))
            for one in heard or ():
                yield told(one, news.run)
                cursor = Cursor(cursor.epoch, one.n)
            if heard is None:
                yield Ping(str(cursor))
    finally:
        news.leave()


def _cursor(text: str) -> Cursor:
    """The cursor of an event's id; of nowhere if it is none."""
    run, _, n = text.rpartition(":")
    with suppress(ValueError):
        return Cursor(run, int(n[:18]))
    return Cursor("", 0)


EVENT_ROUTES: Final = (
    Route(
        "GET",
        "/api/changes",
        "The journal, from a cursor, number or time on, or its end; as events, on with what comes",
        _changes,
        answers=Changes,
        query=ChangesAsked,
        streams=True,
        tag="events",
    ),
    Route(
        "GET",
        "/api/events",
        "Operations, their progress, states and health of repositories, as they come",
        _events,
        query=EventsAsked,
        streams=True,
        tag="events",
    ),
)
