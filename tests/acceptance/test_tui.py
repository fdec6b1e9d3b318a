"""`treeledger tui` in a real terminal: on an engine of its own, on one that runs, and where it cannot be."""

from __future__ import annotations

import re
import signal
from pathlib import Path

from daemons import daemon, has_ended, photos
from executable import Executable, state_of, until

SIZE = {"COLUMNS": "80", "LINES": "24"}


def test_it_watches_with_an_engine_of_its_own_which_ends_with_it(tmp_path: Path) -> None:
    treeledger = Executable(tmp_path)
    folder = photos(tmp_path)
    with treeledger.started("tui", folder, **SIZE) as running:
        running.until("● watching")
        (folder / "b.jpg").write_text("two")
        running.until(r"b\.jpg")
        running.type("q")
        running.until(r"Quit\?")
        running.type("\r")
        assert running.wait() == 0
    assert has_ended(treeledger)


def test_an_engine_of_its_own_ends_even_if_the_dashboard_is_killed(tmp_path: Path) -> None:
    treeledger = Executable(tmp_path)
    with treeledger.started("tui", photos(tmp_path), **SIZE) as running:
        running.until("● watching")
        running.signal(signal.SIGKILL)
        running.process.wait()
        until(lambda: has_ended(treeledger), "the engine ends")


def test_it_goes_on_as_it_was_when_it_was_stopped_by_another(tmp_path: Path) -> None:
    with Executable(tmp_path).started("tui", photos(tmp_path), **SIZE) as running:
        running.until("● watching")
        running.signal(signal.SIGSTOP)
        running.signal(signal.SIGCONT)
        running.type("q")
        running.until(r"Quit\?")
        running.type("\r")
        assert running.wait() == 0
        assert running.raw.count(b"\x1b[?1049h") == 1  # its own screen


def test_one_that_was_suspended_draws_itself_again(tmp_path: Path) -> None:
    with Executable(tmp_path).started("tui", photos(tmp_path), **SIZE) as running:
        running.until("● watching")
        running.signal(signal.SIGTSTP)
        until(lambda: state_of(running.process.pid) == "T", "stopped")
        running.signal(signal.SIGCONT)
        running.type("q")
        running.until(r"Quit\?")
        running.type("\r")
        assert running.wait() == 0
        assert running.raw.count(b"\x1b[?1049h") == 2  # its own screen


def test_it_shows_a_daemon_and_leaves_it_running(tmp_path: Path) -> None:
    folder = photos(tmp_path)
    with daemon(tmp_path) as running:
        with Executable(tmp_path).started("tui", **SIZE) as window:
            window.until("● watching")
            window.until("daemon .*sqlite ledger")
            (folder / "b.jpg").write_text("two")
            window.until(r"b\.jpg")
            window.type("q")
            assert window.wait() == 0
        assert running.process.poll() is None


def test_what_its_own_engine_logs_is_shown_and_printed_nowhere(tmp_path: Path) -> None:
    treeledger = Executable(tmp_path)
    folder = photos(tmp_path)
    config = tmp_path / "plugins.toml"
    config.write_text('[plugins.phone]\nuse = "webhook"\nurl = "http://127.0.0.1:9/"\n')
    config.chmod(0o600)
    with treeledger.started("--config", config, "tui", folder, **SIZE) as running:
        running.until("● watching")
        running.type("8")
        running.until("In memory only, the last")
        running.until("phone: is new; it starts with the change after")
        (folder / "b.jpg").write_text("two")
        running.until(r"▲ warning +phone: (\d)-\1 failed, try 1")
        running.type("q")
        running.until(r"Quit\?")
        running.type("\r")
        assert running.wait() == 0


def test_without_a_terminal_it_says_what_to_do_instead(tmp_path: Path) -> None:
    assert "needs a terminal" in Executable(tmp_path)("tui", code=2).err


def test_whoever_has_nothing_under_care_yet_is_welcome(tmp_path: Path) -> None:
    treeledger = Executable(tmp_path)
    folder = photos(tmp_path)
    with treeledger.started("tui", **SIZE) as running:
        running.until("Nothing is under care yet")
        running.type("a")
        running.until("▸ photos")
        running.type(str(folder))  # in the place of the folder that is proposed
        running.until(re.escape(folder.name) + " +│")
        running.type("\r")
        running.until("photos.+● watching")
        running.type("q")
        running.until(r"Quit\?")
        running.type("\r")
        assert running.wait() == 0
    assert has_ended(treeledger)
