"""PostgreSQL: a server that stops, crashes, hangs, is full or lets nobody in, under a running engine."""

# ruff: noqa: ASYNC220 - what is done to the machine is done at once

from __future__ import annotations

import logging
import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import psycopg
import pytest
from machine import fill, mounted
from matrix import fault
from postgres_server import OwnServer
from support import Tree, tree_on, until

from treeledger.engine import engine, session
from treeledger.engine.hub import RepositoryState
from treeledger.protocols import Applied

pytestmark = pytest.mark.anyio

DEGRADED, WATCHING = RepositoryState.DEGRADED, RepositoryState.WATCHING


@pytest.fixture
async def tree(tmp_path: Path, own_server: OwnServer) -> AsyncIterator[Tree]:
    """A tree whose ledger is on a server of this test's own; in the end it must be sound."""
    async with tree_on(tmp_path / "tree", own_server.url("ledger")) as tree:
        yield tree
        await tree.check_sound()


@pytest.fixture(autouse=True)
def no_traceback(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Whatever happens, nobody is shown a traceback, and nothing fails that was not foreseen."""
    yield
    shown = [record for record in caplog.records if record.exc_info or record.levelno >= logging.ERROR]
    assert shown == []


def grow(tree: Tree, files: int) -> None:
    for number in range(files):
        tree.write(f"d{number % 7}/{number}", f"content {number}")


def strike(tree: Tree, *batches: int, blow: Callable[[], object]) -> None:
    """Lets something happen, in a thread, before certain batches are written; each try counts."""
    apply, calls = tree.ledger.store.apply, iter(range(1, 1_000_000))

    async def struck(*arguments: Any, **options: Any) -> Applied:
        if next(calls) in batches:
            await anyio.to_thread.run_sync(blow)
        return await apply(*arguments, **options)

    tree.ledger.store.apply = struck  # type: ignore[method-assign]


@fault("PostgreSQL is stopped while nothing happens, and started", "degraded at once, then watching again")
async def test_stopped_in_quiet(tree: Tree, own_server: OwnServer) -> None:
    async with tree.watched():
        await anyio.to_thread.run_sync(own_server.stop)
        await tree.until_told(DEGRADED, "is away")
        tree.write("meanwhile")
        await anyio.to_thread.run_sync(own_server.start)
        await tree.until_present("meanwhile")
        await tree.until_told(WATCHING)


@fault("PostgreSQL is stopped during a burst of writes, and started", "every write is in the ledger")
async def test_stopped_in_a_burst(tree: Tree, own_server: OwnServer) -> None:
    async with tree.watched():
        grow(tree, 100)
        await tree.until_present("d0/0")
        await anyio.to_thread.run_sync(own_server.stop)
        grow(tree, 300)
        tree.write("d0/0", "changed while the store was away")
        (tree.root / "d1/1").unlink()
        await tree.until_told(DEGRADED)
        await anyio.to_thread.run_sync(own_server.start)
        await tree.until_equal()


@fault("PostgreSQL is restarted, or crashes, during a scan", "the scan goes on and ends complete")
@pytest.mark.parametrize("mode", ["fast", "immediate"])
async def test_restarted_in_a_scan(tree: Tree, own_server: OwnServer, mode: str) -> None:
    grow(tree, 2500)
    strike(tree, 2, blow=partial(own_server.restart, mode))
    operation = await tree.ledger.scan(tree.repository)
    assert operation.counts.files_scanned == 2500
    await tree.until_equal()


async def is_past(moment: datetime) -> bool:
    return datetime.now(UTC) > moment


@fault("PostgreSQL is away for longer than the lease", "the engine has its repository still, and goes on")
async def test_away_for_longer_than_the_lease(
    tree: Tree, own_server: OwnServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "LEASE_SECONDS", 1.0)
    monkeypatch.setattr(session, "LEASE_SECONDS", 1.0)
    async with tree.watched():
        lease = await tree.ledger.repository(tree.repository.id)
        await anyio.to_thread.run_sync(own_server.stop)
        await tree.until_told(DEGRADED)
        tree.write("meanwhile")
        over = lease.lease_until
        assert over is not None
        await until(partial(is_past, over), "the lease is over")
        await anyio.to_thread.run_sync(own_server.start)
        await tree.until_present("meanwhile")

        async def is_renewed() -> bool:
            [(runs,)] = own_server.execute("SELECT lease_until > now() FROM repositories", database="ledger")
            return bool(runs)

        await until(is_renewed, "the lease renewed")
        assert (await tree.ledger.repository(tree.repository.id)).fence == lease.fence


@fault("all connections are killed, again and again, during a scan", "batches are tried again, none twice")
async def test_connections_killed_in_a_scan(tree: Tree, own_server: OwnServer) -> None:
    grow(tree, 2500)
    killed: list[int] = []
    strike(tree, 1, 2, 4, 7, blow=lambda: killed.append(own_server.disconnect_all()))
    await tree.ledger.scan(tree.repository)
    assert sum(killed) >= 3
    await tree.until_equal()


@fault("all connections are killed, again and again, during a burst", "every write is in the ledger")
async def test_connections_killed_in_a_burst(tree: Tree, own_server: OwnServer) -> None:
    strike(tree, *range(1, 20, 2), blow=own_server.disconnect_all)
    async with tree.watched():
        for number in range(20):
            grow(tree, 10 * number)
            await anyio.to_thread.run_sync(own_server.disconnect_all)
        await tree.until_equal()


@fault("the disk of PostgreSQL is full", "said so, tried again as a whole, goes on once there is room")
@pytest.mark.root
async def test_disk_full(tmp_path: Path, own_server: OwnServer) -> None:
    with mounted(own_server.folder / "small", size="24m") as disk:
        own_server.own(disk)
        own_server.execute(
            f"CREATE TABLESPACE small LOCATION '{disk}'", "CREATE DATABASE full_one TABLESPACE small"
        )
        try:
            async with tree_on(tmp_path / "tree", own_server.url("full_one")) as tree:
                async with tree.watched():
                    ballast = disk / "ballast"
                    fill(ballast)
                    grow(tree, 2000)
                    await tree.until_told(DEGRADED, "disk is full")
                    ballast.unlink()
                    await tree.until_equal()
                await tree.check_sound()
        finally:
            own_server.execute("DROP DATABASE full_one WITH (FORCE)", "DROP TABLESPACE small")


@fault("PostgreSQL is frozen, and goes on", "said so, the engine goes on hearing, all is written")
async def test_frozen(tree: Tree, own_server: OwnServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("treeledger.engine.patience._SILENCE", 0.5)
    async with tree.watched():
        tree.write("before")
        await tree.until_present("before")
        with own_server.frozen():
            grow(tree, 200)
            await tree.until_told(DEGRADED, "does not answer")
        await tree.until_equal()
        await tree.until_told(WATCHING)


@fault("another session has a table of the ledger locked", "writing waits and goes on; nothing fails")
@pytest.mark.parametrize(
    "lock",
    [
        "LOCK TABLE file_records IN ACCESS EXCLUSIVE MODE",
        "SELECT * FROM journal_head FOR UPDATE",
        "SELECT * FROM repositories FOR UPDATE",
    ],
    ids=["file_records", "journal_head", "repositories"],
)
async def test_locked(tree: Tree, own_server: OwnServer, lock: str) -> None:
    async with tree.watched():
        with psycopg.connect(own_server.url("ledger")) as other:
            await anyio.to_thread.run_sync(other.execute, lock.encode())  # the engine may have it just now
            grow(tree, 50)
            await until(partial(_is_waiting, own_server), "the engine waits for the lock")
            other.rollback()
        await tree.until_equal()


async def _is_waiting(server: OwnServer) -> bool:
    """Whether somebody waits for a lock."""
    return server.execute("SELECT count(*) FROM pg_locks WHERE NOT granted") != [(0,)]


@fault("two sessions wait for one another", "the one that PostgreSQL ends is tried again as a whole")
async def test_deadlock(tree: Tree, own_server: OwnServer) -> None:
    # Who waits looks for a deadlock once, after that time: it has to be made within it.
    own_server.execute("ALTER DATABASE ledger SET deadlock_timeout = '2s'")
    async with tree.watched():
        await anyio.to_thread.run_sync(own_server.disconnect_all)  # so that the setting holds
        with psycopg.connect(own_server.url("ledger")) as other:
            other.execute("SET deadlock_timeout = '100s'")  # so that the engine's session is ended
            await anyio.to_thread.run_sync(other.execute, "SELECT * FROM journal_head FOR UPDATE")
            tree.write("a")
            await until(partial(_is_waiting, own_server), "the engine waits for the journal")
            await anyio.to_thread.run_sync(other.execute, "SELECT * FROM repositories FOR UPDATE")
            await tree.until_told(DEGRADED, "deadlock detected")
            other.rollback()
        await tree.until_present("a")


@fault("PostgreSQL takes no more connections", "said so; goes on with the first that is free")
async def test_too_many_connections(tree: Tree, own_server: OwnServer) -> None:
    async with tree.watched():
        with ExitStack() as others:
            taken: list[psycopg.Connection[Any]] = []

            async def is_told() -> bool:
                await anyio.to_thread.run_sync(_take_all, own_server, others, taken)
                return any(state is DEGRADED and "too many clients" in why for state, why in tree.said)

            await until(is_told, "told that there are too many clients")
        tree.write("after")
        await tree.until_present("after")


def _take_all(server: OwnServer, others: ExitStack, taken: list[psycopg.Connection[Any]]) -> None:
    """Ends the connections that are not ours, and takes all that are free."""
    if taken:
        mine = [connection.info.backend_pid for connection in taken]
        taken[0].execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE backend_type = 'client backend' AND pid <> ALL(%s)",
            [mine],
        )
    try:
        while True:
            taken.append(others.enter_context(psycopg.connect(server.url("ledger"), autocommit=True)))
    except psycopg.OperationalError:
        return


@contextmanager
def _as_role(server: OwnServer, *settings: str) -> Iterator[str]:
    """The URL of a role that owns the database `ledger`, with settings of its own."""
    server.execute(
        "CREATE ROLE keeper LOGIN",
        "ALTER DATABASE ledger OWNER TO keeper",
        *(f"ALTER ROLE keeper SET {setting}" for setting in settings),
    )
    try:
        yield server.url("ledger", "keeper")
    finally:
        server.execute("ALTER DATABASE ledger OWNER TO postgres")
        server.execute("DROP OWNED BY keeper CASCADE", database="ledger")
        server.execute("DROP ROLE keeper")


@fault(
    "a right is taken away, or writing forbidden, under a running engine", "said so; goes on once it is back"
)
@pytest.mark.parametrize(
    ("take", "give", "words"),
    [
        (
            "REVOKE ALL ON ALL TABLES IN SCHEMA public FROM keeper",
            "GRANT ALL ON ALL TABLES IN SCHEMA public TO keeper",
            "Ask for the right",
        ),
        ("ALTER ROLE keeper NOLOGIN", "ALTER ROLE keeper LOGIN", "does not let me in"),
        (
            "ALTER ROLE keeper SET default_transaction_read_only = on",
            "ALTER ROLE keeper RESET default_transaction_read_only",
            "may only be read",
        ),
    ],
    ids=["right", "login", "read only"],
)
async def test_rights_taken(tmp_path: Path, own_server: OwnServer, take: str, give: str, words: str) -> None:
    with _as_role(own_server) as url:
        async with tree_on(tmp_path / "tree", url) as tree:
            async with tree.watched():
                own_server.execute(take, database="ledger")
                own_server.disconnect_all()
                tree.write("meanwhile")
                await tree.until_told(DEGRADED, words)
                own_server.execute(give, database="ledger")
                own_server.disconnect_all()
                await tree.until_present("meanwhile")
            await tree.check_sound()


@fault(
    "the settings of the user are odd: dates, zone, encoding, backslashes, isolation",
    "the ledger is the same",
)
async def test_odd_settings(tmp_path: Path, own_server: OwnServer) -> None:
    odd = (
        "datestyle = 'German, DMY'",
        "timezone = 'Asia/Kathmandu'",
        "client_encoding = 'LATIN1'",
        "standard_conforming_strings = off",
        "default_transaction_isolation = 'serializable'",
        "intervalstyle = 'iso_8601'",
        "bytea_output = 'escape'",
        "extra_float_digits = 0",
    )
    with _as_role(own_server, *odd) as url:
        async with tree_on(tmp_path / "tree", url) as tree:
            grow(tree, 50)
            tree.write('日本/it\'s a \\ "name" %s', "content")
            async with tree.watched():
                (tree.root / "d1/1").unlink()
                tree.write("d2/2", "changed")
                await tree.until_equal()
            await tree.check_sound()


@pytest.fixture
async def pooler(own_server: OwnServer) -> AsyncIterator[str]:
    """The URL of a PgBouncer in transaction mode, with few connections to the server."""
    program = shutil.which("pgbouncer")
    if program is None:
        pytest.skip("NOT TESTED: needs pgbouncer")
    folder = own_server.folder / "pooler"
    folder.mkdir()
    own_server.own(folder)
    settings = folder / "pgbouncer.ini"
    settings.write_text(
        f"[databases]\nledger = host={own_server.folder} dbname=ledger user=postgres\n"
        f"[pgbouncer]\nlisten_addr =\nunix_socket_dir = {folder}\nlisten_port = 6432\nauth_type = any\n"
        "pool_mode = transaction\ndefault_pool_size = 3\nserver_login_retry = 1\n"
    )
    user = {"user": "nobody"} if os.geteuid() == 0 else {}
    url = f"postgresql://keeper@/ledger?host={folder}&port=6432"
    process = subprocess.Popen([program, "-q", settings], stderr=subprocess.DEVNULL, **user)
    try:
        await until(partial(_answers, url), "the pooler answers")
        yield url
    finally:
        process.terminate()
        process.wait()
        shutil.rmtree(folder)


async def _answers(url: str) -> bool:
    try:
        with psycopg.connect(url):
            return True
    except psycopg.OperationalError:
        return False


@fault("a pooler in transaction mode stands between, and its server restarts", "all is as without it")
async def test_behind_a_pooler(tmp_path: Path, own_server: OwnServer, pooler: str) -> None:
    grown = tmp_path / "tree"
    async with tree_on(grown, pooler) as tree:
        grow(tree, 500)
        async with tree.watched():
            await tree.until_equal()
            await anyio.to_thread.run_sync(own_server.restart, "immediate")
            grow(tree, 600)
            (tree.root / "d1/1").rename(tree.root / "moved")
            (tree.root / "d2/2").unlink()
            await tree.until_equal()
        await tree.check_sound()
