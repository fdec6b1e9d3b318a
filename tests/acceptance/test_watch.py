"""`treeledger watch` on a terminal: progress, then each change within a second, whatever ends it."""

from __future__ import annotations

import os
import re
import signal
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from executable import Executable, Running, grown, until
from holding import held
from receiver import receiving
from test_equality import in_ledger, on_disk

from benchmarks.measure import HeldUp

WATCHING = "^(tree|large): watching, "  # after the startup scan
_AT_MOST = 3.0  # seconds from an operation to its line, in which the disk may be busy; a second is promised


@pytest.fixture
def treeledger(tmp_path: Path) -> Executable:
    """In a home with a ledger that holds nothing yet."""
    executable = Executable(tmp_path)
    executable("status")
    return executable


@pytest.fixture
def tree(treeledger: Executable) -> Path:
    root = treeledger.home / "tree"
    (root / "sub").mkdir(parents=True)
    (root / "old.txt").write_text("old")
    return root


@pytest.fixture
def large(treeledger: Executable) -> Path:
    """A tree whose scan takes a second or two."""
    return grown(treeledger.home / "large")


def states(treeledger: Executable) -> list[str]:
    return [one["state"] for one in treeledger("status", "--json").json]


def appear(treeledger: Executable, file: Path, text: str) -> None:
    """A file that is there at once, with all that is in it."""
    written = treeledger.home / "written"
    written.write_text(text)
    written.rename(file)


def statuses(treeledger: Executable) -> list[str]:
    return [one["status"] for one in treeledger("operations", "--json").json]


def test_progress_then_every_change_within_a_second(
    treeledger: Executable, large: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, renamed = large / "7/new \x1b[31mred\n.txt", large / "8/renamed.txt"

    def create() -> None:
        file.write_text("one")

    def change() -> None:
        file.write_text("three")

    def rename() -> None:
        file.rename(renamed)

    def rename_folder() -> None:
        (large / "8").rename(large / "9/eight")

    def remove() -> None:
        (large / "9/eight/renamed.txt").unlink()

    shown = re.escape(r"new \x1b[31mred\x0a.txt")
    operations: list[tuple[Callable[[], None], str]] = [
        (create, rf"added +7/{shown}"),
        (change, rf"modified +7/{shown}"),
        (rename, rf"moved +7/{shown} → 8/renamed\.txt"),
        (rename_folder, r"moved +8/renamed\.txt → 9/eight/renamed\.txt"),
        (remove, r"deleted +9/eight/renamed\.txt"),
    ]
    took = {}
    with treeledger.started("watch", large) as running:
        running.until(r"Scanning large.* files/s")
        running.until(r"^large: 6,000 files in .*; 6,000 added$")
        running.until(WATCHING)
        for operation, line in operations:
            others = HeldUp(running.process.pid, os.getpid())
            operation()
            took[operation.__name__] = running.until(line) - others.seconds
        until(lambda: in_ledger(treeledger) == on_disk(large), "the ledger equal to the tree")
        running.signal(signal.SIGINT)
        assert running.wait() == 0
        assert "stopped; everything settled is written" in running.text
    with capsys.disabled():
        print("  shown after", ", ".join(f"{name} {seconds:.2f} s" for name, seconds in took.items()))
    assert max(took.values()) < _AT_MOST, took
    assert set(statuses(treeledger)) == {"completed"}


def test_what_is_killed_in_the_middle_of_a_scan_loses_nothing(treeledger: Executable, large: Path) -> None:
    scan = held(treeledger.home, large / "7")
    with treeledger.started("--config", scan.config, "watch", large) as running:
        until(lambda: treeledger("files", "-0").out, "the first files recorded")
        running.signal(signal.SIGKILL)
        running.process.wait()
    scan.let_go()
    (large / "0/0").write_text("changed while nobody looked")
    (large / "1/1").unlink()
    (large / "2/2").rename(large / "3/two")
    with treeledger.started("watch", large) as running:
        running.until(WATCHING)
        until(lambda: in_ledger(treeledger) == on_disk(large), "the ledger equal to the tree")
        assert statuses(treeledger).count("running") <= 1  # of this engine
        running.signal(signal.SIGTERM)
        assert running.wait() == 0
    found = statuses(treeledger)
    assert found[-1] == "failed"
    assert "running" not in found


def test_what_is_killed_between_changes_loses_nothing(treeledger: Executable, tree: Path) -> None:
    with treeledger.started("watch", tree) as running:
        running.until(WATCHING)
        for number in range(50):
            (tree / f"sub/{number}").write_text(str(number))
        running.until(r"added +sub/")
        running.signal(signal.SIGKILL)
        running.process.wait()
    (tree / "old.txt").unlink()
    with treeledger.started("watch", tree) as running:
        running.until(WATCHING)
        until(lambda: in_ledger(treeledger) == on_disk(tree), "the ledger equal to the tree")
        entries = treeledger("changes", "--since", "0", "--json").json
        added = [entry["path"] for entry in entries if entry["kind"] == "added"]
        assert len(added) == len(set(added)) == 51
    assert treeledger("scan", tree).text.startswith("tree: scanned=50 added=0 updated=0 moved=0 removed=0")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "Ctrl-C"])
