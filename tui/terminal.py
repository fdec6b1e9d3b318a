"""The terminal that the dashboard runs on, of which esc is known for a key in good time."""

from __future__ import annotations

import os
import selectors
from codecs import getincrementaldecoder
from contextlib import suppress
from typing import Final

from textual._parser import ParseError
from textual._xterm_parser import XTermParser
from textual.drivers.linux_driver import LinuxDriver

_LOOK: Final = 0.02  # seconds between two looks whether nothing followed an esc
_REST: Final = 0.1  # seconds between two looks whether it is to end
_AT_ONCE: Final = 4096  # bytes


class TerminalDriver(LinuxDriver):
    """As Textual's, but for two things. That looks every 100 ms whether an esc was a key of its own: as long
    as any key may take to be answered, all in all. And it begins anew at any SIGCONT, beside what runs: one
    comes when a terminal is closed, too, and of `timeout` and `kill`."""

    _is_suspended = False

    def suspend_application_mode(self) -> None:
        self._is_suspended = True
        super().suspend_application_mode()

    def resume_application_mode(self) -> None:
        if self._is_suspended:
            self._is_suspended = False
            super().resume_application_mode()

    def run_input_thread(self) -> None:
        parser = XTermParser(self._debug)
        decode = getincrementaldecoder("utf-8")().decode
        with selectors.SelectSelector() as selector:
            selector.register(self.fileno, selectors.EVENT_READ)
            is_open = False  # an esc came, and it is not known yet what it was
            while not self.exit_event.is_set():
                is_there = selector.select(_LOOK if is_open else _REST)
                text = decode(os.read(self.fileno, _AT_ONCE)) if is_there else ""
                found = [*(parser.feed(text) if text else ()), *parser.tick()]
                is_open = text.endswith("\x1b") or (is_open and not found)
                for event in found:
                    self.process_message(event)
        with suppress(EOFError, ParseError):
            list(parser.feed(""))
