"""The routes as an ASGI application: decodes what is asked, has it done, encodes what comes of it."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final, get_args, get_origin

import msgspec
from starlette.applications import Starlette
from starlette.datastructures import QueryParams
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route as PathRoute

from treeledger import errors
from treeledger.api.events import Event
from treeledger.api.guard import Guard, Refusal, check_right
from treeledger.api.routing import Asked, Failure, Form, Route
from treeledger.api.service import Service
from treeledger.config.secrets import mask

log = logging.getLogger(__name__)
LARGEST_BODY: Final = 2**20  # bytes
_EVENTS: Final = "text/event-stream"
_UNBUFFERED: Final = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}  # proxies pass events on at once
_LARGEST_INTEGER: Final = 2**63 - 1
_STATUS: Final = (
    (errors.RepositoryNotFound, HTTPStatus.NOT_FOUND),
    (errors.UsageError, HTTPStatus.BAD_REQUEST),
    (errors.CursorExpired, HTTPStatus.GONE),
    (errors.StoreDataError, HTTPStatus.UNPROCESSABLE_ENTITY),
    (errors.StoreError, HTTPStatus.SERVICE_UNAVAILABLE),
    (errors.TreeledgerError, HTTPStatus.CONFLICT),  # an engine in the way, a root that is offline
)
_RETRY_AFTER: Final = "5"  # seconds, while the store is away


def build(service: Service, routes: Sequence[Route], guard: Guard) -> Starlette:
    """The application behind one listener."""
    paths: dict[str, dict[str, Route]] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method] = route
    return Starlette(
        routes=[
            PathRoute(path, _endpoint(service, methods, guard), methods=[*methods])
            for path, methods in paths.items()
        ],
        exception_handlers={HTTPException: _refused, Exception: _broken},
    )


def _endpoint(
    service: Service, methods: Mapping[str, Route], guard: Guard
) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        route = methods["GET" if request.method == "HEAD" else request.method]
        try:
            caller = guard.caller(request.headers, _peer(request))
            check_right(caller, route.right)
            asked = await _asked(request, route, caller.name)
            answer = await route.handler(service, asked)
        except Refusal as refusal:
            return _failure(refusal.status, refusal.message)
        except errors.TreeledgerError as error:
            return _failed(error)
        except ClientDisconnect:
            return Response(status_code=HTTPStatus.BAD_REQUEST)
        if isinstance(answer, Response):
            return answer
        if isinstance(answer, AsyncIterator):
            return StreamingResponse(_encoded(answer), media_type=_EVENTS, headers=_UNBUFFERED)
        if answer is None:
            return Response(status_code=HTTPStatus.NO_CONTENT)
        return Response(msgspec.json.encode(answer), media_type="application/json")

    return answer


def _peer(request: Request) -> str | None:
    return request.client.host if request.client is not None else None


async def _asked(request: Request, route: Route, by: str) -> Asked:
    """The request, checked. Raises Refusal."""
    path = {name: str(value) for name, value in request.path_params.items()}
    query = _query(request.query_params, route.query)
    body = None if route.body is None else _converted(route.body, await _body(request))
    for value in (path, query, body):
        _check_values(value)
    wants_events = _EVENTS in request.headers.get("accept", "")
    return Asked(by, path, query, body, wants_events, request.headers.get("last-event-id"))


async def _encoded(events: AsyncIterator[Event]) -> AsyncIterator[bytes]:
    try:
        async for event in events:
            yield event.encoded()
    except errors.TreeledgerError as error:
        yield Event("error", Failure(error=type(error).__name__, message=mask(str(error)))).encoded()


def _query(given: QueryParams, kind: type[Form]) -> Form:
    """The query as its type; a key that takes several values is given several times."""
    several = {field.name for field in msgspec.structs.fields(kind) if _is_list(field.type)}
    values: dict[str, Any] = {}
    for key in given:
        all_given = given.getlist(key)
        if key not in several and len(all_given) > 1:
            raise Refusal(HTTPStatus.BAD_REQUEST, f"{key}: is given {len(all_given)} times")
        values[key] = all_given if key in several else all_given[0]
    return _converted(kind, values, strict=False)


def _is_list(annotation: Any) -> bool:
    return get_origin(annotation) in (list, tuple) or any(map(_is_list, get_args(annotation)))


def _converted(kind: type[Form], values: object, *, strict: bool = True) -> Form:
    try:
        return msgspec.convert(values, kind, strict=strict)
    except msgspec.ValidationError as error:
        raise Refusal(HTTPStatus.BAD_REQUEST, str(error)) from None


async def _body(request: Request) -> object:
    text = bytearray()
    async for chunk in request.stream():
        text += chunk
        if len(text) > LARGEST_BODY:
            raise Refusal(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"more than {LARGEST_BODY:,} bytes are never needed"
            )
    try:
        return msgspec.json.decode(bytes(text) or b"{}")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Refusal(HTTPStatus.BAD_REQUEST, f"the body is no JSON: {error}") from None


def _check_values(value: object) -> None:
    """Refuses what no store can hold, wherever it stands."""
    match value:
        case str():
            if "\0" in value or not value.isprintable() and _has_surrogates(value):
                raise Refusal(HTTPStatus.BAD_REQUEST, "NUL and lone surrogates stand for nothing here")
        case int():
            if abs(value) > _LARGEST_INTEGER:
                raise Refusal(HTTPStatus.BAD_REQUEST, f"{value} is too large")
        case Mapping():
            for key, item in value.items():
                _check_values(key)
                _check_values(item)
        case list() | tuple():
            for item in value:
                _check_values(item)
        case msgspec.Struct():
            for name in value.__struct_fields__:
                _check_values(getattr(value, name))


def _has_surrogates(text: str) -> bool:
    return any("\ud800" <= character <= "\udfff" for character in text)


def _failed(error: errors.TreeledgerError) -> Response:
    status = next(status for kind, status in _STATUS if isinstance(error, kind))
    headers = {"Retry-After": _RETRY_AFTER} if status is HTTPStatus.SERVICE_UNAVAILABLE else {}
    return _failure(status, mask(str(error)), headers)


def _failure(status: HTTPStatus, message: str, headers: Mapping[str, str] | None = None) -> Response:
    all_headers = dict(headers or {})
    if status is HTTPStatus.UNAUTHORIZED:
        all_headers["WWW-Authenticate"] = "Bearer"
    body = msgspec.json.encode(Failure(error=status.name.lower(), message=message))
    return Response(body, status, all_headers, media_type="application/json")


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    status = HTTPStatus(error.status_code)
    message = f"there is nothing at {request.url.path}" if status is HTTPStatus.NOT_FOUND else error.detail
    return _failure(status, message, error.headers)


async def _broken(request: Request, error: Exception) -> Response:
    log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return _failure(HTTPStatus.INTERNAL_SERVER_ERROR, "this is a bug of mine; the log says more")
