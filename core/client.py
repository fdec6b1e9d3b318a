"""A client of a running engine: everything that its API tells and does, typed.

    async with Client("unix:/run/user/1000/treeledger/api.sock") as client:
        async for change in client.changes():
            print(change.kind, change.path)

Errors are those of `treeledger.errors`; `EngineAway` if the engine does not answer.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, NamedTuple, Self, TypeVar
from urllib.parse import quote

import anyio
import msgspec

from treeledger import wire
from treeledger.api.routing import Page
from treeledger.engine.patience import delays
from treeledger.errors import CursorExpired, StoreUnavailable, TreeledgerError
from treeledger.protocols import Store
from treeledger.transport import EngineAway, Received, Transport
from treeledger.wire_events import FORMS, Afresh, Changes
from treeledger.wire_work import Engine

__all__ = ["Client", "EngineAway", "Happened"]
T = TypeVar("T")
_LONGEST: Final = 5.0  # seconds between two tries
_ANSWERS_WITHIN: Final = 10.0  # seconds: a server that was never asked before is loaded first


class Happened(NamedTuple):
    """One event of `Client.events`: its name, and its data as `treeledger.wire_events.FORMS` says."""

    name: str
    data: msgspec.Struct


class Client:
    """Talks to the engine at `address`, `unix:PATH` or a URL. To be entered, or closed with `aclose`."""

    def __init__(self, address: str, token: str | None = None) -> None:
        self.transport = Transport(address, token)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        await self.transport.aclose()

    @classmethod
    @asynccontextmanager
    async def to_engine_of(cls, store: Store, host: str) -> AsyncIterator[Self | None]:
        """A client of the engine that has a ledger on this host; None if none does, or none answers."""
        holder = await store.engine_holder(host)
        if holder is None or not holder.address:
            yield None
            return
        async with cls(holder.address) as client:
            yield client if await client._is_of(holder.owner) else None

    async def _is_of(self, owner: str) -> bool:
        """Whether the engine there is the one that is meant, and not another that has its address now."""
        try:
            return (await self.engine()).owner == owner
        except TreeledgerError:
            return False

    # what there is

    async def engine(self) -> Engine:
        return await self.transport.ask("GET", "/api/engine", Engine, within=_ANSWERS_WITHIN)

    async def status(self) -> dict[str, Any]:
        return await self.get("/api/status", dict[str, Any])

    def repositories(self) -> AsyncIterator[wire.Repository]:
        return self.pages("/api/repositories", wire.Repository)

    async def repository(self, name: str) -> wire.Repository:
        return await self.get(f"/api/repositories/{_part(name)}", wire.Repository)

    def files(
        self,
        *,
        repository: str | None = None,
        prefix: str = "",
        globs: Sequence[str] = (),
        state: str = "present",
        duplicates: bool = False,
        at: str | None = None,
    ) -> AsyncIterator[wire.Record]:
        """Records in the order of (repository, path)."""
        return self.pages(
            "/api/files",
            wire.Record,
            repository=repository,
            prefix=prefix or None,
            glob=list(globs) or None,
            state=state,
            duplicates=_flag(duplicates),
            at=at,
        )

    def operations(self, repository: str | None = None) -> AsyncIterator[wire.Operation]:
        return self.pages("/api/operations", wire.Operation, repository=repository)

    def problems(self, repository: str | None = None, *, notes: bool = False) -> AsyncIterator[wire.Problem]:
        return self.pages("/api/problems", wire.Problem, repository=repository, notes=_flag(notes))

    def attention(self) -> AsyncIterator[wire.Waiting]:
        return self.pages("/api/attention", wire.Waiting)

    def deletions(self, *, all: bool = False) -> AsyncIterator[wire.HeldDeletion]:
        return self.pages("/api/deletions", wire.HeldDeletion, all=_flag(all))

    def queue(self, *, action: str | None = None, state: str | None = None) -> AsyncIterator[wire.Job]:
        return self.pages("/api/queue", wire.Job, action=action, state=state)

    def schedules(self, repository: str | None = None) -> AsyncIterator[wire.Schedule]:
        return self.pages("/api/schedules", wire.Schedule, repository=repository)

    def plugins(self) -> AsyncIterator[wire.Plugin]:
        return self.pages("/api/plugins", wire.Plugin)

    async def explain(self, repository: str, path: str) -> dict[str, Any]:
        return await self.get("/api/explain", dict[str, Any], repository=repository, path=path)

    async def ignore_check(self, repository: str, paths: Sequence[str]) -> object:
        return await self.get("/api/ignore/check", object, repository=repository, path=list(paths))

    async def logs(self, **query: Any) -> dict[str, Any]:
        return await self.get("/api/logs", dict[str, Any], **query)

    async def journal(
        self, *, since: str | None = None, repository: str | None = None, limit: int = 100
    ) -> Changes:
        """A page of the journal; without `since` its newest entries. Raises CursorExpired."""
        return await self.get("/api/changes", Changes, since=since, repository=repository, limit=limit)

    async def get(self, route: str, kind: type[T], **query: Any) -> T:
        """What any route answers to GET, as `kind`."""
        return await self.transport.ask("GET", route, kind, query=query)

    async def post(self, route: str, kind: type[T], body: Any, *, within: float | None = None) -> T:
        """What any route answers to POST, as `kind`; however long it takes."""
        return await self.transport.ask("POST", route, kind, body=body, within=within)

    async def pages(self, route: str, kind: type[T], **query: Any) -> AsyncIterator[T]:
        """Every item of a listing, page by page."""
        after: str | None = None
        while True:
            page: Page[T] = await self.get(route, Page[kind], after=after, **query)  # type: ignore[valid-type]
            for item in page.items:
                yield item
            if (after := page.next) is None:
                return

    # what is decided

    async def decide(self, deletion: int, *, approve: bool) -> wire.HeldDeletion:
        word = "approve" if approve else "reject"
        path = f"/api/deletions/{deletion}/{word}"
        return await self.transport.ask("POST", path, wire.HeldDeletion, body={})

    async def pause(self, repository: str, *, paused: bool) -> wire.Repository:
        path, body = f"/api/repositories/{_part(repository)}", {"paused": paused}
        return await self.transport.ask("PATCH", path, wire.Repository, body=body)

    # what comes

    async def changes(
        self, since: str | None = None, *, repository: str | None = None
    ) -> AsyncGenerator[wire.Change, None]:
        """Every entry of the journal after `since` (a cursor, number or time; None: now), without end.

        Each once and in order, however often the line breaks. Raises CursorExpired if that cannot be: list
        the files, then begin again.
        """
        async for one in self._followed("/api/changes", since, repository=repository):
            match one.name:
                case "change":
                    yield msgspec.json.decode(one.data, type=wire.Change)
                case "afresh":
                    told = msgspec.json.decode(one.data, type=Afresh)
                    raise CursorExpired(told.message)

    async def events(self, since: str | None = None) -> AsyncGenerator[Happened, None]:
        """What goes on in the engine, without end. After `connected`, which comes each time that it is, and
        after `afresh` some events may be missing: ask for the state of things."""
        async for one in self._followed("/api/events", since):
            kind = FORMS.get(one.name)
            if kind is not None:
                yield Happened(one.name, msgspec.json.decode(one.data, type=kind))

    async def _followed(self, path: str, since: str | None, **query: Any) -> AsyncIterator[Received]:
        """A stream's events; connects again and goes on behind the last one whenever the line breaks."""
        last: str | None = None
        waits = delays(longest=_LONGEST)
        while True:
            if last is None:
                query["since"] = since
            try:
                async with self.transport.stream("GET", path, query=query, last_event_id=last) as events:
                    yield Received("connected", b"{}", "")
                    async for one in events:
                        last = one.id or last
                        waits = delays(longest=_LONGEST)
                        if one.name:
                            yield one
            except (EngineAway, StoreUnavailable):
                pass  # tried again
            await anyio.sleep(next(waits))


def _part(name: str) -> str:
    return quote(name, safe="")


def _flag(value: bool) -> str | None:
    return "true" if value else None
