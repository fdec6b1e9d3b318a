"""Panels: what plugins show, each in a tab of its own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Final

from rich.cells import cell_len
from textual import events
from textual.binding import ActiveBinding, Binding, BindingType
from textual.message import Message
from textual.widget import Widget
from textual.worker import Worker

from treeledger.names import shown
from treeledger.protocols.panels import Panel, PanelKey, Piece, Tone
from treeledger.tui.beside import Beside
from treeledger.tui.model import Snapshot
from treeledger.tui.panels import Seat, said_of
from treeledger.tui.screens.page import Page
from treeledger.tui.texts import wrapped
from treeledger.tui.widgets.pane import Pane
from treeledger.tui.working import begin

_LOADED_WITHIN: Final = 10.0  # seconds
_LOADING: Final = "…"
_NONE: Final = (
    "No plugin has a panel. The built-in webhook has one for each table of plugins.toml that uses it;"
    " docs/plugins.md shows how to write one, in some fifteen lines."
)


def tabs_of(names: Sequence[str], chosen: int, width: int) -> Iterator[tuple[int, Piece]]:
    """The names of the panels with their places, the chosen one marked; without room those before it go."""
    texts = [f" {'▸' if place == chosen else ' '} {shown(name)}" for place, name in enumerate(names)]
    begin = 0
    while begin < chosen and sum(map(cell_len, texts[begin : chosen + 1])) > width:
        begin += 1
    for place, text in enumerate(texts[begin:], begin):
        yield place, Piece(text, Tone.STRONG if place == chosen else Tone.DIM)


class PanelTabs(Pane):
    """Names the panels; a click on one chooses it."""

    @dataclass
    class Chosen(Message):
        place: int

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self._names: Sequence[str] = ()
        self._chosen = 0

    def name_them(self, names: Sequence[str], chosen: int) -> None:
        self._names, self._chosen = names, chosen
        self.display = len(names) > 1
        self.show(lambda width: (tuple(piece for _, piece in tabs_of(names, chosen, width)),))

    def on_click(self, event: events.Click) -> None:
        end = 0
        for place, piece in tabs_of(self._names, self._chosen, self.size.width):
            end += cell_len(piece.text)
            if event.x < end:
                self.post_message(self.Chosen(place))
                return


class PanelsPage(Page):
    """One panel at a time, read and drawn while it is on the screen and only then."""

    name_of_mode = "panels"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "right_square_bracket", "turn(1)", "Next", key_display="]", id="panels.next", tooltip="panel"
        ),
        Binding(
            "left_square_bracket",
            "turn(-1)",
            "Previous",
            key_display="[",
            id="panels.previous",
            tooltip="panel",
        ),
        Binding("escape", "app.switch_mode('home')", "Back", key_display="esc"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._panels: Sequence[Panel[Any]] | None = None
        self._seats: dict[int, Seat] = {}
        self._chosen = 0
        self._said = _LOADING
        self._worker: Worker[None] | None = None

    def body(self) -> Iterable[Widget]:
        yield PanelTabs(id="names")
        yield Pane(id="panel")

    def on_screen_resume(self) -> None:
        if self._worker is None or self._worker.is_finished:
            self._begin()

    def on_screen_suspend(self) -> None:
        if self._worker is not None:
            self._worker.cancel()

    def _begin(self) -> None:
        self._worker = begin(self, self._live, exclusive=True)

    async def _live(self) -> None:
        """Loads the panels where that was not done yet, then keeps the chosen one true."""
        if self._panels is None:
            try:
                self._panels = await Beside().do(self.dashboard.panels, _LOADED_WITHIN)
                self._said = _NONE
            except Exception as error:  # plugins are imported here: anything may come out
                self._said = f"The panels cannot be loaded: {said_of(error)}"
        self.show_again()
        self.refresh_bindings()
        if self._seat is not None:
            await self._seat.run()

    @property
    def _seat(self) -> Seat | None:
        if not self._panels:
            return None
        if self._chosen not in self._seats:
            source, now = self.dashboard.source, self.dashboard.now
            panel = self._panels[self._chosen]
            seat = Seat(panel, lambda: source.client.transport.address, self.show_again, now)
            self._seats[self._chosen] = seat
        return self._seats[self._chosen]

    def fill(self, snapshot: Snapshot, now: datetime) -> None:
        self.query_one(PanelTabs).name_them([one.name for one in self._panels or ()], self._chosen)
        pane, seat = self.query_one("#panel", Pane), self._seat
        if seat is None:
            pane.show(lambda width: [(Piece(line),) for line in wrapped(self._said, width, 5)])
            pane.entitle("Panels")
            return
        seat.resize(pane.content_size)
        pane.show(lambda width: seat.lines)
        pane.entitle(shown(seat.shown.title))

    def action_turn(self, by: int) -> None:
        if self._panels:
            self._choose((self._chosen + by) % len(self._panels))

    def on_panel_tabs_chosen(self, message: PanelTabs.Chosen) -> None:
        self._choose(message.place)

    def _choose(self, place: int) -> None:
        self._chosen = place
        self.show_again()
        self.refresh_bindings()
        self._begin()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return action != "turn" or len(self._panels or ()) > 1

    def _keys(self) -> list[PanelKey]:
        """Those of the panel, without what the dashboard has itself."""
        seat, own = self._seat, super().active_bindings
        return [] if seat is None else [one for one in seat.shown.keys if one.key not in own]

    @property
    def active_bindings(self) -> dict[str, ActiveBinding]:
        """With the keys of the panel, so that they are named where all keys are."""
        of_panel = {
            one.key: ActiveBinding(
                self, Binding(one.key, f"panel_key({one.key!r})", shown(one.label)), True, ""
            )
            for one in self._keys()
        }
        return {**of_panel, **super().active_bindings}

    def on_key(self, event: events.Key) -> None:
        seat = self._seat
        key = next((one for one in self._keys() if one.key == event.key), None)
        if seat is not None and key is not None:
            event.stop()
            begin(self, self._press, seat, key, group="keys")

    async def _press(self, seat: Seat, key: PanelKey) -> None:
        try:
            said = await seat.press(key)
        except Exception as error:  # the plugin's own code ran: anything may come out
            self.notify(said_of(error), severity="error", timeout=10, markup=False)
        else:
            self.notify(said, markup=False)
