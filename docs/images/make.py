"""Makes the picture of README.md from what the program really prints: python docs/images/make.py

It runs `treeledger watch` in a terminal of its own, in a new home with a small folder of photos, changes
the folder step by step, and turns what came out into an SVG. The new home is shown as `~`.
"""

from __future__ import annotations

import os
import pty
import random
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from io import StringIO
from pathlib import Path

from rich.console import Console
from rich.text import Text

WIDTH = 96
WITHIN = 20.0  # seconds that any line may take to come
FONT = "Menlo, Consolas, 'DejaVu Sans Mono', monospace"


class Terminal:
    """A program with a terminal for its output, and a pipe for its messages."""

    def __init__(self, command: list[str], home: Path) -> None:
        ours, theirs = pty.openpty()
        environ = {
            "HOME": str(home),
            "PATH": os.environ["PATH"],
            "TERM": "xterm-256color",
            "COLUMNS": str(WIDTH),
        }
        self.process = subprocess.Popen(
            command, cwd=home, env=environ, stdin=theirs, stdout=theirs, stderr=subprocess.PIPE
        )
        os.close(theirs)
        assert self.process.stderr is not None
        self.sources = [ours, self.process.stderr.fileno()]
        self.output = ""

    def until(self, text: str) -> None:
        """Reads on until the program has printed a text. Raises TimeoutError."""
        end = time.monotonic() + WITHIN
        while text not in self.output:
            ready, _, _ = select.select(self.sources, [], [], end - time.monotonic())
            if not ready:
                raise TimeoutError(f"{text!r} did not come; so far: {self.output}")
            for source in ready:
                self.read(source)

    def read(self, source: int) -> None:
        try:
            data = os.read(source, 65536)
        except OSError:  # the program has ended
            data = b""
        if not data:
            self.sources.remove(source)
        self.output += data.decode().replace("\r\n", "\n")

    def stop(self) -> None:
        self.process.send_signal(signal.SIGINT)
        self.until("stopped;")
        self.process.wait(WITHIN)


def photos(folder: Path, first: int, count: int) -> None:
    """Files that are called like photos, with content that is the same in every picture."""
    chance = random.Random(first)
    folder.mkdir(parents=True)
    for number in range(first, first + count):
        (folder / f"IMG_{number}.JPG").write_bytes(chance.randbytes(chance.randint(200_000, 900_000)))


def remove(*folders: Path) -> None:
    for folder in folders:
        shutil.rmtree(folder)


def session(home: Path) -> str:
    """What a person sees who watches a folder and changes it."""
    pictures = home / "Pictures"
    photos(pictures / "2024" / "Lisbon", 4101, 14)
    photos(pictures / "2025" / "Garden", 4115, 24)
    photos(pictures / "2026" / "11-Prague", 4139, 26)
    lisbon, prague = pictures / "2024" / "Lisbon", pictures / "2026" / "11-Prague"
    steps: list[tuple[Callable[[], object], str]] = [
        (lambda: shutil.copy(lisbon / "IMG_4101.JPG", prague / "IMG_4165.JPG"), "added  "),
        (lambda: (prague / "IMG_4165.JPG").write_bytes(b"edited" * 60_000), "modified "),
        (lambda: (lisbon / "IMG_4101.JPG").rename(lisbon / "tram 28.JPG"), "moved  "),
        (lambda: (lisbon / "IMG_4102.JPG").unlink(), "deleted  "),
        (lambda: remove(pictures / "2025", pictures / "2026"), "is held"),
    ]
    terminal = Terminal([str(Path(sys.executable).with_name("treeledger")), "watch", str(pictures)], home)
    try:
        terminal.until("folders")
        for step, text in steps:
            step()
            terminal.until(text)
        terminal.stop()
    finally:
        terminal.process.kill()
    return terminal.output.replace(str(home), "~")


def picture(output: str) -> str:
    """The output as an SVG that names no font of the web."""
    console = Console(record=True, width=WIDTH, file=StringIO(), force_terminal=True)
    console.print(Text("$ treeledger watch ~/Pictures", style="bold"))
    console.print(Text.from_ansi(output.strip()), soft_wrap=False)
    return without_web_fonts(console.export_svg(title="treeledger", unique_id="treeledger"))


def without_web_fonts(svg: str) -> str:
    """An SVG of Rich that names no font of the web, in letters so high that frames have no gaps."""
    svg = re.sub(r"@font-face \{.*?\}\s*|<!--.*?-->\s*", "", svg, flags=re.DOTALL)
    return svg.replace("Fira Code, monospace", FONT).replace("font-size: 20px", "font-size: 21px")


def main() -> None:
    with tempfile.TemporaryDirectory() as home:
        svg = picture(session(Path(home).resolve()))
    Path(__file__).with_name("watch.svg").write_text(svg, encoding="utf-8")


if __name__ == "__main__":
    main()
