"""What is typed on a real terminal: letters that come in parts, keys that begin with esc, and esc itself."""

from __future__ import annotations

import os
from collections.abc import Iterator
from queue import Queue
from threading import Event, Thread

import pytest
from textual import events
from textual.message import Message

from treeledger.tui.terminal import TerminalDriver


class Driver(TerminalDriver):
    """Reads a pipe, and keeps the keys."""

    def __init__(self, fileno: int) -> None:
        self.fileno = fileno
        self.exit_event = Event()
        self.keys: Queue[str] = Queue()
        self._debug = False

    def process_message(self, message: Message) -> None:
        if isinstance(message, events.Key):
            self.keys.put(message.key)


@pytest.fixture
def typed() -> Iterator[tuple[int, Driver]]:
    theirs, ours = os.pipe()
    driver = Driver(theirs)
    thread = Thread(target=driver.run_input_thread, daemon=True)
    thread.start()
    yield ours, driver
    driver.exit_event.set()
    thread.join(15)
    assert not thread.is_alive()
    os.close(ours)
    os.close(theirs)


def test_each_key_is_told(typed: tuple[int, Driver]) -> None:
    terminal, driver = typed
    for sent, key in (
        (b"a", "a"),
        (b"\x1b", "escape"),
        (b"\x1b[A", "up"),
        (b"\x1b\x1b[B", "escape"),
        (b"", "down"),
        ("é".encode()[:1], None),
        ("é".encode()[1:], "é"),
    ):
        os.write(terminal, sent)
        if key is not None:
            assert driver.keys.get(timeout=15) == key
    assert driver.keys.empty()
