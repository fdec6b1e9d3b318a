"""What a client is told of a running engine and its ledger: every listing and every single thing, typed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any, Final, Literal, TypeVar
from urllib.parse import quote

from treeledger import wire
from treeledger.answers import (
    Duplicates,
    FileExplanation,
    HeldFile,
    PathRule,
    RecordDetails,
    RepositoryDetails,
    RepositoryRule,
    Setting,
    Status,
)
from treeledger.api.routing import Page
from treeledger.matter_answers import CorruptedFile, HeldContents
from treeledger.model import JobState
from treeledger.transport import Transport
from treeledger.wire_events import Changes, LogLevel, LogPage
from treeledger.wire_ignore import IgnorePatterns
from treeledger.wire_work import Engine

T = TypeVar("T")
_LOADED_WITHIN: Final = 10.0  # seconds: a server that was never asked before is loaded first
_WHOLE_LEDGER: Final = 300.0  # seconds for what every record is looked at for

State = Literal["present", "missing", "deleted", "ignored", "all"]
Sort = Literal["path", "size", "modified"]


class Reading:
    """The part of `treeledger.client.Client` that changes nothing.

    Every method raises EngineAway, NotFound for what there is not, UsageError for what is none, and
    StoreUnavailable while the engine's store is away. Listings are read page by page, as far as they are
    iterated.
    """

    def __init__(self, address: str, token: str | None = None) -> None:
        self.transport = Transport(address, token)

    async def engine(self) -> Engine:
        return await self.transport.ask("GET", "/api/engine", Engine, within=_LOADED_WITHIN)

    async def status(self) -> Status:
        return await self.get("/api/status", Status)

    def repositories(self) -> AsyncIterator[wire.Repository]:
        """By name."""
        return self.pages("/api/repositories", wire.Repository)

    async def repository(self, name: str) -> RepositoryDetails:
        """By name or id."""
        return await self.get(f"/api/repositories/{part(name)}", RepositoryDetails)

    def files(
        self,
        *,
        repository: str | None = None,
        prefix: str = "",
        globs: Sequence[str] = (),
        state: State = "present",
        duplicates: bool = False,
        at: str | None = None,
        text: str = "",
        sort: Sort = "path",
    ) -> AsyncIterator[wire.Record]:
        """Records by (repository, path), the largest first or the newest first. `prefix`: a literal start of
        the path; `text`: a part of it, in either case; `at`: a time."""
        return self.pages(
            "/api/files",
            wire.Record,
            repository=repository,
            prefix=prefix or None,
            text=text or None,
            glob=list(globs) or None,
            state=state,
            duplicates=_flag(duplicates),
            at=at,
            sort=sort,
        )

    def duplicates(self, repository: str | None = None) -> AsyncIterator[Duplicates]:
        """Contents that several files have, those that waste most first; of one repository those of which it
        has a file."""
        return self.pages("/api/duplicates", Duplicates, repository=repository)

    def copies(self, hash: str) -> AsyncIterator[wire.Record]:
        """The files that have this content, wherever they are."""
        return self.pages(f"/api/duplicates/{part(hash)}", wire.Record)

    async def record(self, id: int) -> RecordDetails:
        return await self.get(f"/api/files/{id}", RecordDetails)

    async def explain(self, repository: str, path: str) -> FileExplanation:
        """Why a file is, or is not, in the ledger as one expects."""
        return await self.get("/api/explain", FileExplanation, repository=repository, path=path)

    def operations(
        self, repository: str | None = None, *, bursts: bool = True
    ) -> AsyncIterator[wire.Operation]:
        """Newest first; `bursts`: the bursts of changes, too."""
        given = None if bursts else "false"
        return self.pages("/api/operations", wire.Operation, repository=repository, bursts=given)

    async def operation(self, id: int) -> wire.Operation:
        return await self.get(f"/api/operations/{id}", wire.Operation)

    def problems(self, repository: str | None = None, *, notes: bool = False) -> AsyncIterator[wire.Problem]:
        return self.pages("/api/problems", wire.Problem, repository=repository, notes=_flag(notes))

    async def corrupted(
        self,
        repository: str | None = None,
        *,
        copies: bool = False,
        after: str | None = None,
        limit: int = 100,
    ) -> Page[CorruptedFile]:
        """A page of corrupted files, by repository and path; with `copies` also where good ones are, which
        takes longer. `after`: the `next` of the page before."""
        query = {"repository": repository, "copies": _flag(copies), "after": after, "limit": limit}
        route, kind = "/api/corrupted", Page[CorruptedFile]
        return await self.transport.ask("GET", route, kind, query=query, within=_WHOLE_LEDGER)

    def attention(self) -> AsyncIterator[wire.Waiting]:
        """What waits for a person, longest first."""
        return self.pages("/api/attention", wire.Waiting)

    def deletions(self, *, all: bool = False) -> AsyncIterator[wire.HeldDeletion]:
        """Those that wait for a person; with `all` also those that are decided."""
        return self.pages("/api/deletions", wire.HeldDeletion, all=_flag(all))

    async def deletion(self, id: int) -> wire.HeldDeletion:
        return await self.get(f"/api/deletions/{id}", wire.HeldDeletion)

    def deletion_files(self, id: int) -> AsyncIterator[HeldFile]:
        """The files that a held deletion is about."""
        return self.pages(f"/api/deletions/{id}/files", HeldFile)

    async def deletion_folders(self, id: int, *, copies: bool = False, limit: int = 1000) -> HeldContents:
        """What a held deletion is about, by the folders at the top; with `copies` also how many of its files
        have the same content elsewhere, which takes longer."""
        route = f"/api/deletions/{id}/folders"
        query = {"copies": _flag(copies), "limit": limit}
        return await self.transport.ask("GET", route, HeldContents, query=query, within=_WHOLE_LEDGER)

    def queue(
        self, *, action: str | None = None, state: JobState | None = None, brief: bool = False
    ) -> AsyncIterator[wire.Job]:
        """Oldest first. `brief`: without payloads, which may be long."""
        wanted = None if state is None else state.value
        return self.pages("/api/queue", wire.Job, action=action, state=wanted, brief=_flag(brief))

    async def job(self, id: int) -> wire.Job:
        return await self.get(f"/api/queue/{id}", wire.Job)

    def schedules(self, repository: str | None = None) -> AsyncIterator[wire.Schedule]:
        return self.pages("/api/schedules", wire.Schedule, repository=repository)

    def plugins(self) -> AsyncIterator[wire.Plugin]:
        return self.pages("/api/plugins", wire.Plugin)

    def config(self, repository: str | None = None) -> AsyncIterator[Setting]:
        """Every value of the configuration with its origin; with a name, every setting of that repository."""
        return self.pages("/api/config", Setting, repository=repository)

    def ignore_rules(self, repository: str) -> AsyncIterator[RepositoryRule]:
        """In the order in which they hold: of one source the last that matches decides."""
        return self.pages("/api/ignore/rules", RepositoryRule, repository=repository)

    async def ignore_check(self, repository: str, paths: Sequence[str]) -> list[PathRule]:
        """Which rule decides about each path; one with a slash at its end is meant as a directory."""
        return await self.get("/api/ignore/check", list[PathRule], repository=repository, path=list(paths))

    async def ignore_patterns(self, repository: str | None = None) -> IgnorePatterns:
        """The patterns of a repository, without one those of all, and where they are written."""
        return await self.get("/api/ignore/patterns", IgnorePatterns, repository=repository)

    async def logs(self, *, level: LogLevel = "info", after: int | None = None, limit: int = 100) -> LogPage:
        """Records of that level at least; the last ones, or those that follow `after`."""
        return await self.get("/api/logs", LogPage, level=level, after=after, limit=limit)

    async def journal(
        self, *, since: str | None = None, repository: str | None = None, limit: int = 100
    ) -> Changes:
        """A page of the journal; without `since` its newest entries. Raises CursorExpired."""
        return await self.get("/api/changes", Changes, since=since, repository=repository, limit=limit)

    async def get(self, route: str, kind: type[T], **query: Any) -> T:
        """What any route answers to GET, as `kind`."""
        return await self.transport.ask("GET", route, kind, query=query)

    async def pages(self, route: str, kind: type[T], **query: Any) -> AsyncIterator[T]:
        """Every item of a listing, page by page."""
        after: str | None = None
        while True:
            page: Page[T] = await self.get(route, Page[kind], after=after, **query)  # type: ignore[valid-type]
            for item in page.items:
                yield item
            if (after := page.next) is None:
                return


def part(name: str) -> str:
    """A name as a part of a path. What is no text is said to be none by who is asked."""
    return quote(name, safe="", errors="surrogatepass")


def _flag(value: bool) -> str | None:
    return "true" if value else None
