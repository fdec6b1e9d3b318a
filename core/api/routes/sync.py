"""Work on request: scans and scrubs now, pause and resume, and a person's word on corrupted files."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import partial

import anyio

from treeledger import wire
from treeledger.answers import AcceptedFile, Paused, ScrubResult, Triggered
from treeledger.api.routes.common import inside
from treeledger.api.routing import Asked, Right, Route
from treeledger.api.service import Service
from treeledger.errors import TreeledgerError, UsageError
from treeledger.model import Repository
from treeledger.wire_asked import Acceptance, Limits, Trigger, Which
from treeledger.wire_work import scrub_request

log = logging.getLogger(__name__)


async def trigger(service: Service, asked: Asked) -> Triggered:
    body: Trigger = asked.body
    _check(body)
    meant = await _meant(service, body.repository)
    names = [repository.name for repository in meant]
    if not body.wait:
        for repository in meant:
            service.engine.start(partial(_unwatched, service, repository, body))
        return Triggered(repositories=names)
    done: list[wire.Operation | ScrubResult] = []
    failed: dict[str, TreeledgerError] = {}

    async def work(repository: Repository) -> None:
        try:
            done.append(await _done(service, repository, body))
        except TreeledgerError as error:
            failed[repository.name] = error

    async with anyio.create_task_group() as tasks:
        for repository in meant:
            tasks.start_soon(work, repository)
    if body.repository is not None and failed:
        raise failed[names[0]]
    return Triggered(
        repositories=names,
        operations=[one for one in done if isinstance(one, wire.Operation)],
        scrubs=[one for one in done if isinstance(one, ScrubResult)],
        failed={name: str(error) for name, error in failed.items()},
    )


def _check(body: Trigger) -> None:
    """Raises UsageError for what says nothing together."""
    if body.paths and body.repository is None:
        raise UsageError("paths: say in which repository")
    if body.rehash and body.kind != "full":
        raise UsageError(
            "rehash: is for full scans; a scrub reads anyway, and a quick scan looks at stats only"
        )
    if body.limits is not None and body.kind != "scrub":
        raise UsageError("limits: are of a scrub")


async def _meant(service: Service, name: str | None) -> Sequence[Repository]:
    """The repository that is named; all of this host that are not paused for None. Raises UsageError."""
    ledger = service.ledger
    if name is None:
        return [one for one in await ledger.repositories() if one.host == ledger.host and not one.paused]
    repository = await ledger.repository(name)
    if repository.host != ledger.host:
        raise UsageError(f"{repository.name} is on the host {repository.host}; ask there")
    return [repository]


async def _unwatched(service: Service, repository: Repository, body: Trigger) -> None:
    """Work that nobody waits for: the log is told how it failed, and the engine runs on."""
    try:
        await _done(service, repository, body)
    except TreeledgerError as error:
        log.warning("%s: what was asked for failed: %s", repository.name, error)
    except Exception:
        log.exception("%s: what was asked for failed", repository.name)


async def _done(service: Service, repository: Repository, body: Trigger) -> wire.Operation | ScrubResult:
    ledger = service.ledger
    prefixes = [inside(path) for path in body.paths] or [""]
    if body.kind == "scrub":
        scrubbed = await ledger.scrub(repository, scrub_request(body.limits or Limits(), prefixes))
        return ScrubResult.of(scrubbed, repository.name)
    if body.kind == "quick":
        raise TreeledgerError(f"{repository.name}: quick scans run on schedule only; ask for a full one")
    operation = await ledger.trigger_reconciliation(repository.id, prefixes=prefixes, rehash=body.rehash)
    return wire.Operation.of(operation, repository.name)


async def pause(service: Service, asked: Asked) -> Paused:
    return await _set_paused(service, asked.body.repository, paused=True)


async def resume(service: Service, asked: Asked) -> Paused:
    return await _set_paused(service, asked.body.repository, paused=False)


async def _set_paused(service: Service, name: str | None, *, paused: bool) -> Paused:
    """Tells which ones changed."""
    ledger = service.ledger
    if name is None:
        meant = [one for one in await ledger.repositories() if one.host == ledger.host]
    else:
        meant = [await ledger.repository(name)]
    changed = [one for one in meant if one.paused is not paused]
    for repository in changed:
        await ledger.pause_repository(repository.id, paused=paused)
    return Paused(repositories=[one.name for one in changed])


async def accept(service: Service, asked: Asked) -> list[AcceptedFile]:
    repository = await service.ledger.repository(asked.body.repository)
    paths = list(dict.fromkeys(inside(path) for path in asked.body.paths))
    judged = await service.ledger.accept(repository, paths)
    return [AcceptedFile.of(one, repository.name) for one in judged]


ROUTES = (
    Route(
        "POST",
        "/api/sync/trigger",
        "Scans or scrubs now",
        trigger,
        Triggered,
        body=Trigger,
        right=Right.ADMIN,
        tag="sync",
    ),
    Route(
        "POST",
        "/api/sync/pause",
        "Stops watching for now",
        pause,
        Paused,
        body=Which,
        right=Right.ADMIN,
        tag="sync",
    ),
    Route("POST", "/api/sync/resume", "Goes on", resume, Paused, body=Which, right=Right.ADMIN, tag="sync"),
    Route(
        "POST",
        "/api/scrub/accept",
        "Says that what corrupted files hold now is right",
        accept,
        list[AcceptedFile],
        body=Acceptance,
        right=Right.ADMIN,
        tag="sync",
    ),
)
