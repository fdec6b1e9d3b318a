"""Events for readers over HTTP: the journal as it grows, and what goes on; replayed to whoever was away."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec


class Event(NamedTuple):
    """One server-sent event. `id` is what a reader that comes back sends as Last-Event-ID."""

    name: str
    data: Any
    id: str | None = None

    def encoded(self) -> bytes:
        """As it goes over the line (HTML standard, "Server-sent events"); the data as JSON on one line."""
        head = f"event: {self.name}\n" + (f"id: {self.id}\n" if self.id is not None else "")
        return head.encode() + b"data: " + msgspec.json.encode(self.data) + b"\n\n"
