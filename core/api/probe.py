"""Asks an engine, through its socket, whether it is ready: for `doctor`, and for the health of a container.

python -m treeledger.api.probe /run/treeledger/api.sock
"""

from __future__ import annotations

import http.client
import json
import socket
import sys
from typing import Final

_PATIENCE: Final = 5.0  # seconds
_LONGEST: Final = 65536  # bytes of an answer


class _Connection(http.client.HTTPConnection):
    """HTTP through a Unix socket."""

    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def why_not_ready(path: str, timeout: float = _PATIENCE) -> str | None:
    """None if the engine that listens at a path is ready, else what it, or the system, says."""
    connection = _Connection(path, timeout)
    try:
        connection.request("GET", "/readyz")
        answer = connection.getresponse()
        text = answer.read(_LONGEST)
    except (OSError, http.client.HTTPException) as error:
        return f"{path} does not answer: {error}"
    finally:
        connection.close()
    return None if answer.status == http.HTTPStatus.OK else _said(text) or f"it answers {answer.status}"


def _said(text: bytes) -> str:
    """The message of a failure as the API gives it."""
    try:
        return str(json.loads(text)["message"])
    except (ValueError, TypeError, KeyError):
        return ""


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m treeledger.api.probe SOCKET")
    sys.exit(why_not_ready(sys.argv[1]))
