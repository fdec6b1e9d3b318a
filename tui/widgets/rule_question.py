"""A line to type a path into, and above it which rule decides about that path."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.message import Message
from textual.widgets import Input

from treeledger.answers import PathRule
from treeledger.tui.ignore_texts import answer_line
from treeledger.tui.latest import Latest
from treeledger.tui.widgets.pane import Pane

_PLACEHOLDER: Final = "a path: which rule decides about it now?"


class RuleQuestion(Vertical):
    """Not seen until it is opened. `ask` gives the answer to what is typed, None where there is none."""

    class Left(Message):
        """A person is done with it."""

    def __init__(self, ask: Callable[[str], Awaitable[PathRule | None]]) -> None:
        super().__init__(id="question")
        self._ask = ask
        self._asking = Latest(self, self._learn)

    def compose(self) -> ComposeResult:
        yield Pane(id="answer")
        yield Input(placeholder=_PLACEHOLDER, id="asked", compact=True)

    def open(self) -> None:
        self.display = True
        self.query_one(Input).focus()
        self._show(None)

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        self._asking.wish(event.value)

    async def _learn(self, text: str) -> None:
        self._show(await self._ask(text) if text.strip() else None)

    def _show(self, answer: PathRule | None) -> None:
        self.query_one(Pane).show(lambda width: (answer_line(answer, width),))

    @on(Input.Submitted)
    def close(self) -> None:
        """Is not seen any more."""
        self.display = False
        self.post_message(self.Left())
