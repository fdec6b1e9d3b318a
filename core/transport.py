"""HTTP to an engine: requests, their errors as those of `treeledger.errors`, and streams of events."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from http import HTTPStatus
from typing import Any, Final, NamedTuple, TypeVar

import httpx
import httpx_sse
import msgspec

from treeledger import errors
from treeledger.api.routing import Failure

T = TypeVar("T")
Query = Mapping[str, Any]
Body = msgspec.Struct | Mapping[str, Any]
_ANSWER_WITHIN: Final = 30.0  # seconds
_SILENCE: Final = 60.0  # seconds without even a ping: the line is dead
_EVENTS: Final = "text/event-stream"
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


class Received(NamedTuple):
    """One event of a stream; `data` is JSON. A ping has no name."""

    name: str
    data: bytes
    id: str


class Transport:
    """One engine's address: `unix:PATH` or a URL. Connects when it is asked something.

    Raises UsageError for an address that is none.
    """

    def __init__(self, address: str, token: str | None = None) -> None:
        self.address = address
        path = address.removeprefix("unix:")
        is_local = path != address
        try:
            self._http = httpx.AsyncClient(
                transport=_local(path) if is_local else None,
                base_url="http://localhost" if is_local else address,
                headers={} if token is None else {"Authorization": f"Bearer {token}"},
                timeout=httpx.Timeout(_ANSWER_WITHIN),
                trust_env=not is_local,
            )
        except (httpx.InvalidURL, UnicodeEncodeError) as error:
            raise errors.UsageError(f"{address!r} is no address, or the token none: {error}") from None

    async def aclose(self) -> None:
        await self._http.aclose()

    async def ask(
        self,
        method: str,
        path: str,
        kind: type[T],
        *,
        query: Query | None = None,
        body: Body | None = None,
        within: float | None = _ANSWER_WITHIN,
    ) -> T:
        """What a route answers, of type `kind`; `within` seconds, None: however long it takes.

        Raises EngineAway, and as the route does.
        """
        connected_within = _ANSWER_WITHIN if within is None else min(within, _ANSWER_WITHIN)
        request = self._request(method, path, query, body, httpx.Timeout(connected_within, read=within))
        try:
            response = await self._http.send(request)
        except httpx.RequestError as error:
            raise self._away(error) from error
        if not response.is_success:
            raise error_from(response.status_code, response.content)
        return self.decoded(response.content or b"null", kind)

    @asynccontextmanager
    async def stream(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        body: Body | None = None,
        last_event_id: str | None = None,
    ) -> AsyncIterator[AsyncIterator[Received]]:
        """The events of a route, until the engine ends them. Raises EngineAway, and as the route does."""
        request = self._request(method, path, query, body, httpx.Timeout(_ANSWER_WITHIN, read=_SILENCE))
        request.headers["Accept"] = _EVENTS
        if last_event_id is not None:
            request.headers["Last-Event-ID"] = last_event_id
        try:
            response = await self._http.send(request, stream=True)
        except httpx.RequestError as error:
            raise self._away(error) from error
        try:
            if not response.is_success:
                raise error_from(response.status_code, await response.aread())
            media = response.headers.get("Content-Type", "nothing")
            if not media.startswith(_EVENTS):
                raise self._foreign(f"{media} for events")
            async with aclosing(self._received(response)) as events:
                yield events
        finally:
            await response.aclose()

    def decoded(self, content: bytes, kind: type[T]) -> T:
        """What the engine says, as `kind`. Raises TreeledgerError for what an engine of this version would
        not say."""
        try:
            return msgspec.json.decode(content, type=kind)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise self._foreign(str(error)) from error

    async def _received(self, response: httpx.Response) -> AsyncGenerator[Received, None]:
        try:
            async for one in httpx_sse.EventSource(response).aiter_sse():
                data = one.data.encode()
                if one.event == "error":
                    raise error_from(0, data)
                yield Received(one.event if data else "", data, one.id)
        except httpx.RequestError as error:
            raise self._away(error) from error

    def _request(
        self, method: str, path: str, query: Query | None, body: Body | None, timeout: httpx.Timeout
    ) -> httpx.Request:
        params = {name: value for name, value in (query or {}).items() if value is not None}
        try:
            content = None if body is None else msgspec.json.encode(body)
            return self._http.build_request(method, path, params=params, content=content, timeout=timeout)
        except (httpx.InvalidURL, UnicodeEncodeError) as error:
            raise errors.UsageError(f"this cannot be asked for: {error}") from None

    def _away(self, error: httpx.RequestError) -> errors.EngineAway:
        broke = isinstance(error, httpx.ReadError | httpx.RemoteProtocolError)
        why = "the connection broke off" if broke else str(error) or type(error).__name__
        return errors.EngineAway(
            f"the engine at {self.address} does not answer ({why}). What it did until then is on record"
        )

    def _foreign(self, what: str) -> errors.TreeledgerError:
        return errors.TreeledgerError(
            f"what answers at {self.address} is no engine of this version of treeledger ({what}). Start it"
            " again with this version"
        )


def _local(path: str) -> httpx.AsyncBaseTransport:
    """Loads what speaks HTTP only where it is to be spoken."""
    from treeledger.local_transport import LocalTransport

    return LocalTransport(path)


def error_from(status: int, content: bytes) -> errors.TreeledgerError:
    """The error that an engine told; of a class that fits its status if it names none of ours."""
    try:
        failure = msgspec.json.decode(content, type=Failure)
    except (msgspec.DecodeError, UnicodeDecodeError):
        failure = Failure(error="", message=f"the engine answered {status}, and not why")
    kind = _KINDS.get(failure.error)
    if kind is None:
        kind = next((kind for known, kind in _BY_STATUS.items() if known == status), errors.TreeledgerError)
    return kind(failure.message)
