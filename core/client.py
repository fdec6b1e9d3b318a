"""A client of a running engine: everything that its API tells and does, typed.

    async with Client("unix:/run/user/1000/treeledger/api.sock") as client:
        async for change in client.changes():
            print(change.kind, change.path)

Errors are those of `treeledger.errors`; `EngineAway` if the engine does not answer.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from types import NoneType
from typing import Any, Final, NamedTuple, Self, TypeVar

import anyio
import msgspec

from treeledger import wire
from treeledger.answers import AcceptedFile, JobsHandled, Paused, RepositoryDetails, Triggered
from treeledger.client_reading import Reading, part
from treeledger.engine.patience import delays
from treeledger.errors import CursorExpired, EngineAway, StoreUnavailable, TreeledgerError
from treeledger.model import Holder
from treeledger.transport import Body, Received
from treeledger.wire_asked import (
    Acceptance,
    Jobs,
    JobsPriority,
    Kind,
    Limits,
    NewRepository,
    PluginChange,
    Relocation,
    RepositoryChange,
    Trigger,
    Which,
)
from treeledger.wire_events import FORMS, Afresh
from treeledger.wire_ignore import IgnorePatterns, IgnorePreview, Of, PatternsChange, PatternsTrial

T = TypeVar("T")
_LONGEST: Final = 5.0  # seconds between two tries


class Happened(NamedTuple):
    """One event of `Client.events`: its name, and its data as `treeledger.wire_events.FORMS` says."""

    name: str
    data: msgspec.Struct


class Client(Reading):
    """Talks to the engine at `address`, `unix:PATH` or a URL. To be entered, or closed with `aclose`."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        await self.transport.aclose()

    @classmethod
    @asynccontextmanager
    async def to_engine_of(cls, holder: Holder) -> AsyncIterator[Self | None]:
        """A client of the engine that has a ledger; None if it does not answer."""
        async with cls(holder.address) as client:
            yield client if await client._is_of(holder.owner) else None

    async def _is_of(self, owner: str) -> bool:
        """Whether the engine there is the one that is meant, and not another that has its address now."""
        try:
            return (await self.engine()).owner == owner
        except TreeledgerError:
            return False

    # repositories

    async def add_repository(
        self, root: str, *, name: str | None = None, settings: Mapping[str, Any] | None = None
    ) -> RepositoryDetails:
        """Takes a directory tree under care. `root`: an absolute path in stored form."""
        body = NewRepository(root=root, name=name, settings=dict(settings or {}))
        return await self.post("/api/repositories", RepositoryDetails, body)

    async def change_repository(
        self, name: str, *, paused: bool | None = None, settings: Mapping[str, Any] | None = None
    ) -> RepositoryDetails:
        """Changes what is given. `settings` take the place of all that the repository has of its own."""
        body = RepositoryChange(paused=paused, settings=None if settings is None else dict(settings))
        path = f"/api/repositories/{part(name)}"
        return await self.transport.ask("PATCH", path, RepositoryDetails, body=body)

    async def remove_repository(self, name: str, *, purge: bool = False) -> None:
        """Ends the care for a repository; with `purge` its records go, too."""
        query = {"purge": "true"} if purge else {}
        await self.transport.ask("DELETE", f"/api/repositories/{part(name)}", NoneType, query=query)

    async def relocate_repository(self, name: str, root: str) -> RepositoryDetails:
        """Says that its files are in another directory now, however long the look there takes."""
        path = f"/api/repositories/{part(name)}/relocate"
        return await self.post(path, RepositoryDetails, Relocation(root=root), within=None)

    # work

    async def trigger(
        self,
        kind: Kind = "full",
        *,
        repository: str | None = None,
        paths: Sequence[str] = (),
        rehash: bool = False,
        limits: Limits | None = None,
        wait: bool = False,
    ) -> Triggered:
        """Has the engine scan or scrub; see `treeledger.wire_asked.Trigger`."""
        body = Trigger(
            kind=kind, repository=repository, paths=tuple(paths), rehash=rehash, limits=limits, wait=wait
        )
        return await self.post("/api/sync/trigger", Triggered, body, within=None)

    async def pause(self, repository: str | None = None) -> Paused:
        """Stops watching a repository, or all of its host."""
        return await self.post("/api/sync/pause", Paused, Which(repository=repository))

    async def resume(self, repository: str | None = None) -> Paused:
        return await self.post("/api/sync/resume", Paused, Which(repository=repository))

    async def reload(self) -> None:
        """Has plugins.toml read again. Raises ConfigurationError if it is refused."""
        await self.post("/api/config/reload", NoneType, None)

    async def retry_jobs(self, ids: Sequence[int] = ()) -> JobsHandled:
        """Has dead jobs tried again now: some, or all."""
        return await self.post("/api/queue/retry", JobsHandled, Jobs(ids=tuple(ids)))

    async def clear_jobs(self, ids: Sequence[int] = ()) -> JobsHandled:
        """Drops jobs: some, or all that are dead."""
        return await self.post("/api/queue/clear", JobsHandled, Jobs(ids=tuple(ids)))

    async def prioritize_jobs(self, ids: Sequence[int], priority: int) -> JobsHandled:
        return await self.post(
            "/api/queue/priority", JobsHandled, JobsPriority(ids=tuple(ids), priority=priority)
        )

    # ignore patterns

    async def change_ignore_patterns(
        self, patterns: Sequence[str], *, before: Sequence[str], repository: str | None = None
    ) -> IgnorePatterns:
        """Writes the patterns of a repository, or of all, in the place of those that were read before.

        Raises UsageError, having written nothing, for a pattern that cannot be used, and if others are
        there by now.
        """
        body = PatternsChange(repository=repository, before=tuple(before), patterns=tuple(patterns))
        return await self.transport.ask("PUT", "/api/ignore/patterns", IgnorePatterns, body=body)

    async def preview_ignore(
        self, repository: str, patterns: Sequence[str], *, of: Of = "repository", after: str | None = None
    ) -> IgnorePreview:
        """A portion of what would change in a repository if it, or `[defaults]`, had these patterns; `after`
        is the `next` of the portion before."""
        body = PatternsTrial(repository=repository, of=of, patterns=tuple(patterns), after=after)
        return await self.post("/api/ignore/preview", IgnorePreview, body)

    # plugins

    async def switch_plugin(self, name: str, *, on: bool) -> wire.Plugin:
        """Has plugins.toml switch a plugin on or off, from the next start of the engine on.

        Raises UsageError, having written nothing, for one that the engine needs.
        """
        path = f"/api/plugins/{part(name)}"
        return await self.transport.ask("PATCH", path, wire.Plugin, body=PluginChange(enabled=on))

    # a person's word

    async def approve(self, deletion: int) -> wire.HeldDeletion:
        """The files are really gone: their records are deleted within seconds."""
        return await self.post(f"/api/deletions/{deletion}/approve", wire.HeldDeletion, None)

    async def reject(self, deletion: int) -> wire.HeldDeletion:
        """The records stay missing."""
        return await self.post(f"/api/deletions/{deletion}/reject", wire.HeldDeletion, None)

    async def accept(self, repository: str, paths: Sequence[str]) -> list[AcceptedFile]:
        """What these corrupted files hold now is right; they are read once more, however long that takes."""
        body = Acceptance(repository=repository, paths=tuple(paths))
        return await self.post("/api/scrub/accept", list[AcceptedFile], body, within=None)

    async def post(self, route: str, kind: type[T], body: Body | None, *, within: float | None = 30.0) -> T:
        """What any route answers to POST, as `kind`, within some seconds, None: however long it takes."""
        return await self.transport.ask("POST", route, kind, body=body, within=within)

    # what comes

    async def changes(
        self, since: str | None = None, *, repository: str | None = None, lasting: bool = True
    ) -> AsyncGenerator[wire.Change, None]:
        """Every entry of the journal after `since` (a cursor, number or time; None: now), without end.

        Each once and in order, however often the line breaks; if it is not `lasting`, EngineAway or
        StoreUnavailable is raised then. Raises CursorExpired if it cannot be gone on: list the files, then
        begin again.
        """
        followed = self._followed("/api/changes", since, lasting, repository=repository)
        async with aclosing(followed) as events:
            async for one in events:
                match one.name:
                    case "change":
                        yield self.transport.decoded(one.data, wire.Change)
                    case "afresh":
                        raise CursorExpired(self.transport.decoded(one.data, Afresh).message)

    async def events(
        self, since: str | None = None, *, lasting: bool = True
    ) -> AsyncGenerator[Happened, None]:
        """What goes on in the engine, without end, `lasting` as for `changes`. After `connected`, which comes
        each time that it is, and after `afresh` some events may be missing: ask for the state of things."""
        async with aclosing(self._followed("/api/events", since, lasting)) as events:
            async for one in events:
                if one.name in FORMS:
                    yield Happened(one.name, self.transport.decoded(one.data, FORMS[one.name]))

    async def _followed(
        self, path: str, since: str | None, lasting: bool, **query: Any
    ) -> AsyncGenerator[Received, None]:
        """A stream's events; a lasting one connects again whenever the line breaks, and goes on there."""
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
                if not lasting:
                    raise
            if not lasting:
                raise EngineAway(f"the engine at {self.transport.address} ended. What it did is on record")
            await anyio.sleep(next(waits))
