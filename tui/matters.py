"""What waits for a person, in full: values put together from what an engine tells of it, page by page."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass
from typing import Final

from treeledger import wire
from treeledger.answers import HeldFile
from treeledger.api.routing import Page
from treeledger.client import Client
from treeledger.errors import TreeledgerError
from treeledger.matter_answers import CorruptedFile, HeldContents
from treeledger.model import JobState
from treeledger.units import parse_duration, show_duration
from treeledger.waiting import WaitingKind

_MOST_FOLDERS: Final = 10_000
_PORTION: Final = 1000  # paths or jobs that an engine takes at a time
_PAGE: Final = 100


@dataclass(frozen=True, slots=True)
class HeldMatter:
    """A held deletion, and what it is about. `kept`: how long deleted records are, "" for ever or unknown."""

    hold: wire.HeldDeletion
    contents: HeldContents
    kept: str = ""


@dataclass(frozen=True, slots=True)
class CorruptedMatter:
    """The first corrupted files of a repository; `next` asks for those that follow, None: these are all."""

    files: tuple[CorruptedFile, ...]
    next: str | None


@dataclass(frozen=True, slots=True)
class DeadMatter:
    """The first dead jobs of an action; `next` as in `CorruptedMatter`."""

    jobs: tuple[wire.Job, ...]
    next: str | None


Matter = HeldMatter | CorruptedMatter | DeadMatter


def subject(one: wire.Waiting) -> str:
    """The repository that it is about, else the action."""
    return one.repository or one.key.partition(":")[2].removeprefix("journal:")


async def learnt(client: Client, one: wire.Waiting, before: Matter | None) -> AsyncGenerator[Matter, None]:
    """What is to be said of it; first what is known at once, unless something was said `before`."""
    match one.kind:
        case WaitingKind.HELD:
            id = int(one.key.partition(":")[2])
            hold, kept = await client.deletion(id), await _kept(client, subject(one))
            if before is None:
                yield HeldMatter(hold, await client.deletion_folders(id, limit=_MOST_FOLDERS), kept)
            counted = await client.deletion_folders(id, copies=True, limit=_MOST_FOLDERS)
            yield HeldMatter(hold, counted, kept)
        case WaitingKind.CORRUPTED:
            limit = _as_many(before.files if isinstance(before, CorruptedMatter) else ())
            for copies in (False, True):
                if copies or before is None:
                    found = await client.corrupted(one.repository, copies=copies, limit=limit)
                    yield CorruptedMatter(tuple(found.items), found.next)
        case WaitingKind.DEAD_JOB:
            limit = _as_many(before.jobs if isinstance(before, DeadMatter) else ())
            jobs = await _dead_jobs(client, subject(one), None, limit)
            yield DeadMatter(tuple(jobs.items), jobs.next)


async def with_more(client: Client, one: wire.Waiting, matter: Matter) -> Matter:
    """The same with the page that follows."""
    match matter:
        case CorruptedMatter(files, str() as after):
            found = await client.corrupted(one.repository, copies=True, after=after, limit=_PAGE)
            return CorruptedMatter((*files, *found.items), found.next)
        case DeadMatter(jobs, str() as after):
            page = await _dead_jobs(client, subject(one), after)
            return DeadMatter((*jobs, *page.items), page.next)
        case _:
            return matter


def _as_many(rows: Sequence[object]) -> int:
    """As were read before, so that who scrolled stays where he is; a page at least."""
    return max(_PAGE, min(len(rows), _PORTION))


async def _kept(client: Client, repository: str) -> str:
    async for setting in client.config(repository):
        if setting.key == "retention" and setting.value != "none":
            return show_duration(parse_duration(setting.value.strip('"')))
    return ""


async def _dead_jobs(
    client: Client, action: str | None, after: str | None, limit: int = _PAGE
) -> Page[wire.Job]:
    state = JobState.DEAD.value
    return await client.get(
        "/api/queue", Page[wire.Job], action=action, state=state, brief="true", after=after, limit=limit
    )


# what a person asks for


async def accept_all(client: Client, repository: str) -> None:
    """What the corrupted files of a repository hold now is right: those there are as it begins."""
    after: str | None = None
    while True:
        page = await client.corrupted(repository, after=after, limit=_PORTION)
        if page.items:
            await client.accept(repository, [one.path for one in page.items])
        if (after := page.next) is None:
            return


def _nobody() -> None:
    pass


async def retry_all(client: Client, action: str | None, told: Callable[[], None] = _nobody) -> None:
    """Has every dead job of an action, or of all, tried again; calls `told` as it goes on."""
    async for ids in _dead_ids(client, action):
        await client.retry_jobs(ids)
        told()


async def clear_all(client: Client, action: str | None, told: Callable[[], None] = _nobody) -> None:
    """Drops every dead job of an action, or of all; calls `told` as it goes on."""
    async for ids in _dead_ids(client, action):
        await client.clear_jobs(ids)
        told()


async def _dead_ids(client: Client, action: str | None) -> AsyncGenerator[list[int], None]:
    """In portions, each read before the one before it is handled: what dies again meanwhile stays dead."""
    page = await _dead_jobs(client, action, None, _PORTION)
    while page.items:
        more = None if page.next is None else await _dead_jobs(client, action, page.next, _PORTION)
        yield [job.id for job in page.items]
        if more is None:
            return
        page = more


async def paths_of(client: Client, one: wire.Waiting, most: int) -> list[str]:
    """The first paths that it is about; "" is the root of its repository."""
    match one.kind:
        case WaitingKind.HELD:
            return await _held_paths(client, int(one.key.partition(":")[2]), most)
        case WaitingKind.CORRUPTED:
            found = await client.corrupted(one.repository, limit=most)
            return [file.path for file in found.items]
        case _:
            return [""] if one.repository else []


async def _held_paths(client: Client, id: int, most: int) -> list[str]:
    """The first paths of a held deletion."""
    paths: list[str] = []
    async for file in client.pages(f"/api/deletions/{id}/files", HeldFile, limit=_PORTION):
        paths.append(file.path)
        if len(paths) == most:
            break
    return paths


async def look_again(client: Client, repository: str) -> None:
    """Scans a repository that was offline. Raises TreeledgerError where it still is."""
    triggered = await client.trigger("full", repository=repository, wait=True)
    for message in triggered.failed.values():
        raise TreeledgerError(message)
