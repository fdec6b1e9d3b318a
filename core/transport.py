"""HTTP to an engine: requests, their errors as those of `treeledger.errors`, and streams of events."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any, Final, NamedTuple, TypeVar

import httpx
import httpx_sse
import msgspec

from treeledger import errors
from treeledger.api.routing import Failure

T = TypeVar("T")
Query = Mapping[str, Any]
_ANSWER_WITHIN: Final = 30.0  # seconds
_SILENCE: Final = 60.0  # seconds without even a ping: the line is dead
_KINDS: Final = {
    name: kind
    for name, kind in vars(errors).items()
    if isinstance(kind, type) and issubclass(kind, errors.TreeledgerError)
}
_BY_STATUS: Final = {
    HTTPStatus.BAD_REQUEST: errors.UsageError,
    HTTPStatus.NOT_FOUND: errors.UsageError,
    HTTPStatus.UNAUTHORIZED: errors.UsageError,
    HTTPStatus.FORBIDDEN: errors.UsageError,
    HTTPStatus.GONE: errors.CursorExpired,
    HTTPStatus.UNPROCESSABLE_ENTITY: errors.StoreDataError,
    HTTPStatus.SERVICE_UNAVAILABLE: errors.StoreUnavailable,
}


class EngineAway(errors.TreeledgerError):
    """The engine does not answer, or stopped to. What it did until then is on record."""


class Received(NamedTuple):
    """One event of a stream; `data` is JSON. A ping has no name."""

    name: str
    data: bytes
    id: str


class Transport:
    """One engine's address: `unix:PATH` or a URL. Connects when it is asked something."""

    def __init__(self, address: str, token: str | None = None) -> None:
        self.address = address
        path = address.removeprefix("unix:")
        is_local = path != address
        self._http = httpx.AsyncClient(
            transport=httpx.AsyncHTTPTransport(uds=path) if is_local else None,
            base_url="http://localhost" if is_local else address,
            headers={} if token is None else {"Authorization": f"Bearer {token}"},
            timeout=httpx.Timeout(_ANSWER_WITHIN),
            trust_env=not is_local,
        )

    async def aclose(self) -> None:
        await self._http.aclose()

    async def ask(
        self,
        method: str,
        path: str,
        kind: type[T],
        *,
        query: Query | None = None,
        body: msgspec.Struct | Mapping[str, Any] | None = None,
        within: float | None = _ANSWER_WITHIN,
    ) -> T:
        """What a route answers, of type `kind`; `within` seconds, None: however long it takes.

        Raises EngineAway, and as the route does.
        """
        request = self._request(method, path, query, body, httpx.Timeout(_ANSWER_WITHIN, read=within))
        try:
            response = await self._http.send(request)
        except httpx.TransportError as error:
            raise self._away(error) from error
        if not response.is_success:
            raise error_from(response.status_code, response.content)
        return msgspec.json.decode(response.content or b"null", type=kind)

    @asynccontextmanager
    async def stream(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        body: msgspec.Struct | None = None,
        last_event_id: str | None = None,
    ) -> AsyncIterator[AsyncIterator[Received]]:
        """The events of a route, until the engine ends them. Raises EngineAway, and as the route does."""
        request = self._request(method, path, query, body, httpx.Timeout(_ANSWER_WITHIN, read=_SILENCE))
        request.headers["Accept"] = "text/event-stream"
        if last_event_id is not None:
            request.headers["Last-Event-ID"] = last_event_id
        try:
            response = await self._http.send(request, stream=True)
        except httpx.TransportError as error:
            raise self._away(error) from error
        try:
            if not response.is_success:
                raise error_from(response.status_code, await response.aread())
            yield self._received(response)
        finally:
            await response.aclose()

    async def _received(self, response: httpx.Response) -> AsyncIterator[Received]:
        try:
            async for one in httpx_sse.EventSource(response).aiter_sse():
                data = one.data.encode()
                if one.event == "error":
                    raise error_from(0, data)
                yield Received(one.event if data else "", data, one.id)
        except httpx.TransportError as error:
            raise self._away(error) from error

    def _request(
        self,
        method: str,
        path: str,
        query: Query | None,
        body: msgspec.Struct | Mapping[str, Any] | None,
        timeout: httpx.Timeout,
    ) -> httpx.Request:
        params = {name: value for name, value in (query or {}).items() if value is not None}
        content = None if body is None else msgspec.json.encode(body)
        return self._http.build_request(method, path, params=params, content=content, timeout=timeout)

    def _away(self, error: httpx.TransportError) -> EngineAway:
        why = str(error) or type(error).__name__
        return EngineAway(
            f"the engine at {self.address} does not answer ({why}). What it did until then is on record"
        )


def error_from(status: int, content: bytes) -> errors.TreeledgerError:
    """The error that an engine told; of a class that fits its status if it names none of ours."""
    try:
        failure = msgspec.json.decode(content, type=Failure)
    except msgspec.DecodeError:
        failure = Failure(error="", message=f"the engine answered {status}, and not why")
    kind = _KINDS.get(failure.error)
    if kind is None:
        kind = next((kind for known, kind in _BY_STATUS.items() if known == status), errors.TreeledgerError)
    return kind(failure.message)
