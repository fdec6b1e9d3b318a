"""Makes the pictures of the dashboard from what it really shows: python docs/images/dashboard.py [DIR]

It runs `treeledger daemon` on a small NAS in a new home, lets things happen there, opens every screen, and
writes each as an SVG, here or into DIR. What the engine tells of its home is shown as `/volume1`.
"""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import anyio
from make import without_web_fonts
from textual.pilot import Pilot

from treeledger.config.configuration import load
from treeledger.panels import panels_of
from treeledger.transport import Transport
from treeledger.tui.app import Dashboard
from treeledger.tui.pages import PLACES
from treeledger.tui.theme import DARK, LIGHT

SIZE = (100, 30)
WITHIN = 60.0  # seconds that anything may take to come
SHOWN_AS = b"/volume1"
MB = 10**6
FILE = "config/treeledger/plugins.toml"
CONFIGURATION = """\
host = "nas"

[[repositories]]
name = "photos"
root = "HOME/photos"
ignore = { presets = ["synology"] }

[[repositories]]
name = "archive"
root = "HOME/archive"

[[repositories]]
name = "scans"
root = "HOME/scans"

[[repositories]]
name = "usb-2019"
root = "HOME/usb-2019"

[plugins.phone]
use = "webhook"
url = "http://localhost:PORT/photos"

[plugins.offsite]
use = "webhook"
url = "http://localhost:9/nobody-listens-here"
"""


def show_elsewhere(home: Path) -> None:
    """Has every client told of the new home as if it were a volume of a NAS."""
    decoded = Transport.decoded

    def renamed(self: Transport, content: bytes, kind: Any) -> Any:
        return decoded(self, content.replace(str(home).encode(), SHOWN_AS), kind)

    Transport.decoded = renamed  # type: ignore[method-assign]


def write(file: Path, megabytes: float, content: str | None = None, *, at: datetime | None = None) -> None:
    """A file of that size, which takes no room on the disk; without `content` its name is what tells it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w") as opened:
        opened.write(content or file.name)
        opened.truncate(int(megabytes * MB))
    if at is not None:
        os.utime(file, (at.timestamp(), at.timestamp()))


def furnish(home: Path) -> None:
    chance = random.Random(7)
    for month, first, count in (("2024/07", 301, 18), ("2025/08", 3120, 16), ("2025/11", 4380, 12)):
        for number in range(first, first + count):
            at = datetime.strptime(f"{month}/{1 + (number - first) * 3 // 2}", "%Y/%m/%d")
            write(home / f"photos/{month}/IMG_{number:04}.CR3", chance.uniform(22, 31), at=at)
            write(home / f"photos/{month}/IMG_{number:04}.jpg", chance.uniform(4, 11), at=at)
    for name in ("IMG_0310.jpg", "IMG_0311.jpg"):
        write(home / f"photos/best of/{name}", 8.5, "the same")
    write(home / "photos/2024/07/edited/IMG_0310.jpg", 8.5, "the same")
    write(home / "photos/@eaDir/IMG_0301.jpg/thumb.jpg", 0.1)
    for number in range(48):
        write(
            home / f"archive/{2016 + number // 24}/{number % 24:02}/tape-{number:03}.mov",
            chance.uniform(30, 40),
        )
    for number in range(120):
        write(home / f"scans/letters/{number:04}.pdf", chance.uniform(0.4, 3))
    for number in range(20):
        write(home / f"usb-2019/DCIM/P{number:03}.jpg", chance.uniform(2, 5))


async def live(home: Path) -> None:
    """What happens in half a minute: most of the archive goes, a disk is unplugged, photos come in."""
    photos = home / "photos"
    shutil.rmtree(home / "archive/2016")
    shutil.rmtree(home / "archive/2017/05")
    (home / "usb-2019").rename(home / "unplugged")
    chance = random.Random(11)
    for number in range(4401, 4418):
        for _ in range(chance.randint(1, 3)):
            write(photos / f"inbox/IMG_{number}-{chance.randint(1, 9)}.jpg", chance.uniform(4, 11))
        await anyio.sleep(chance.uniform(0.2, 1.4))
    (photos / "2024/07/IMG_0313.jpg").unlink()
    await anyio.sleep(1)
    write(photos / "2024/07/IMG_0312.jpg", 9.8, "edited")
    await anyio.sleep(1)
    first = min((photos / "inbox").iterdir())
    first.rename(photos / "2025/11" / first.name)
    await anyio.sleep(1)
    write(photos / "2025/11/IMG_4417.xmp", 0.0062)
    write(photos / "2025/11/IMG_4417.CR3", 28.1)
    await anyio.sleep(3)


class Receiver(BaseHTTPRequestHandler):
    """What the webhook sends to."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(HTTPStatus.NO_CONTENT)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: it would be printed."""


