"""What works for a screen ends before its widgets go."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from textual.widget import Widget as _Base
else:
    _Base = object


class Ending(_Base):
    """Of a screen: its workers are cancelled as soon as it is closed.

    Textual cancels them once the screen's widgets are gone, and an answer that comes in between finds none to
    be written to.
    """

    def _on_prune(self) -> None:
        for node in self.walk_children(with_self=True):
            self.workers.cancel_node(node)
