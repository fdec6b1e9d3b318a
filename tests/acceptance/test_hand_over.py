"""Commands while an engine runs: it does what they ask, and they print what they print alone."""

from __future__ import annotations

import json
import re
import signal
import socket
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from hashlib import sha256
from pathlib import Path

import psycopg
import pytest
from executable import Done, Executable, Running, until

FILES = 30
_HUGE = 200 << 30  # bytes, of holes: it takes minutes to read


class Home:
    """A home with a tree of thirty files that was scanned once, and the engine that keeps it."""

    def __init__(self, treeledger: Executable) -> None:
        self.treeledger = treeledger
        self.tree = treeledger.home / "tree"
        self.tree.mkdir()
        for n in range(FILES):
            (self.tree / f"{n:02}").write_text(f"text {n}")
        treeledger("scan", self.tree)

    @property
    def socket(self) -> Path:
        return self.treeledger.ledger.with_name("api.sock")

    @contextmanager
    def kept(self, command: str = "watch", **environ: str) -> Iterator[Running]:
        """While an engine runs, is past its startup scan, and has said where it answers, if it can."""
        arguments = (command, self.tree) if command == "watch" else (command,)
        lock = Path(f"{self.treeledger.ledger}.lock")
        with self.treeledger.started(*arguments, **environ) as running:
            try:
                until(lambda: self.states() == ["watching"], "watching")
                if not environ:
                    until(lambda: f"unix:{self.socket}".encode() in lock.read_bytes(), "it answers")
            except AssertionError as error:
                raise AssertionError(f"{error}; {self.states()}; it printed:\n{running.text}") from None
            yield running
            if running.process.poll() is None:
                running.signal(signal.SIGCONT)
                running.signal(signal.SIGTERM)
                assert running.wait() == 0

    def states(self) -> list[str]:
        """Of the repositories, by name, as the running engine noted them."""
        with closing(sqlite3.connect(self.treeledger.ledger)) as ledger:
            rows = ledger.execute(
                "SELECT paused, health FROM repositories WHERE removed_at IS NULL ORDER BY name"
            )
            return ["paused" if paused else json.loads(health).get("state", "") for paused, health in rows]

    def operations(self, type: str) -> list[str]:
        """The statuses of the operations of a type, newest first."""
        told = self.treeledger("operations", "--json").json
        return [one["status"] for one in told if one["type"] == type]

    def corrupt(self, path: str) -> None:
        """As if the content had changed without a trace: the hash on record is of another one."""
        with closing(sqlite3.connect(self.treeledger.ledger)) as ledger, ledger:
            ledger.execute("UPDATE file_records SET content_hash = ? WHERE file_path = ?", ("0" * 64, path))


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(Executable(tmp_path))


def said(done: Done) -> tuple[str, str]:
    """What was printed, without what no two runs have in common."""
    out, err = (
        re.sub(r'duration=\S+|"(duration|operation)": ?[0-9.]+|\bid=\d+', "", text)
        for text in (done.text, done.err)
    )
    return out, err


def test_a_scan_prints_what_it_prints_alone(home: Home) -> None:
    runs = [("scan",), ("scan", "tree", "--rehash", "--json"), ("scan", home.tree, "--no-wait")]
    alone = [said(home.treeledger(*one)) for one in runs]
    before = home.operations("manual")
    with home.kept():
        assert [said(home.treeledger(*one)) for one in runs] == alone
        assert home.operations("manual") == ["completed"] * len(runs) + before


def test_a_new_folder_is_scanned_and_one_that_is_away_is_told(home: Home) -> None:
    other, away = home.treeledger.home / "other", home.treeledger.home / "away"
    other.mkdir()
    (other / "new").write_text("new")
    with home.kept("daemon"):
        assert "scanned=1 added=1 updated=0 moved=0 removed=0 hashed=1" in home.treeledger("scan", other).text
        home.tree.rename(away)
        assert "Nothing was changed" in home.treeledger("scan", "tree", code=5).err
        away.rename(home.tree)


def test_progress_is_shown(home: Home) -> None:
    with home.kept(), home.treeledger.started("scrub", "--rate", "10") as asking:
        asking.until(r"Scrubbing tree.* \d+ B/s")
        asking.signal(signal.SIGINT)
        assert asking.wait() == 130


