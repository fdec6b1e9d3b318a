"""Events for readers over HTTP, as the HTML standard has them ("Server-sent events")."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import msgspec


class Sent(Protocol):
    """What goes over the line of a stream."""

    def encoded(self) -> bytes: ...


class Event(NamedTuple):
    """One server-sent event. `id` is what a reader that comes back sends as Last-Event-ID."""

    name: str
    data: Any
    id: str | None = None

    def encoded(self) -> bytes:
        """As it goes over the line; the data as JSON on one line."""
        head = f"event: {self.name}\n" + (f"id: {self.id}\n" if self.id is not None else "")
        return head.encode() + b"data: " + msgspec.json.encode(self.data) + b"\n\n"


class Encoded(NamedTuple):
    """Events that are bytes already."""

    text: bytes

    def encoded(self) -> bytes:
        return self.text


class Ping(NamedTuple):
    """Nothing happened; the line is kept open, and a reader that comes back goes on from `id`."""

    id: str | None = None

    def encoded(self) -> bytes:
        return (": ping\n" + (f"id: {self.id}\n" if self.id is not None else "") + "\n").encode()
