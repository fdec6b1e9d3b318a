"""Screens that read something beside the snapshot: while somebody looks at them, and only then."""

from __future__ import annotations

from typing import ClassVar

import anyio
from textual.worker import Worker

from treeledger.errors import EngineAway, TreeledgerError
from treeledger.names import shown
from treeledger.tui.screens.page import Page
from treeledger.tui.working import begin


class FollowingPage(Page):
    """Reads again and again. `trouble` is why it cannot, "" if it can or no engine is there, as another line
    tells."""

    every: ClassVar[float]  # seconds between two readings

    def __init__(self) -> None:
        super().__init__()
        self.trouble = ""
        self._asked = anyio.Event()
        self._worker: Worker[None] | None = None

    async def read(self) -> None:
        """Reads what is shown. Raises TreeledgerError."""
        raise NotImplementedError

    def ask(self) -> None:
        """Has it read at once."""
        self._asked.set()

    def on_screen_resume(self) -> None:
        if self._worker is None or self._worker.is_finished:
            self._worker = begin(self, self._follow, exclusive=True)

    def on_screen_suspend(self) -> None:
        if self._worker is not None:
            self._worker.cancel()

    async def _follow(self) -> None:
        while True:
            self._asked = anyio.Event()
            try:
                await self.read()
                self.trouble = ""
            except EngineAway:
                self.trouble = ""
            except TreeledgerError as error:
                self.trouble = shown(str(error))
            self.show_again()
            with anyio.move_on_after(self.every):
                await self._asked.wait()
