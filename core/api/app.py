"""The routes as an ASGI application: decodes what is asked, has it done, encodes what comes of it."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from treeledger import errors
from treeledger.api.asking import asked_of, check_head
from treeledger.api.guard import Guard, check_right
from treeledger.api.routing import Failure, Refusal, Route
from treeledger.api.service import Service
from treeledger.api.stream import EventStream
from treeledger.api.table import Table
from treeledger.config.secrets import mask

log = logging.getLogger(__name__)
_JSON: Final = "application/json"
_ALWAYS: Final = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
_STATUS: Final = (
    (errors.NotFound, HTTPStatus.NOT_FOUND),
    (errors.UsageError, HTTPStatus.BAD_REQUEST),
    (errors.CursorExpired, HTTPStatus.GONE),
    (errors.StoreDataError, HTTPStatus.UNPROCESSABLE_ENTITY),
    (errors.StoreError, HTTPStatus.SERVICE_UNAVAILABLE),
    (errors.TreeledgerError, HTTPStatus.CONFLICT),  # an engine in the way, a root that is offline
)
_RETRY_AFTER: Final = "5"  # seconds, while the store is away


class Application:
    """What is behind one listener."""

    def __init__(self, service: Service, routes: Sequence[Route], guard: Guard) -> None:
        self._service = service
        self._guard = guard
        self._table = Table([one for one in routes if guard.paths is None or one.path in guard.paths])

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] == "http", "there are no web sockets here, and nothing to be done at the start"
        request = Request(scope, receive)
        try:
            answer = await self._answer(request)
            await answer(scope, receive, send)
        except Exception as error:
            _log(request, error)  # whoever reads sees the answer break off

    async def _answer(self, request: Request) -> Response | EventStream:
        try:
            return _encoded(request, await self._done(request))
        except Refusal as refusal:
            return _failure(refusal.status, refusal.message, refusal.headers)
        except errors.TreeledgerError as error:
            return _failed(error)
        except ClientDisconnect:
            return Response(status_code=HTTPStatus.BAD_REQUEST)  # nobody reads it
        except Exception as error:
            _log(request, error)
            message = "this is a bug of mine, or of a plugin; the log says more"
            return _failure(HTTPStatus.INTERNAL_SERVER_ERROR, message)

    async def _done(self, request: Request) -> Any:
        """What the handler returns."""
        check_head(request)
        peer = request.client.host if request.client is not None else None
        caller = self._guard.caller(request.headers, peer)
        route, path = self._table.find(request.method, request.scope["path"])
        check_right(caller, route.right)
        return await route.handler(self._service, await asked_of(request, route, path, caller.name))


def build(service: Service, routes: Sequence[Route], guard: Guard) -> Application:
    """The application behind one listener."""
    return Application(service, routes, guard)


def _encoded(request: Request, answer: Any) -> Response | EventStream:
    match answer:
        case Response():
            return answer
        case AsyncIterator():
            return EventStream(answer, request.scope.get("state", {}).get("leaving"))
        case None:
            return Response(status_code=HTTPStatus.NO_CONTENT, headers=_ALWAYS)
        case _:
            return Response(msgspec.json.encode(answer), headers=_ALWAYS, media_type=_JSON)


def _failed(error: errors.TreeledgerError) -> Response:
    status = next(status for kind, status in _STATUS if isinstance(error, kind))
    headers = {"Retry-After": _RETRY_AFTER} if status is HTTPStatus.SERVICE_UNAVAILABLE else {}
    return _failure(status, mask(str(error)), headers, name=type(error).__name__)


def _failure(
    status: HTTPStatus, message: str, headers: Mapping[str, str] | None = None, *, name: str | None = None
) -> Response:
    """`name`: of the error, where it is one of the ledger's."""
    all_headers = {**_ALWAYS, **(headers or {})}
    if status is HTTPStatus.UNAUTHORIZED:
        all_headers["WWW-Authenticate"] = "Bearer"
    body = msgspec.json.encode(Failure(error=name or status.name.lower(), message=message))
    return Response(body, status, all_headers, media_type=_JSON)


def _log(request: Request, error: Exception) -> None:
    log.error("%s %s failed", request.method, request.url.path, exc_info=error)
