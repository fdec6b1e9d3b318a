"""Which files are left out, and by which rule."""

from __future__ import annotations

from typing import Annotated, NamedTuple

import msgspec

from treeledger.answers import PathRule, RepositoryRule
from treeledger.api.routes.common import inside
from treeledger.api.routes.paging import sorted_page
from treeledger.api.routing import MOST, Asked, Form, Page, Paged, Route
from treeledger.api.service import Service
from treeledger.looking import looker
from treeledger.protocols import Verdict
from treeledger.wire_asked import Number


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
)
