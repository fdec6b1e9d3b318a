"""A real terminal: a shell in tmux, which draws what programs print, so that it can be read line by line."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from executable import COMMAND, Executable, until

_PROMPT = "ready $ "


@contextmanager
def terminal(treeledger: Executable, size: tuple[int, int] = (80, 24), **environ: str) -> Iterator[Terminal]:
    """A shell in which `treeledger` is the executable. Skips the test where there is no tmux."""
    program = shutil.which("tmux")
    if program is None:
        pytest.skip("NOT TESTED: there is no tmux here (Debian, Ubuntu: apt install tmux)")
    opened = Terminal([program, "-S", str(treeledger.home / "tmux"), "-f", "/dev/null"])
    try:
        opened.begin(treeledger, size, environ)
        yield opened
    finally:
        opened.end()


class Terminal:
    """What it shows, and a person's hands on its keys."""

    def __init__(self, tmux: list[str]) -> None:
        self._tmux = tmux

    def _ask(self, *arguments: str) -> str:
        done = subprocess.run(
            [*self._tmux, *arguments], capture_output=True, text=True, check=True, timeout=60
        )
        return done.stdout

    def begin(self, treeledger: Executable, size: tuple[int, int], environ: dict[str, str]) -> None:
        script = treeledger.home / "shell"
        words = " ".join(COMMAND)
        script.write_text(f'PS1="{_PROMPT}"\ntreeledger() {{ {words} "$@"; echo "it ended with $?"; }}\n')
        values = treeledger.environ({"TERM": "tmux-256color"} | environ)
        shell = ["env", "-i", *(f"{name}={value}" for name, value in values.items())]
        columns, lines = size
        self._ask(
            *("new-session", "-d", "-x", str(columns), "-y", str(lines), "-c", str(treeledger.home)),
            *(*shell, "bash", "--noprofile", "--rcfile", str(script), "-i"),
        )
        self.until(re.escape(_PROMPT.strip()))

    def end(self) -> None:
        subprocess.run([*self._tmux, "kill-server"], capture_output=True, check=False, timeout=60)

    def type(self, *keys: str) -> None:
        """Keys by tmux's names (`Enter`, `C-c`), or texts."""
        self._ask("send-keys", *keys)

    def resize(self, columns: int, lines: int) -> None:
        self._ask("resize-window", "-x", str(columns), "-y", str(lines))

    @property
    def shown(self) -> str:
        return self._ask("capture-pane", "-p")

    @property
    def painted(self) -> str:
        """With the escape sequences of colours and styles."""
        return self._ask("capture-pane", "-p", "-e")

    @property
    def pid(self) -> int:
        """Of what the shell runs in the foreground."""
        shell = int(self._ask("display-message", "-p", "#{pane_pid}"))
        children = Path(f"/proc/{shell}/task/{shell}/children").read_text().split()
        return int(children[-1])

    def until(self, wanted: str | Callable[[], object], what: str = "") -> None:
        """Until it shows it, a regular expression of lines, or until a condition holds."""
        holds = (lambda: re.search(wanted, self.shown, re.MULTILINE)) if isinstance(wanted, str) else wanted
        try:
            until(holds, what or str(wanted))
        except AssertionError as error:
            raise AssertionError(f"{error}\nIt shows:\n{self.shown}") from None
