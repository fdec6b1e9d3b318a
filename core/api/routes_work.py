"""Work for the engine of a ledger that another program has to do: what the command line hands over.

As a stream each tells its progress, and ends if the reader goes, as a command does that is interrupted.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, Final

from treeledger import wire
from treeledger.api.errand import Errand, Tell
from treeledger.api.routes.common import inside
from treeledger.api.routing import Asked, Form, Right, Route
from treeledger.api.service import Service
from treeledger.model import Repository
from treeledger.wire_work import (
    Empty,
    Engine,
    HashesAsked,
    HashesTaken,
    JudgedFile,
    JudgedFiles,
    PathsAsked,
    Removed,
    ScanAsked,
    ScrubAsked,
    ScrubDone,
    scrub_request,
)

Do = Callable[[Service, Repository, Any, Tell], Awaitable[wire.Form]]


async def _engine(service: Service, asked: Asked) -> Engine:
    return Engine(owner=service.engine.tools.owner, command=service.command)


async def _have_done(do: Do, service: Service, asked: Asked) -> Any:
    """Has it done, and answers with what came of it, or with events."""
    repository = await service.ledger.repository(asked.path["name"])
    work = partial(do, service, repository, asked.body)
    return Errand(work).events(service.engine) if asked.wants_events else await work(lambda run: None)


async def _scan(service: Service, repository: Repository, body: ScanAsked, tell: Tell) -> wire.Operation:
    operation = await service.ledger.scan(
        repository, _within(body.prefixes), rehash=body.rehash, wait=body.wait, told=tell
    )
    return wire.Operation.of(operation, repository.name)


async def _scrub(service: Service, repository: Repository, body: ScrubAsked, tell: Tell) -> ScrubDone:
    request = scrub_request(body, _within(body.prefixes))
    return ScrubDone.of(await service.ledger.scrub(repository, request, told=tell), repository.name)


async def _accept(service: Service, repository: Repository, body: PathsAsked, tell: Tell) -> JudgedFiles:
    judged = await service.ledger.accept(repository, [inside(path) for path in body.paths])
    return JudgedFiles(items=[JudgedFile.of(one, repository.name) for one in judged])


async def _take_hashes(
    service: Service, repository: Repository, body: HashesAsked, tell: Tell
) -> HashesTaken:
    async with service.ledger.seeding(repository, body.algorithm) as seeder:
        return HashesTaken.of(await seeder.seed(body.hashes))


async def _settle(service: Service, repository: Repository, body: Form, tell: Tell) -> Removed:
    return Removed(removed=await service.ledger.settle_deletions(repository))


async def _watch(service: Service, repository: Repository, body: Form, tell: Tell) -> Engine:
    service.ledger.keep(repository)
    return await _engine(service, Asked(""))


def _within(prefixes: Sequence[str]) -> list[str]:
    """Parts of a repository, whatever dots are in them; none for none."""
    return [inside(prefix) for prefix in prefixes]


def _route(what: str, summary: str, do: Do, body: type[Form], answers: type[wire.Form]) -> Route:
    return Route(
        "POST",
        f"/api/repositories/{{name}}/{what}",
        summary,
        partial(_have_done, do),
        answers=answers,
        body=body,
        right=Right.ADMIN,
        streams=True,
        tag="work",
    )


WORK_ROUTES: Final = (
    Route("GET", "/api/engine", "Whose engine answers", _engine, answers=Engine, tag="work"),
    _route("scan", "Scans a repository, until the end", _scan, ScanAsked, wire.Operation),
    _route("scrub", "Reads contents again, the oldest verified first", _scrub, ScrubAsked, ScrubDone),
    _route("accept", "Takes what corrupted files hold now for right", _accept, PathsAsked, JudgedFiles),
    _route("hashes", "Takes hashes from elsewhere", _take_hashes, HashesAsked, HashesTaken),
    _route("settle", "Carries out what was decided about held deletions", _settle, Empty, Removed),
    _route("watch", "Has the engine keep a repository that it does not yet", _watch, Empty, Engine),
)