def test_it_ends_in_less_than_five_seconds_even_while_it_reads(
    treeledger: Executable, tree: Path, number: signal.Signals
) -> None:
    with (tree / "huge").open("wb") as file:
        file.truncate(200 << 30)  # of holes
    with treeledger.started("watch", tree) as running:
        running.until(WATCHING)
        (tree / "new.txt").write_text("new")
        assert running.stop(number, group=True) == 0
        assert "stopped; everything settled is written" in running.text
    assert "running" not in statuses(treeledger)
    (tree / "huge").unlink()
    assert "new.txt" in treeledger("scan", tree).text or b"new.txt" in treeledger("files", "-0").out


def test_of_one_that_cannot_listen_it_is_said_that_it_has_the_ledger(
    treeledger: Executable, tree: Path
) -> None:
    too_long = f"/{'x' * 200}"  # for the path of a socket
    with treeledger.started("watch", tree, RUNTIME_DIRECTORY=too_long) as running:
        running.until(WATCHING)
        for command in ("watch", "scan", "scrub"):
            done = treeledger(command, tree, code=1)
            assert f"treeledger watch (process {running.process.pid} on " in done.err
            assert "Nothing was changed. Stop it" in done.err
            assert done.out == b""
        (status,) = treeledger("status", "--json").json
        assert status["engine"] == f"watch (pid {running.process.pid})"
        until(lambda: treeledger("status", "--json").json[0]["state"] == "watching", "its state told")
        assert treeledger("files", "-0").out == b"old.txt\0"
        assert "added=0" in treeledger("scan", tree, "--dry-run").text
    treeledger("scan", tree)  # the lock of a killed one is free


