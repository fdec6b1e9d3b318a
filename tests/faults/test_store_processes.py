"""The store and the program: what a person sees when the ledger is away, and how it ends then."""

from __future__ import annotations

import signal
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path

import psycopg
import pytest
from executable import Executable, Running, until
from matrix import fault
from postgres_server import OwnServer

Away = Callable[[], AbstractContextManager[None]]


class Place:
    """A program, its ledger, a tree, and a way to take the ledger away for a while."""

    def __init__(self, program: Executable, root: Path, away: Away) -> None:
        self.program = program
        self.root = root
        self.away = away


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    root = tmp_path / "tree"
    root.mkdir()
    (root / "a").write_text("a")
    if request.param == "sqlite":
        program = Executable(tmp_path)
        return Place(program, root, lambda: _locked(program.ledger))
    server: OwnServer = request.getfixturevalue("own_server")
    return Place(Executable(tmp_path, store=server.url("ledger")), root, lambda: _stopped(server))


@contextmanager
def _locked(ledger: Path) -> Iterator[None]:
    """Nobody else may write."""
    with closing(sqlite3.connect(ledger, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield


@contextmanager
def _stopped(server: OwnServer) -> Iterator[None]:
    server.stop()
    try:
        yield
    finally:
        server.start()


def _ends_in_time(running: Running, number: int = signal.SIGTERM) -> None:
    assert running.stop(number) == 0


@fault(
    "SIGTERM while the store is away",
    "watch ends within five seconds and says what is not written; the next start scans",
)
def test_told_to_stop_while_the_store_is_away(place: Place) -> None:
    with place.program.started("watch", place.root) as running:
        running.until("watching, ")
        with place.away():
            (place.root / "b").write_text("b")
            running.until("tree is degraded")
            _ends_in_time(running)
            assert "everything settled is written" not in running.text
    [status] = place.program("status", "--json").json
    assert status["state"] == "stopped"
    with place.program.started("watch", place.root) as running:
        running.until("1 added")
        _ends_in_time(running)
    assert b"running" not in place.program("operations", "--json").out


@fault("SIGTERM while PostgreSQL is frozen", "watch ends within five seconds; the next start scans")
def test_told_to_stop_while_the_store_is_frozen(tmp_path: Path, own_server: OwnServer) -> None:
    root = tmp_path / "tree"
    root.mkdir()
    program = Executable(tmp_path, store=own_server.url("ledger"))
    with program.started("watch", root) as running:
        running.until("watching, ")
        with own_server.frozen():
            (root / "b").write_text("b")
            running.until("is degraded: ")  # a write is under way, and has no answer
            _ends_in_time(running)
            assert "everything settled is written" not in running.text
    with program.started("watch", root) as running:
        running.until("1 added")
        _ends_in_time(running)


@fault("PostgreSQL is away when watch starts", "it says so, waits, and watches once it is there")
def test_away_at_the_start(tmp_path: Path, own_server: OwnServer) -> None:
    root = tmp_path / "tree"
    root.mkdir()
    program = Executable(tmp_path, store=own_server.url("ledger"))
    with _stopped(own_server), program.started("watch", root) as running:
        running.until("is away")
        _ends_in_time(running, signal.SIGINT)
    own_server.stop()
    with program.started("watch", root) as running:
        running.until("is away")
        own_server.start()
        running.until("watching, ")
        _ends_in_time(running)


@fault("PostgreSQL is away when a single command starts", "exit code 4, and what is the matter")
@pytest.mark.parametrize("command", ["status", "scan", "changes"])
def test_away_for_a_command(tmp_path: Path, own_server: OwnServer, command: str) -> None:
    program = Executable(tmp_path, store=own_server.url("ledger"))
    arguments = ("scan", tmp_path) if command == "scan" else (command,)
    with _stopped(own_server):
        done = program(*arguments, code=4)
    assert "is away" in done.err


@pytest.fixture
def guarded(own_server: OwnServer) -> Iterator[OwnServer]:
    """A server with roles that are not let in, for one reason or another."""
    rules = own_server.data / "pg_hba.conf"
    before = rules.read_text()
    rules.write_text("local all guarded scram-sha-256\n" + before)
    own_server.execute(
        "CREATE ROLE guarded LOGIN PASSWORD 'right'", "CREATE ROLE weak LOGIN", "SELECT pg_reload_conf()"
    )
    until(lambda: not _lets_in(own_server.url(user="guarded")), "the new rules in force")
    yield own_server
    rules.write_text(before)
    own_server.execute("DROP ROLE guarded", "DROP ROLE weak", "SELECT pg_reload_conf()")


def _lets_in(url: str) -> bool:
    try:
        with psycopg.connect(url):
            return True
    except psycopg.OperationalError:
        return False


@fault(
    "a wrong password, no such role or database, no right",
    "exit code 4 at once, also of watch, without the password",
)
@pytest.mark.parametrize(
    ("user", "password", "database", "words"),
    [
        ("guarded", "wrong-one", "ledger", "password authentication failed"),
        ("nobody-known", "", "ledger", "does not exist"),
        ("postgres", "", "no_such", "does not exist"),
        ("weak", "", "ledger", "permission denied"),
    ],
    ids=["password", "role", "database", "right"],
)
def test_not_let_in(
    tmp_path: Path, guarded: OwnServer, user: str, password: str, database: str, words: str
) -> None:
    program = Executable(tmp_path, store=guarded.url(database, user, password))
    for command in (("status",), ("watch", str(tmp_path))):
        done = program(*command, code=4)
        assert words in done.err
        assert "wrong-one" not in done.err


@fault(
    "the database is dropped under a running watch",
    "said so; an empty one in its place is not taken for a ledger",
)
def test_dropped(tmp_path: Path, own_server: OwnServer) -> None:
    program = Executable(tmp_path, store=own_server.url("ledger"))
    root = tmp_path / "tree"
    root.mkdir()
    with program.started("watch", root) as running:
        running.until("watching, ")
        own_server.execute("DROP DATABASE ledger WITH (FORCE)")
        running.until("does not let me in")
        program("status", code=4)
        own_server.execute("CREATE DATABASE ledger")
        running.until("holds no ledger any more")
        assert running.wait() == 4
    tables = own_server.execute(
        "SELECT count(*) FROM information_schema.tables WHERE table_schema = 'public'", database="ledger"
    )
    assert tables == [(0,)]


@fault("the ledger was written by a newer program", "every command refuses it, and nothing is changed")
def test_newer_schema(tmp_path: Path, store_url: str) -> None:
    program = Executable(tmp_path, store=store_url)
    (tmp_path / "tree").mkdir()
    program("scan", "tree")
    newer = "INSERT INTO schema_migrations VALUES (9999, 'later', {})"
    if store_url.startswith("sqlite:"):
        with closing(sqlite3.connect(store_url.removeprefix("sqlite:"))) as ledger, ledger:
            ledger.execute(newer.format("0"))
    else:
        with psycopg.connect(store_url) as server:
            server.execute(newer.format("now()").encode())
    for command in (("status",), ("scan", "tree"), ("watch", "tree"), ("migrate", "up")):
        assert "newer treeledger" in program(*command, code=4).err