@contextmanager
def receiving() -> Iterator[int]:
    """The port at which it does."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Receiver) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


@contextmanager
def daemon(home: Path, port: int) -> Iterator[None]:
    file = home / FILE
    file.parent.mkdir(parents=True)
    file.write_text(CONFIGURATION.replace("HOME", str(home)).replace("PORT", str(port)))
    file.chmod(0o600)
    environ = {
        **os.environ,
        "XDG_CONFIG_HOME": str(home / "config"),
        "XDG_STATE_HOME": str(home / "state"),
        "XDG_RUNTIME_DIR": str(home / "run"),
    }
    command = [sys.executable, "-m", "treeledger", "daemon"]
    nowhere = subprocess.DEVNULL
    running = subprocess.Popen(command, cwd=home, env=environ, stdout=nowhere, stderr=nowhere)
    try:
        yield
    finally:
        running.send_signal(signal.SIGTERM)
        running.wait(WITHIN)


class Stage:
    """The dashboard without a terminal, and where its pictures go."""

    def __init__(self, app: Dashboard, pilot: Pilot[None], folder: Path) -> None:
        self.app = app
        self.pilot = pilot
        self.folder = folder

    @property
    def text(self) -> str:
        lines = self.app.screen._compositor.render_strips()
        return "\n".join("".join(piece.text for piece in line) for line in lines)

    async def until(self, pattern: str) -> None:
        with anyio.fail_after(WITHIN):
            while not re.search(pattern, self.text):
                await self.pilot.pause(0.05)

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)
        await self.pilot.pause(0.5)

    def keep(self, name: str) -> None:
        svg = without_web_fonts(self.app.export_screenshot(title="treeledger", simplify=True))
        (self.folder / f"{name}.svg").write_text(svg + "\n", encoding="utf-8")


async def take(shown: Stage, home: Path) -> None:
    await shown.until(r"usb-2019 +● watching")
    await shown.until(r"photos +● watching")
    await live(home)
    await shown.until(r"archive +■ held")
    await shown.until(r"usb-2019 +○ offline")
    await shown.press("down")
    await shown.until("Changes  photos")
    shown.keep("home")
    shown.app.theme = LIGHT.name
    await shown.pilot.pause(0.5)
    shown.keep("home-light")
    shown.app.theme = DARK.name
    for place in PLACES:
        if place.name != "home":
            await shown.app.switch_mode(place.name)
            await shown.pilot.pause(1)
            await DOING.get(place.name, nothing)(shown)
            shown.keep(place.name)


async def nothing(shown: Stage) -> None:
    """The screen is shown as it opens."""


async def type_pattern(shown: Stage) -> None:
    await shown.until(r"synology")
    await shown.press("enter", *"inbox/", "enter", *"*.xmp")
    await shown.pilot.pause(2)


async def choose_held(shown: Stage) -> None:
    await shown.press("home")
    await shown.until("Held deletion")
    await shown.until("elsewhere")


async def choose_last(shown: Stage) -> None:
    await shown.press("end")


DOING: dict[str, Callable[[Stage], Awaitable[Any]]] = {
    "attention": choose_held,
    "ignore": type_pattern,
    "plugins": choose_last,
}


async def show(home: Path, folder: Path) -> None:
    async def find() -> str | None:
        socket = home / "run/treeledger/api.sock"
        return f"unix:{socket}" if socket.exists() else None

    configuration = load(home / FILE, {})
    app = Dashboard(find, panels=partial(panels_of, configuration))
    async with app.run_test(size=SIZE) as pilot:
        await take(Stage(app, pilot, folder), home)


def main(folder: Path) -> None:
    with tempfile.TemporaryDirectory() as made:
        home = Path(made).resolve()
        show_elsewhere(home)
        furnish(home)
        with receiving() as port, daemon(home, port):
            anyio.run(show, home, folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