def test_looking_on_loses_nothing_of_what_a_new_ledger_is_told(treeledger: Executable, tree: Path) -> None:
    treeledger.ledger.unlink()
    with treeledger.started("watch", tree) as running:
        running.until(WATCHING)
        treeledger("status")
        (tree / "new.txt").write_text("new")
        running.until(r"added +new\.txt")
        assert treeledger("files", "-0").out == b"new.txt\0old.txt\0"
        running.signal(signal.SIGTERM)
        running.wait()
    assert treeledger("files", "-0").out == b"new.txt\0old.txt\0"
    with closing(sqlite3.connect(treeledger.ledger)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_repository_removed_elsewhere_is_let_go_of(treeledger: Executable, tree: Path) -> None:
    with treeledger.started("watch", tree) as running:
        running.until(WATCHING)
        treeledger("repo", "remove", "tree")
        running.until("^treeledger: tree is stopped: it was removed from the ledger")
        running.signal(signal.SIGINT)
        assert running.wait() == 0
        assert "failure" not in running.text


def test_a_repository_paused_elsewhere_is_paused_until_it_is_resumed(
    treeledger: Executable, tree: Path
) -> None:
    with treeledger.started("watch", tree) as running:
        running.until(WATCHING)
        treeledger("repo", "pause", "tree")
        running.until("^treeledger: tree is paused: go on with: treeledger repo resume tree")
        (tree / "meanwhile.txt").write_text("meanwhile")
        treeledger("repo", "resume", "tree")
        running.until(r"^tree: 2 files in .*; 1 added")
        until(lambda: in_ledger(treeledger) == on_disk(tree), "the ledger equal to the tree")


def test_rules_added_elsewhere_hold_at_once(treeledger: Executable, tree: Path) -> None:
    with treeledger.started("watch", tree) as running:
        running.until(WATCHING)
        treeledger("ignore", "add", "*.log", "--repo", "tree")
        until(lambda: len(treeledger("operations", "--json").json) > 1, "another startup scan")
        (tree / "new.log").write_text("new")
        (tree / "new.txt").write_text("new")
        running.until(r"added +new\.txt")
    assert treeledger("files", "-0").out == b"new.txt\0old.txt\0"


def test_dead_jobs_of_its_actions_wait_for_a_person(treeledger: Executable, tree: Path) -> None:
    with receiving() as phone:
        phone.answers.append((400, {}))
        file = treeledger.home / "plugins.toml"
        file.write_text(f'[plugins.phone]\nuse = "webhook"\nurl = "{phone.url}"\n')
        file.chmod(0o600)
        with treeledger.started("--config", file, "watch", tree) as running:
            running.until(WATCHING)
            until(lambda: waiting(treeledger) == ["dead_job:phone"], "noted that it waits")


def waiting(treeledger: Executable) -> list[str]:
    """The keys of what waits, as an engine noted it."""
    with closing(sqlite3.connect(treeledger.ledger)) as ledger:
        return [key for (key,) in ledger.execute("SELECT key FROM attention WHERE over_at IS NULL")]


def test_without_a_terminal_it_prints_plain_lines(treeledger: Executable, tree: Path) -> None:
    with treeledger.started("watch", tree, terminal=False) as running:
        running.until(WATCHING)
        appear(treeledger, tree / "new.txt", "new")
        running.until(r"^\d\d:\d\d:\d\d  added +new\.txt  3 B  [0-9a-f]{8}$")
        running.signal(signal.SIGTERM)
        assert running.wait() == 0
    assert not {0x1B, 0x0D} & set(running.raw)


def test_without_colour_it_moves_the_cursor_only_for_progress(treeledger: Executable, tree: Path) -> None:
    def line(**environ: str) -> bytes:
        with treeledger.started("watch", tree, **environ) as running:
            running.until(WATCHING)
            (tree / "old.txt").write_text(running.text)
            running.until(r"modified +old\.txt")
            running.signal(signal.SIGINT)
            running.wait()
        return next(one for one in running.raw.splitlines() if b"old.txt" in one)

    assert b"\x1b[33mmodified" in line()
    assert b"\x1b" not in line(NO_COLOR="1")


def test_it_ends_when_nobody_reads_it_any_more(treeledger: Executable, tree: Path) -> None:
    with treeledger.started("watch", tree, terminal=False) as running:
        running.until(WATCHING)
        running.hang_up()
        (tree / "new.txt").write_text("new")
        assert running.wait() == 0
    assert treeledger("files", "-0").out == b"new.txt\0old.txt\0"


def test_json_lines_are_all_it_prints(treeledger: Executable, tree: Path) -> None:
    os.mkfifo(tree / "fifo")
    with treeledger.started("watch", tree, "--json", terminal=False) as running:
        running.until('"path": ?"old.txt"')
        (tree / "new\n.txt").write_text("new")
        running.until(r'"path": ?"new\\n.txt"')
        running.signal(signal.SIGINT)
        assert running.wait() == 0
    assert all(line.startswith("{") and line.endswith("}") for line in lines(running))


def lines(running: Running) -> list[str]:
    return running.text.splitlines()


def test_a_stopped_reader_holds_up_nobody_and_misses_nothing(treeledger: Executable, tree: Path) -> None:
    """The pipe is full after 64 KiB: what is printed then waits, what is recorded does not."""
    with treeledger.started("watch", tree, "--json", terminal=False, reads=False) as running:
        until(lambda: states(treeledger) == ["watching"], "watching")
        for number in range(1000):
            (tree / f"sub/{number}").write_text(str(number))
        until(lambda: in_ledger(treeledger) == on_disk(tree), "the ledger equal to the tree")
        running.read()
        until(lambda: running.text.count('"added"') >= 1001, "every file told")
        running.signal(signal.SIGINT)
        assert running.wait() == 0
    assert running.text.count('"added"') == 1001


def test_it_ends_in_less_than_five_seconds_though_nobody_reads(treeledger: Executable, tree: Path) -> None:
    with treeledger.started("watch", tree, "--json", terminal=False, reads=False) as running:
        until(lambda: states(treeledger) == ["watching"], "watching")
        for number in range(1000):
            (tree / f"sub/{number}").write_text(str(number))
        until(lambda: in_ledger(treeledger) == on_disk(tree), "the ledger equal to the tree")
        assert running.stop() == 0
    assert "running" not in statuses(treeledger)
