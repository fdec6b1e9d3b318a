"""Routes as data: what a path takes and answers, who may ask, and the function that does it.

From the same routes come the server, the OpenAPI document and what docs/api.md is checked against. A
plugin's `api_routes` are the same.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from http import HTTPStatus
from typing import Annotated, Any, Final, Generic, TypeVar

import msgspec

Item = TypeVar("Item")
MOST: Final = 1000  # items of a page


class Right(StrEnum):
    NONE = "none"  # whoever reaches the server
    READ = "read"
    ADMIN = "admin"


class Form(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is asked for: the query of a route, or the JSON of its body. Unknown keys are errors."""


class Nothing(Form, frozen=True, kw_only=True):
    """No query."""


class Paged(Form, frozen=True, kw_only=True):
    """A page: `after` is the `next` of the page before."""

    after: str | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=MOST)] = 100


class Page(msgspec.Struct, Generic[Item], frozen=True, kw_only=True):
    """A page of a listing; `next` asks for the one after it, None at the end."""

    items: list[Item]
    next: str | None = None


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """Why something was not done: `error` is for programs, `message` for people."""

    error: str
    message: str


class Refusal(Exception):
    """Why a request is not answered, where that is no matter of the ledger (see `treeledger.errors`)."""

    def __init__(self, status: HTTPStatus, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers = headers or {}


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as a handler sees it: checked and decoded.

    `path`: the values of the path's `{names}`; `query` and `body` are of the types that the route names;
    `by` says who asks, for what is recorded. `wants_events`: as a stream, if the route has one;
    `last_event_id` is of a reader of events that comes back.
    """

    by: str
    path: Mapping[str, str] = field(default_factory=dict)
    query: Any = None
    body: Any = None
    wants_events: bool = False
    last_event_id: str | None = None


Handler = Callable[[Any, Asked], Awaitable[Any]]
"""Called with the `treeledger.api.service.Service`, in the event loop of the engine, so it must not block.

What it raises of `treeledger.errors` becomes a status.
"""


@dataclass(frozen=True, slots=True)
class Route:
    """One method of one path, in which `{name}` stands for a text without slashes, `{name:int}` for a number.

    `answers` is the type of what the handler returns, None for nothing (204). `streams`: it may return an
    async iterator of `treeledger.api.events.Event` instead, and does where `Asked.wants_events`, or always
    if `answers` is None. `media`: of a handler that returns no value but a `starlette` Response.
    """

    method: str
    path: str
    summary: str
    handler: Handler
    answers: Any = None
    query: type[Form] = Nothing
    body: type[Form] | None = None
    right: Right = Right.READ
    streams: bool = False
    media: str | None = None
    tag: str = "ledger"
