"""`treeledger tui` in a terminal that draws: what is on the screen, whatever becomes of the terminal."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path

import pytest
from daemons import daemon, has_ended, photos
from executable import Executable, is_running, until
from rich.cells import cell_len
from tmux import Terminal, terminal

pytestmark = pytest.mark.slow


def wait_until_drawn(shown: Terminal, columns: int, lines: int) -> None:
    """Until the frames fill the window, and its last line names the keys: a terminal draws line by line."""

    def is_drawn() -> bool:
        rows = shown.shown.rstrip("\n").split("\n")
        frames = [row for row in rows if row.startswith(("╭", "│", "╰"))]
        return (
            len(rows) == lines
            and "enter Open" in rows[-1]
            and len(frames) > 4
            and {cell_len(row) for row in frames} == {columns}
        )

    shown.until(is_drawn, f"a picture of {columns}x{lines}")


def leave(shown: Terminal) -> None:
    shown.type("q")
    shown.until("The engine of this window ends with it")
    shown.type("Enter")
    shown.until("^it ended with 0$")
    assert "╭" not in shown.shown


def test_it_is_drawn_at_every_size_and_ctrl_c_ends_nothing(tmp_path: Path) -> None:
    treeledger = Executable(tmp_path)
    folder = photos(tmp_path)
    with terminal(treeledger) as shown:
        shown.type("treeledger tui photos", "Enter")
        shown.until(r"photos +● watching +1 ")
        wait_until_drawn(shown, 80, 24)
        (folder / "b.jpg").write_text("two")
        shown.until(r"added +b\.jpg")
        shown.resize(200, 60)
        wait_until_drawn(shown, 200, 60)
        shown.resize(60, 20)
        wait_until_drawn(shown, 60, 20)
        shown.resize(30, 8)
        shown.until("This window has 30x8 cells")
        shown.resize(80, 24)
        shown.until(r"photos +● watching +2 ")
        shown.type("2")
        shown.until(r"photos +startup")
        shown.type("C-c")
        shown.type("1")
        (folder / "c.jpg").write_text("three")
        shown.until(r"added +c\.jpg")
        leave(shown)
    assert has_ended(treeledger)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_in_order(number: signal.Signals, tmp_path: Path) -> None:
    treeledger = Executable(tmp_path)
    photos(tmp_path)
    with terminal(treeledger) as shown:
        shown.type("treeledger tui photos", "Enter")
        shown.until("● watching")
        os.kill(shown.pid, number)
        shown.until("^it ended with [0-9]+$")
        assert "╭" not in shown.shown
        shown.type("echo typed", "Enter")
        shown.until("^typed$")
        assert "Traceback" not in shown.shown
        assert has_ended(treeledger)


def test_a_terminal_that_is_closed_takes_the_dashboard_with_it_but_no_daemon(tmp_path: Path) -> None:
    photos(tmp_path)
    with daemon(tmp_path) as running:
        with terminal(Executable(tmp_path)) as shown:
            shown.type("treeledger tui", "Enter")
            shown.until("● watching")
            shown.until("daemon .*sqlite ledger")
            pid = shown.pid
        until(lambda: not is_running(pid), "the dashboard ends")
        assert running.process.poll() is None


def test_after_it_was_killed_the_terminal_can_be_used_again(tmp_path: Path) -> None:
    treeledger = Executable(tmp_path)
    photos(tmp_path)
    with terminal(treeledger) as shown:
        shown.type("treeledger tui photos", "Enter")
        shown.until("● watching")
        os.kill(shown.pid, signal.SIGKILL)
        shown.until("Killed|it ended with 137")
        until(lambda: has_ended(treeledger), "the engine ends")
        shown.type("clear", "Enter")
        shown.until(lambda: "╭" not in shown.shown, "a clear screen")
        shown.type("treeledger tui", "Enter")
        shown.until("● watching")
        wait_until_drawn(shown, 80, 24)
        leave(shown)
        shown.type("echo typed", "Enter")
        shown.until("^typed$")


def test_without_colours_it_says_the_same(tmp_path: Path) -> None:
    photos(tmp_path)
    with terminal(Executable(tmp_path), NO_COLOR="1", COLORTERM="truecolor") as shown:
        shown.type("treeledger tui photos", "Enter")
        shown.until(r"▸ photos +● watching")
        painted = shown.painted
        colours = re.findall(r"[34]8;2;(\d+);(\d+);(\d+)", painted)
        assert colours
        assert [one for one in colours if len(set(one)) > 1] == []
        assert re.findall(r"\x1b\[(?:[34][0-7]|[34]8;5;\d+)m", painted) == []
        leave(shown)


def test_a_terminal_that_cannot_draw_is_told_what_can_be_done(tmp_path: Path) -> None:
    with Executable(tmp_path).started("tui", TERM="dumb") as running:
        assert running.wait() == 2
        assert "TERM=xterm-256color treeledger tui" in running.text
