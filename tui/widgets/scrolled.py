"""A text of any length in a window: it scrolls, and its frame says that there is more."""

from __future__ import annotations

from textual.containers import VerticalScroll


class Scrolled(VerticalScroll):
    """Scrolled by arrows, pages and the mouse; "↓ more" is in its frame until its end is seen."""

    def on_mount(self) -> None:
        for what in ("scroll_y", "virtual_size", "container_size"):
            self.watch(self, what, self._look)

    def _look(self) -> None:
        """Once all its sizes are what they will be."""
        self.call_after_refresh(self._tell)

    def _tell(self) -> None:
        self.border_subtitle = "↓ more" if self.scroll_y < self.max_scroll_y else ""
