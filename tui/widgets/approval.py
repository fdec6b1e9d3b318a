"""A number that is typed to approve: what an accident or a habit does not do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.message import Message
from textual.widgets import Input, Label

_ROOM: Final = 76  # cells for everything; where there are fewer, the keys below say how to leave


class Approval(Horizontal):
    """A line that asks for a number; hidden until it does."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "Leave it undecided", key_display="esc"),
    ]

    @dataclass
    class Typed(Message):
        """Something was typed: `is_right`, the number that was asked for."""

        number: int
        is_right: bool

    class Left(Message):
        """It is left undecided."""

    def __init__(self) -> None:
        super().__init__(id="approval")
        self._number = 0

    def compose(self) -> ComposeResult:
        yield Label(" To approve, type the number of files: ", id="asked", markup=False)
        yield Input(id="typed", compact=True, restrict=r"[\d,. ]*", max_length=16)
        yield Label("esc leaves it undecided ", id="unless", markup=False)

    def ask(self, number: int) -> None:
        """Asks for this number."""
        self._number = number
        self.query_one(Input).value = ""
        self.display = True
        self.query_one(Input).focus()

    def hide(self) -> None:
        self.display = False

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        event.stop()
        typed = "".join(sign for sign in event.value if sign.isdigit())
        self.post_message(self.Typed(self._number, typed == str(self._number)))

    def on_resize(self) -> None:
        self.query_one("#unless").display = self.size.width >= _ROOM

    def on_click(self) -> None:
        self.query_one(Input).focus()

    def action_leave(self) -> None:
        self.post_message(self.Left())