def test_what_is_held_is_told_and_decided(home: Home) -> None:
    with home.kept():
        for n in range(25):
            (home.tree / f"{n:02}").unlink()
        until(lambda: home.states() == ["held"], "held")
        held = home.treeledger("scan", code=3)
        assert "Nothing was deleted. If they are really gone, run: treeledger deletions approve 1" in held.err
        assert "removed=0" in held.text
        rejected = home.treeledger("deletions", "reject", "1")
        assert rejected.text.startswith("rejected: the records stay missing")
        approved = home.treeledger("deletions", "approve", "1")
        assert approved.text.startswith("approved: 25 records are deleted now;")
        until(lambda: home.states() == ["watching"], "no longer held")
        assert "closed" in home.treeledger("deletions", "approve", "1", code=2).err


def test_a_scrub_prints_what_it_prints_alone(home: Home) -> None:
    runs = [("scrub", "--files", "3", home.tree), ("scrub", "--json")]
    alone = [said(home.treeledger(*one)) for one in runs]
    with home.kept():
        assert [said(home.treeledger(*one)) for one in runs] == alone
        home.corrupt("07")
        found = home.treeledger("scrub", code=3)
        assert f"scrubbed={FILES} bytes=" in found.text
        assert "corrupted=1" in found.text
        assert "1 file corrupted, 0 unreadable; their hashes are kept" in found.err
        accepted = home.treeledger("scrub", "--accept", home.tree / "07")
        good = sha256(b"text 7").hexdigest()
        assert accepted.text == f"tree: 07: accepted: {good} instead of {'0' * 64}\n"
        refused = home.treeledger("scrub", "--accept", home.tree / "08", code=2)
        assert "not corrupted" in refused.err


def test_repositories_come_move_pause_and_go(home: Home) -> None:
    treeledger, there = home.treeledger, home.treeledger.home / "there"
    (treeledger.home / "other").mkdir()
    with home.kept("daemon"):
        assert treeledger("repo", "add", "./other").text.startswith("added other: ")
        until(lambda: home.states() == ["watching", "watching"], "the new one watched")
        assert treeledger("repo", "pause", "other").text.startswith("paused other;")
        until(lambda: home.states() == ["paused", "watching"], "paused")
        assert treeledger("repo", "resume", "other").text == "resumed other\n"
        until(lambda: home.states() == ["watching", "watching"], "watched again")
        assert treeledger("repo", "remove", "other").text.startswith("removed other;")
        until(lambda: home.states() == ["watching"], "removed")
        home.tree.rename(there)
        moved = treeledger("repo", "relocate", "tree", "./there")
        assert moved.text == f"tree is at {there} now; scan it with: treeledger scan tree\n"
        until(lambda: home.states() == ["watching"], "watched there")
        assert "does not exist" in treeledger("repo", "relocate", "tree", "./nowhere", code=5).err
        assert "holds none of" in treeledger("repo", "relocate", "tree", "./state", code=2).err


def test_hashes_are_imported(home: Home) -> None:
    sums = home.treeledger.home / "sums"
    good = sha256(b"text 7").hexdigest()
    sums.write_text(f"{good}  07\n{'0' * 64}  08\n{'1' * 64}  nothing\nno sum\n")
    alone = home.treeledger("import", "sha256sum", sums)
    with home.kept():
        assert home.treeledger("import", "sha256sum", sums) == alone
    assert alone.text == "seeded=0 known=1 differing=1 unknown=1\n"


def test_a_second_watch_goes_along_and_then_takes_its_place(home: Home) -> None:
    other = home.treeledger.home / "other"
    other.mkdir()
    with home.kept("daemon") as first, home.treeledger.started("watch", home.tree) as second:
        second.until(rf"^through treeledger daemon \(process {first.process.pid}\), which goes on")
        second.until(r"^tree: watching, ")
        home.treeledger("scan", other)
        (other / "elsewhere").write_text("not asked for")
        (home.tree / "new").write_text("new")
        second.until(r"added +new  3 B")
        first.signal(signal.SIGKILL)
        second.until(r"has ended; watching from here now$")
        second.until(r"^tree: watching, (?s:.*)^tree: watching, ")
        (home.tree / "newer").write_text("newer")
        second.until(r"added +newer  5 B")
        second.signal(signal.SIGINT)
        assert second.wait() == 0
        assert "other" not in second.text
        assert "elsewhere" not in second.text
        first.process.wait()


def test_of_two_that_begin_at_once_one_goes_along(home: Home) -> None:
    with (
        home.treeledger.started("watch", home.tree) as one,
        home.treeledger.started("watch", home.tree) as other,
    ):
        one.until("^tree: watching, ")
        other.until("^tree: watching, ")
        assert ("through" in one.text) is not ("through" in other.text)


