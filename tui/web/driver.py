"""The terminal of a dashboard that a browser shows: packets on stdin and stdout, of whoever started it."""

from __future__ import annotations

from textual import messages
from textual.drivers.web_driver import WebDriver


class WindowDriver(WebDriver):
    """Ends the dashboard when the other end of stdin is closed, as it is when the server is killed."""

    def run_input_thread(self) -> None:
        super().run_input_thread()
        if not self.exit_event.is_set():
            self.send_message(messages.ExitApp())
