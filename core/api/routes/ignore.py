"""Which files are left out, and by which rule."""

from __future__ import annotations

import logging
from dataclasses import replace
from functools import partial
from typing import Annotated, NamedTuple

import msgspec

from treeledger.answers import PathRule, RepositoryRule
from treeledger.api.routes.common import inside
from treeledger.api.routes.paging import cursor, place, sorted_page
from treeledger.api.routing import MOST, Asked, Form, Page, Paged, Right, Route
from treeledger.api.service import Service
from treeledger.errors import TreeledgerError
from treeledger.ignore_patterns import PatternHome, check_patterns, home_of, proposed_settings, write
from treeledger.ignore_preview import Place, Preview, preview, scope
from treeledger.looking import looker
from treeledger.model import Repository
from treeledger.protocols import Verdict
from treeledger.wire_asked import Number
from treeledger.wire_ignore import IgnorePatterns, IgnorePreview, PatternsChange, PatternsTrial

log = logging.getLogger(__name__)


class RulesQuery(Paged, frozen=True, kw_only=True):
    repository: str


class CheckQuery(Form, frozen=True, kw_only=True):
    """`path`: relative to the root; with a slash at its end it is meant as a directory."""

    repository: str
    path: Annotated[tuple[str, ...], msgspec.Meta(min_length=1, max_length=MOST)]


class _Numbered(NamedTuple):
    number: int
    rule: Verdict


async def rules(service: Service, asked: Asked) -> Page[RepositoryRule]:
    """In the order in which they hold: of one source the last that matches decides."""
    repository = await service.ledger.repository(asked.query.repository)
    found, _ = await (await looker(service.ledger, repository)).rules()
    numbered = [_Numbered(number, rule) for number, rule in enumerate(found)]

    def form(one: _Numbered) -> RepositoryRule:
        return RepositoryRule.of(one.rule, repository.name)

    return sorted_page(numbered, asked.query, form, lambda one: one.number, Number)


async def check(service: Service, asked: Asked) -> list[PathRule]:
    repository = await service.ledger.repository(asked.query.repository)
    wanted = [(inside(path), path.endswith("/")) for path in asked.query.path]
    verdicts = await (await looker(service.ledger, repository)).verdicts(wanted)
    return [
        PathRule.of(verdict, repository.name, path)
        for (path, _), verdict in zip(wanted, verdicts, strict=True)
    ]


class HomeQuery(Form, frozen=True, kw_only=True):
    """`repository`: those of that one; without it those of all."""

    repository: str | None = None


async def patterns(service: Service, asked: Asked) -> IgnorePatterns:
    name = asked.query.repository
    return IgnorePatterns.of(await home_of(service.ledger, name), name)


async def change_patterns(service: Service, asked: Asked) -> IgnorePatterns:
    """They hold when this answers, and a scan of what they change has begun."""
    ledger, body = service.ledger, asked.body
    home = await home_of(ledger, body.repository)
    await write(ledger, replace(home, patterns=body.before), body.patterns)
    if home.repository is None:
        await service.take_up()
    await _scan_again(service, home)
    return IgnorePatterns.of(await home_of(ledger, body.repository), body.repository)


async def _scan_again(service: Service, home: PatternHome) -> None:
    """Has those scanned that do not begin with a scan by themselves once their settings are others."""
    name = home.declared if home.repository is None else home.repository.name
    for keeper in list(service.engine.keepers.values()):
        is_meant = name is None or keeper.repository.name == name
        if is_meant and not keeper.settings.reconciliation.startup_scan:
            service.engine.start(partial(_scan, service, keeper.repository))


async def _scan(service: Service, repository: Repository) -> None:
    try:
        await service.ledger.trigger_reconciliation(repository.id)
    except TreeledgerError as error:
        log.warning("%s: the scan for its new rules failed: %s", repository.name, error)


async def try_patterns(service: Service, asked: Asked) -> IgnorePreview:
    ledger, body = service.ledger, asked.body
    repository = await ledger.repository(body.repository)
    of_all = body.of == "defaults"
    proposed = proposed_settings(ledger.configuration, repository, body.patterns, for_all=of_all)
    looks = scope(ledger.settings_of(repository).ignore.patterns, proposed.ignore.patterns)
    after = place(Paged(after=body.after), Place)
    if after is None:
        await check_patterns(ledger, body.patterns)
        after = looks.first()
    found = Preview() if after is None else await preview(ledger, repository, proposed, after, looks)
    return IgnorePreview.of(found, None if found.rest is None else cursor(found.rest))


ROUTES = (
    Route(
        "GET",
        "/api/ignore/rules",
        "The rules in effect at the root of a repository",
        rules,
        Page[RepositoryRule],
        query=RulesQuery,
        tag="ignore",
    ),
    Route(
        "GET",
        "/api/ignore/check",
        "Which rule decides about each path",
        check,
        list[PathRule],
        query=CheckQuery,
        tag="ignore",
    ),
    Route(
        "GET",
        "/api/ignore/patterns",
        "The patterns of a repository, or of all, and where they are written",
        patterns,
        IgnorePatterns,
        query=HomeQuery,
        tag="ignore",
    ),
    Route(
        "PUT",
        "/api/ignore/patterns",
        "Writes patterns where they are kept; they hold at once",
        change_patterns,
        IgnorePatterns,
        body=PatternsChange,
        right=Right.ADMIN,
        tag="ignore",
    ),
    Route(
        "POST",
        "/api/ignore/preview",
        "What other patterns would hide and reveal, a portion at a time; nothing is written",
        try_patterns,
        IgnorePreview,
        body=PatternsTrial,
        right=Right.ADMIN,
        tag="ignore",
    ),
)