def test_on_postgresql_it_is_the_same(tmp_path: Path, postgres_url: str) -> None:
    treeledger, tree = Executable(tmp_path, store=postgres_url), tmp_path / "tree"
    tree.mkdir()
    (tree / "old").write_text("old")
    treeledger("scan", tree)
    with treeledger.started("daemon") as daemon, psycopg.connect(postgres_url, autocommit=True) as server:
        until(lambda: server.execute("SELECT 1 FROM engine_locks WHERE address <> ''").rowcount, "it answers")
        done = treeledger("scrub")
        assert done.text.startswith("tree: scrubbed=1 bytes=3 corrupted=0 modified=0 unreadable=0")
        daemon.signal(signal.SIGKILL)
        daemon.process.wait()
        assert treeledger("scan").text.startswith("tree: scanned=1 added=0")


# --- what is broken off ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "words"), [("scan", "Scan again for the rest"), ("scrub", "Scrub again for the rest")]
)
def test_who_stops_asking_stops_the_work(home: Home, command: str, words: str) -> None:
    with home.kept():
        asked = begin_endless(home, command)
        with home.treeledger.started(*asked) as asking:
            type = "manual" if command == "scan" else "scrub"
            until(lambda: home.operations(type)[:1] == ["running"], "it has begun")
            asking.signal(signal.SIGINT)
            assert asking.wait() == 130
            assert words in asking.text
        until(lambda: "running" not in home.operations(type), "it was stopped")
        until(lambda: home.states() == ["watching"], "it goes on")


def begin_endless(home: Home, command: str) -> tuple[str, ...]:
    """A command that takes minutes from now on."""
    if command == "scrub":
        return "scrub", "--rate", "1"
    with (home.tree / "huge").open("wb") as file:
        file.truncate(_HUGE)
    return "scan", "tree"


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_an_engine_that_ends_meanwhile_is_told(home: Home, how: signal.Signals) -> None:
    with home.kept() as engine, home.treeledger.started("scrub", "--rate", "1") as asking:
        until(lambda: home.operations("scrub")[:1] == ["running"], "it has begun")
        engine.signal(how)
        assert asking.wait() == 1
        assert re.search(r"^treeledger: the engine .*is on record", asking.text, re.MULTILINE)
        engine.process.wait()
    assert f"scrubbed={FILES}" in home.treeledger("scrub").text
    assert home.operations("scrub") == ["completed", "failed"]


# --- no engine that answers ------------------------------------------------------------------------


def assert_refused(home: Home, engine: Running, done: Done) -> None:
    assert f"treeledger watch (process {engine.process.pid} on " in done.err
    assert "Nothing was changed. Stop it" in done.err
    assert done.out == b""


def test_a_socket_that_may_not_be_opened_is_as_none(home: Home) -> None:
    with home.kept() as engine:
        home.socket.chmod(0)
        refused = home.treeledger("scan", home.tree, code=1, without_roots_rights=True)
        assert_refused(home, engine, refused)


def test_what_a_killed_engine_left_is_in_nobodys_way(home: Home) -> None:
    with home.kept() as engine:
        engine.signal(signal.SIGKILL)
        engine.process.wait()
    assert home.socket.is_socket()
    assert f"scanned={FILES}" in home.treeledger("scan", home.tree).text


@pytest.mark.slow
def test_a_stopped_engine_is_not_waited_for_for_long(home: Home) -> None:
    with home.kept() as engine:
        engine.signal(signal.SIGSTOP)
        assert until(lambda: assert_refused(home, engine, home.treeledger("scan", code=1)) or True, "") < 20


_OTHERS = {
    "nothing": b"",
    "another protocol": b"SSH-2.0-OpenSSH_9.2p1\r\n",
    "no JSON": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    "another version": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
    "another engine": b'HTTP/1.1 200 OK\r\nContent-Length: 35\r\n\r\n{"owner":"other","command":"watch"}',
    "another server": b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
}


def test_another_program_at_its_address_is_not_taken_for_it(home: Home) -> None:
    with home.kept() as engine:
        for answer in _OTHERS.values():
            home.socket.unlink()
            with answering(home.socket, answer):
                assert_refused(home, engine, home.treeledger("scan", code=1))


@contextmanager
def answering(path: Path, answer: bytes) -> Iterator[None]:
    """A program that gives everyone the same answer."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()

        def serve() -> None:
            with suppress(OSError):  # the listener was closed
                while True:
                    with listener.accept()[0] as connection:
                        connection.recv(65536)
                        connection.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
