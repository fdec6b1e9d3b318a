"""A real browser without a screen, driven by the DevTools protocol through pipes.

https://chromedevtools.github.io/devtools-protocol/
"""

from __future__ import annotations

import fcntl
import itertools
import json
import os
import re
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from executable import WITHIN, until

_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
    "--remote-debugging-pipe",
)
# xterm.js draws on a canvas and hides its terminal from the page; who assigns it to `this.terminal` tells us.
_CATCH = """
Object.defineProperty(Object.prototype, "terminal", {
  configurable: true,
  set(value) {
    Object.defineProperty(this, "terminal", { value, writable: true, configurable: true, enumerable: true });
    if (value && value.buffer) window.caught = value;
  },
});
"""
_SHOWN = """
window.caught === undefined || document.body.classList.contains("-closed") ? "" :
  [...Array(caught.rows).keys()]
    .map((line) => caught.buffer.active.getLine(line).translateToString(true)).join("\\n")
"""


@contextmanager
def chromium(folder: Path, size: tuple[int, int] = (1100, 700)) -> Iterator[Page]:
    """A page of a browser whose profile is `folder`. Skips the test where there is no Chromium."""
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        pytest.skip("NOT TESTED: there is no chromium here (Debian, Ubuntu: apt install chromium)")
    page = Page([program, *_FLAGS, f"--user-data-dir={folder}", "--window-size={},{}".format(*size)])
    try:
        page.begin()
        yield page
    finally:
        page.end()


class Refused(Exception):
    """The browser did not do what it was asked for, with its reason."""


class Page:
    """One page, what it asked for, and what went wrong in it."""

    def __init__(self, command: list[str]) -> None:
        ours, theirs = _pipe(), _pipe()
        self._process = subprocess.Popen(
            ["bash", "-c", f'exec "$0" "$@" about:blank 3<&{theirs[0]} 4>&{ours[1]}', *command],
            pass_fds=(theirs[0], ours[1]),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        os.close(theirs[0])
        os.close(ours[1])
        self._out, self._in = theirs[1], ours[0]
        self._numbers = itertools.count(1)
        self._answers: dict[int, dict[str, Any]] = {}
        self._session: str | None = None
        self.requests: list[str] = []  # addresses that were asked for, web sockets among them
        self.errors: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def begin(self) -> None:
        until(self._pages, "the page it begins with")
        attached = self.call("Target.attachToTarget", targetId=self._pages()[0], flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")
        self.call("Page.addScriptToEvaluateOnNewDocument", source=_CATCH)

    def _pages(self) -> list[str]:
        targets = self.call("Target.getTargets")["targetInfos"]
        return [one["targetId"] for one in targets if one["type"] == "page"]

    def end(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._reader.join(WITHIN)
        os.close(self._out)
        os.close(self._in)

    def _read(self) -> None:
        rest = b""
        while piece := os.read(self._in, 65536):
            *messages, rest = (rest + piece).split(b"\0")
            for message in messages:
                self._take(json.loads(message))

    def _take(self, message: dict[str, Any]) -> None:
        if "id" in message:
            self._answers[message["id"]] = message
            return
        match message["method"], message["params"]:
            case "Network.requestWillBeSent", {"request": {"url": url}}:
                self.requests.append(url)
            case "Network.webSocketCreated", {"url": url}:
                self.requests.append(url)
            case "Runtime.exceptionThrown", {"exceptionDetails": details}:
                self.errors.append(str(details))
            case "Log.entryAdded", {"entry": {"level": "error", "text": text}}:
                self.errors.append(text)

    def call(self, method: str, **parameters: object) -> dict[str, Any]:
        """What the browser answers. Raises `Refused`."""
        number = next(self._numbers)
        message: dict[str, object] = {"id": number, "method": method, "params": parameters}
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        until(lambda: number in self._answers, f"an answer of the browser to {method}")
        answer = self._answers.pop(number)
        if "error" in answer:
            raise Refused(f"{method}: {answer['error']}")
        result: dict[str, Any] = answer["result"]
        return result

    def open(self, address: str) -> None:
        self.call("Page.navigate", url=address)

    def evaluate(self, script: str) -> Any:
        """What a script gives; None if it fails, as it does in a page that comes or goes."""
        try:
            return self._run(script).get("value")
        except Refused:
            return None

    def act(self, script: str) -> None:
        """Runs a script once the page has what it is about."""

        def acted() -> bool:
            try:
                return self._run(f"{script}; true").get("value") is True
            except Refused:
                return False

        until(acted, script)

    def _run(self, script: str) -> dict[str, Any]:
        value: dict[str, Any] = self.call("Runtime.evaluate", expression=script, returnByValue=True)["result"]
        return value

    @property
    def shown(self) -> str:
        """What the terminal in the page shows, nothing once it has ended."""
        return self.evaluate(_SHOWN) or ""

    @property
    def said(self) -> str:
        """The words of the page itself that can be seen."""
        return self.evaluate("document.body.innerText") or ""

    def until(self, pattern: str) -> None:
        """Until the terminal shows it, a regular expression of lines."""
        try:
            until(lambda: re.search(pattern, self.shown, re.MULTILINE), pattern)
        except AssertionError as error:
            raise AssertionError(f"{error}\nIt shows:\n{self.shown}\n{self.said}\n{self.errors}") from None

    def until_said(self, words: str) -> None:
        until(lambda: words in self.said, words)

    def press(self, key: str) -> None:
        """A key with a character."""
        self.call("Input.dispatchKeyEvent", type="keyDown", key=key, text=key)
        self.call("Input.dispatchKeyEvent", type="keyUp", key=key)


def _pipe() -> tuple[int, int]:
    """With numbers above those that the browser's ends get."""
    ends = os.pipe()
    high = [fcntl.fcntl(one, fcntl.F_DUPFD_CLOEXEC, 20) for one in ends]
    for one in ends:
        os.close(one)
    return high[0], high[1]
