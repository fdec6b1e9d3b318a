"""A real HTTP server on the loopback interface that keeps what it is sent and answers as it is told."""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple


class Delivery(NamedTuple):
    """One POST as it came in. Names of headers are in lower case."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def ns(self) -> list[int]:
        """The numbers of its changes."""
        return [change["n"] for change in self.json["changes"]]

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Receiver:
    """`answers` are given in turn, then 204 to all: a status and headers, or what raises or blocks."""

    url: str = ""
    deliveries: list[Delivery] = field(default_factory=list)
    answers: deque[tuple[int, dict[str, str]] | Callable[[], object]] = field(default_factory=deque)

    def handler(self) -> type[BaseHTTPRequestHandler]:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                body = self.rfile.read(length)
                if len(body) < length:  # who sends it was killed meanwhile
                    return
                headers = {name.lower(): value for name, value in self.headers.items()}
                receiver.deliveries.append(Delivery(self.path, headers, body))
                answer = receiver.answers.popleft() if receiver.answers else (204, {})
                if callable(answer):
                    answer()
                    self.close_connection = True
                    return
                self.send_response(answer[0])
                for name, value in answer[1].items():
                    self.send_header(name, value)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                pass

        return Handler


@contextmanager
def receiving() -> Iterator[Receiver]:
    receiver = Receiver()
    server = ThreadingHTTPServer(("127.0.0.1", 0), receiver.handler())
    receiver.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
