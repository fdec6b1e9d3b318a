"""Panels: what plugins show in the dashboard, and the lines that all of it is drawn with."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeVar, runtime_checkable

if TYPE_CHECKING:
    from treeledger.client import Client

Data = TypeVar("Data")


class Tone(StrEnum):
    """What a text is like; the theme has a colour for each."""

    PLAIN = "plain"
    DIM = "dim"
    STRONG = "strong"
    GOOD = "good"
    BUSY = "busy"
    WARN = "warn"
    BAD = "bad"


class Piece(NamedTuple):
    """Some text in one tone. Meaning is in the words; a tone only repeats it in colour."""

    text: str
    tone: Tone = Tone.PLAIN


Line = tuple[Piece, ...]


class PanelKey(NamedTuple):
    """A key that does something while a panel is shown.

    `key` as Textual calls it (`t`, `R`, `ctrl+t`); one that the dashboard has itself is not the panel's.
    `action` says in words what it did; what it raises of `treeledger.errors` is shown.
    """

    key: str
    label: str
    action: Callable[[Client], Awaitable[str]]


@runtime_checkable
class Panel(Protocol[Data]):
    """A part of the dashboard. `name` is a word for its tab, `title` stands above it.

    It is read every `every` seconds while it is on the screen, and only then. Whatever it does is done in
    threads of its own: one that raises or hangs shows that in its own place, and is asked less often.
    """

    name: str
    title: str
    every: float = 2.0
    keys: Sequence[PanelKey] = ()

    async def read(self, client: Client) -> Data:
        """What is to be shown, as the API tells it. Its event loop and its client are for this call only."""

    def draw(self, data: Data | None, width: int, height: int, now: datetime) -> Sequence[Line]:
        """The data in `height` lines at most, of `width` cells at most; None: nothing was read yet.

        Pure. What comes from outside goes through `treeledger.names.shown`.
        """
