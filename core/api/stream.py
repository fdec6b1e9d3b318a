"""Server-sent events as an answer."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any, Final

import anyio

from treeledger.api.events import Event, Sent
from treeledger.api.routing import Failure
from treeledger.config.secrets import mask
from treeledger.errors import TreeledgerError

MEDIA: Final = "text/event-stream"
_HEADERS: Final = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),  # a proxy passes events on at once
    (b"x-content-type-options", b"nosniff"),
]


class EventStream:
    """Sends events as they come, until there are no more, the reader goes, or the engine stops (`leaving`).

    An error of the ledger is the last event, `error`.
    """

    def __init__(self, events: AsyncIterator[Sent], leaving: anyio.Event | None) -> None:
        self._events = events
        self._leaving = leaving

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
        try:
            if scope["method"] != "HEAD":
                await self._send_all(receive, send)
        finally:
            if isinstance(self._events, AsyncGenerator):
                with anyio.CancelScope(shield=True):
                    await self._events.aclose()
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _send_all(self, receive: Any, send: Any) -> None:
        async with anyio.create_task_group() as tasks:

            async def leave() -> None:
                assert self._leaving is not None
                await self._leaving.wait()
                tasks.cancel_scope.cancel()

            async def notice_that_the_reader_goes() -> None:
                while (await receive())["type"] != "http.disconnect":
                    pass
                tasks.cancel_scope.cancel()

            if self._leaving is not None:
                tasks.start_soon(leave)
            tasks.start_soon(notice_that_the_reader_goes)
            try:
                async for event in self._events:
                    await send(_piece(event))
            except TreeledgerError as error:
                failure = Failure(error=type(error).__name__, message=mask(str(error)))
                await send(_piece(Event("error", failure)))
            tasks.cancel_scope.cancel()


def _piece(event: Sent) -> dict[str, Any]:
    return {"type": "http.response.body", "body": event.encoded(), "more_body": True}
