"""A request, decoded into what its route takes, and checked: nothing gets by that no store could hold."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any, Final, TypeVar, get_args, get_origin
from urllib.parse import unquote_to_bytes

import msgspec
from starlette.datastructures import QueryParams
from starlette.requests import Request

from treeledger.api.routing import Asked, Form, Refusal, Route
from treeledger.api.stream import MEDIA

Given = TypeVar("Given", bound=Form)
LARGEST_BODY: Final = 2**20  # bytes
LARGEST_HEAD: Final = 2**14  # bytes of path, query and header fields
_LARGEST_NUMBER: Final = 2**63 - 1
_DEEPEST: Final = 32


def check_head(request: Request) -> None:
    """Raises Refusal for a head that is too large; the server itself sees only one that comes in parts."""
    size = len(request.scope["raw_path"]) + len(request.scope["query_string"])
    if size + sum(len(name) + len(value) for name, value in request.headers.raw) > LARGEST_HEAD:
        raise Refusal(
            HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
            f"path and headers have more than {LARGEST_HEAD} bytes",
        )


async def asked_of(request: Request, route: Route, path: Mapping[str, str], by: str) -> Asked:
    """What the handler is given. Raises Refusal."""
    _check_is_text(request)
    query = _query(request.query_params, route.query)
    body = None if route.body is None else _decoded(await _body(request), route.body)
    for value in (path, query, body):
        _check_values(value)
    wants_events = request.method != "HEAD" and MEDIA in request.headers.get("accept", "")
    return Asked(by, path, query, body, wants_events, request.headers.get("last-event-id"))


def _check_is_text(request: Request) -> None:
    """Starlette puts U+FFFD for what is not UTF-8, which would be another name than was meant."""
    try:
        for raw in (request.scope["raw_path"], request.scope["query_string"]):
            unquote_to_bytes(raw).decode()
    except UnicodeDecodeError:
        raise Refusal(HTTPStatus.BAD_REQUEST, "the address is not UTF-8; see docs/api.md on names") from None


def _query(given: QueryParams, kind: type[Given]) -> Given:
    """The query as its type; a key that takes several values is given several times."""
    several = {field.name for field in msgspec.structs.fields(kind) if _is_list(field.type)}
    values: dict[str, Any] = {}
    for key in given:
        all_given = given.getlist(key)
        if key not in several and len(all_given) > 1:
            raise Refusal(HTTPStatus.BAD_REQUEST, f"{key}: is given {len(all_given)} times")
        values[key] = all_given if key in several else all_given[0]
    try:
        query = msgspec.convert(values, kind, strict=False)
    except msgspec.ValidationError as error:
        raise Refusal(HTTPStatus.BAD_REQUEST, f"the query: {error}") from None
    for key in values:
        if getattr(query, key) is None:  # msgspec takes the text "null" for it
            raise Refusal(HTTPStatus.BAD_REQUEST, f"the query: leave out {key} for none")
    return query


def _is_list(annotation: Any) -> bool:
    return get_origin(annotation) in (list, tuple) or any(map(_is_list, get_args(annotation)))


async def _body(request: Request) -> bytes:
    """What was sent, or an empty object for nothing. Too much is refused before it is all here."""
    told = request.headers.get("content-length", "0")
    if not told.isdecimal() or int(told[:20]) > LARGEST_BODY:
        raise _too_large()
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST_BODY:
            raise _too_large()
    return bytes(body) or b"{}"


def _too_large() -> Refusal:
    return Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"more than {LARGEST_BODY:,} bytes are never needed")


def _decoded(body: bytes, kind: type[Given]) -> Given:
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        raise Refusal(HTTPStatus.BAD_REQUEST, f"the body: {error}") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Refusal(HTTPStatus.BAD_REQUEST, f"the body is no JSON: {error}") from None


def _check_values(value: object, depth: int = 0) -> None:
    """Refuses what no store can hold, wherever it stands."""
    if depth > _DEEPEST:
        raise Refusal(HTTPStatus.BAD_REQUEST, "that is nested too deep")
    match value:
        case str():
            if "\0" in value or _has_surrogates(value):
                raise Refusal(HTTPStatus.BAD_REQUEST, "NUL and lone surrogates stand for nothing here")
        case int() | float():
            if not abs(value) <= _LARGEST_NUMBER:
                raise Refusal(HTTPStatus.BAD_REQUEST, f"{value} is no number that can be meant here")
        case _:
            for part in _parts(value):
                _check_values(part, depth + 1)


def _parts(value: object) -> Iterable[object]:
    match value:
        case Mapping():
            return [*value, *value.values()]
        case list() | tuple() | set() | frozenset():
            return value
        case msgspec.Struct():
            return [getattr(value, name) for name in value.__struct_fields__]
        case _:
            return ()


def _has_surrogates(text: str) -> bool:
    return any("\ud800" <= character <= "\udfff" for character in text)
