"""Lines that begin with a key: a click on one does what the key does."""

from __future__ import annotations

from textual import events

from treeledger.tui.texts import Tone
from treeledger.tui.widgets.pane import Pane


class KeyedPane(Pane):
    """A pane some lines of which begin with a key in the tone STRONG."""

    def on_click(self, event: events.Click) -> None:
        offset = event.get_content_offset(self)
        if offset is None or offset.y >= len(self.lines):
            return
        line = self.lines[offset.y]
        key = line[0].text.strip() if line and line[0].tone is Tone.STRONG else ""
        if len(key) == 1:
            self.app.simulate_key(key)
