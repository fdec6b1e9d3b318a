"""Peers that tell of a file that was written: the bare event, or as much of the job as a script does."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.bare import EVENTS
from benchmarks.peers import installed, tried


@dataclass(frozen=True, slots=True)
class EventPeer:
    """A program that prints the path of each file that was written, installed below a folder for tools.

    `prepare` says whether it can be had; `command` wants the tree as its last argument.
    """

    name: str
    delivers: str
    prepare: Callable[[Path], bool]
    command: Callable[[Path], Sequence[str]]
    version: Callable[[Path], Sequence[str]]


_WATCHFILES: Final = """
import sys, watchfiles
for changes in watchfiles.watch(sys.argv[1], debounce=10, step=1):
    print(*(path for _, path in changes), sep="\\n", flush=True)
"""
_CHOKIDAR: Final = """
import {watch} from 'chokidar';
watch(process.argv[2]).on('all', (event, path) => console.log(path));
"""


def _has_watchfiles(tools: Path) -> bool:
    python = _python(tools)
    if not Path(python).exists():
        tried([sys.executable, "-m", "venv", str(tools / "watchfiles")])
        tried([python, "-m", "pip", "install", "-q", "watchfiles"])
    return tried([python, "-c", "import watchfiles"])


def _python(tools: Path) -> str:
    return str(tools / "watchfiles/bin/python")


def _has_chokidar(tools: Path) -> bool:
    folder = tools / "chokidar"
    package = folder / "node_modules/chokidar"
    if not package.exists():
        folder.mkdir(parents=True, exist_ok=True)
        tried(["npm", "install", "--silent", "--prefix", str(folder), "chokidar"])
    (folder / "watch.mjs").write_text(_CHOKIDAR)
    return package.exists() and shutil.which("node") is not None


def _has_inotifywait(tools: Path) -> bool:
    return installed("inotifywait", "inotify-tools")


_BARE_EVENT: Final = "the event alone"

SCRIPT: Final = EventPeer(
    "a script: inotifywait, sha256, sqlite3",
    "hash and row",
    _has_inotifywait,
    lambda tools: [sys.executable, str(Path(__file__).with_name("bare.py")), str(tools / "bare.db")],
    lambda tools: [sys.executable, "--version"],
)
EVENT_PEERS: Final = (
    SCRIPT,
    EventPeer(
        "inotifywait",
        _BARE_EVENT,
        _has_inotifywait,
        lambda tools: EVENTS,
        lambda tools: ["inotifywait", "--help"],
    ),
    EventPeer(
        "watchfiles",
        _BARE_EVENT,
        _has_watchfiles,
        lambda tools: [_python(tools), "-c", _WATCHFILES],
        lambda tools: [_python(tools), "-c", "import watchfiles; print(watchfiles.__version__)"],
    ),
    EventPeer(
        "chokidar",
        _BARE_EVENT,
        _has_chokidar,
        lambda tools: ["node", str(tools / "chokidar/watch.mjs")],
        lambda tools: [
            "node",
            "-p",
            f"require('{tools}/chokidar/node_modules/chokidar/package.json').version",
        ],
    ),
)
