"""What a service manager is told: sd_notify(3), one datagram a message."""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import MutableMapping
from typing import Final

log = logging.getLogger(__name__)

_SOCKET: Final = "NOTIFY_SOCKET"
_WATCHDOG: Final = "WATCHDOG_USEC"
_WATCHED: Final = "WATCHDOG_PID"
_LONGEST_STATUS: Final = 500  # characters


class Notifier:
    """Tells the manager that started this process; nobody, if none wants to be told.

    `watchdog` is the time in seconds after which it takes a process that says nothing for dead, None if it
    does not look.
    """

    def __init__(self, address: str | None = None, watchdog: float | None = None) -> None:
        """`address`: a path, or a name in the abstract namespace, written with "@" first (unix(7))."""
        self.watchdog = watchdog
        self._address = address

    @classmethod
    def taken_from(cls, environ: MutableMapping[str, str]) -> Notifier:
        """As the environment says, from which it is taken: the processes started from here are not meant."""
        address = environ.pop(_SOCKET, None)
        span, pid = environ.pop(_WATCHDOG, ""), environ.pop(_WATCHED, str(os.getpid()))
        is_meant = span.isdecimal() and int(span) > 0 and pid == str(os.getpid())
        return cls(address, int(span) / 1e6 if is_meant else None)

    def ready(self, status: str) -> None:
        self._send("READY=1", _status(status))

    def reloading(self) -> None:
        """To be followed by `ready`. The time is what the manager tells stale messages by."""
        micros = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        self._send("RELOADING=1", f"MONOTONIC_USEC={micros}", _status("reading the configuration again"))

    def stopping(self) -> None:
        self._send("STOPPING=1", _status("stopping"))

    def status(self, status: str) -> None:
        """What goes on, for people."""
        self._send(_status(status))

    def starting(self, status: str, seconds: float) -> None:
        """The start goes on, and takes so long at most before it is told of again."""
        self._send(f"EXTEND_TIMEOUT_USEC={round(seconds * 1e6)}", _status(status))

    def alive(self) -> None:
        self._send("WATCHDOG=1")

    def _send(self, *lines: str) -> None:
        if self._address is None:
            return
        name = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
                sender.setblocking(False)
                sender.sendto("\n".join(lines).encode("utf-8", "replace"), name)
        except OSError as error:  # whoever manages us has a socket that is full, or none any more
            log.debug("the service manager was not told %s: %s", lines[0], error)


def _status(text: str) -> str:
    return f"STATUS={' '.join(text.split())[:_LONGEST_STATUS]}"
