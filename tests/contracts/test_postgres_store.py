"""The PostgreSQL store keeps the contract of stores, and its own promises about servers and locks."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing
from urllib.parse import urlsplit
from uuid import uuid4

import anyio
import psycopg
import pytest

from treeledger.errors import EngineLocked, StoreError, StoreUnavailable, StoreVersionError, UsageError
from treeledger.migrations import Scripted, scripts
from treeledger.model import OperationType
from treeledger.plugins.postgres import stores
from treeledger.plugins.postgres.address import without_password
from treeledger.plugins.postgres.lock import Process, is_dead, this_process
from treeledger.plugins.postgres.reader import PostgresReader
from treeledger.plugins.postgres.store import PostgresStore
from treeledger.protocols import FileQuery, Store, StoreOptions
from treeledger.testing.store_reader import pages, reader_of
from treeledger.testing.store_shelf import Shelf, all_files
from treeledger.testing.stores import StoreContract
from treeledger.worker import build_part

LATER = Scripted(99, "notes", "CREATE TABLE notes (text text); INSERT INTO notes VALUES ('a; b%');")
BROKEN = Scripted(99, "broken", "CREATE TABLE notes (text text); CREATE TABLE jobs (id integer);")
HOLD_LOCK = """
import asyncio, sys
from treeledger.model import OperationType
from treeledger.plugins.postgres import stores
from treeledger.protocols import StoreOptions
async def main():
    store = stores(StoreOptions(sys.argv[1]))
    await store.open()
    await store.lock_engine("here", "daemon")
    print("locked", flush=True)
    await asyncio.sleep(600)
asyncio.run(main())
"""


class TestPostgresStore(StoreContract):
    @pytest.fixture
    def build(self, postgres_ledger: str) -> Callable[[], Store]:
        return lambda: PostgresStore(StoreOptions(postgres_ledger))

    @pytest.fixture
    def build_new(self, postgres_url: str) -> Callable[[], Store]:
        return lambda: PostgresStore(StoreOptions(postgres_url))


@pytest.fixture
async def store(postgres_url: str) -> AsyncIterator[PostgresStore]:
    store = PostgresStore(StoreOptions(postgres_url))
    await store.open()
    yield store
    await store.aclose()


async def opened(url: str, schema: list[Scripted] | None = None, **options: object) -> None:
    store = PostgresStore(StoreOptions(url, options=options), schema)
    try:
        await store.open()
    finally:
        await store.aclose()


def ask(url: str, sql: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(sql.encode())
        return cursor.fetchall() if cursor.description else []


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://me:secret@host:5433/ledger", "postgresql://me@host:5433/ledger"),
        ("postgres://host/ledger?password=secret&host=/run/pg", "postgres://host/ledger?host=/run/pg"),
        ("postgresql://host/ledger", "postgresql://host/ledger"),
        ("postgresql:///ledger?sslmode=require", "postgresql:///ledger?sslmode=require"),
    ],
)
def test_passwords_are_not_shown(url: str, shown: str) -> None:
    assert without_password(url) == shown
    store = stores(StoreOptions(url, password="other"))
    assert store
    assert store.url == shown
    assert store.own_paths() == []


def test_urls_of_other_stores() -> None:
    assert stores(StoreOptions("sqlite:ledger.db")) is None


@pytest.mark.anyio
async def test_server_that_is_not_there_says_so_at_once() -> None:
    with anyio.fail_after(15), pytest.raises(StoreUnavailable, match="away"):
        await opened("postgresql://127.0.0.1:1/ledger")


@pytest.mark.anyio
async def test_database_that_cannot_hold_every_name(postgres_url: str) -> None:
    name = f"{urlsplit(postgres_url).path[1:]}_latin"
    ask(postgres_url, f"CREATE DATABASE {name} ENCODING LATIN1 TEMPLATE template0 LOCALE 'C'")
    with pytest.raises(StoreError, match="LATIN1"):
        await opened(postgres_url.replace(urlsplit(postgres_url).path, f"/{name}"))
    ask(postgres_url, f"DROP DATABASE {name}")


@pytest.mark.anyio
async def test_backup_is_for_pg_dump(store: PostgresStore) -> None:
    with pytest.raises(UsageError, match="pg_dump"):
        await store.backup("/tmp/copy")


@pytest.mark.anyio
async def test_newer_ledger_is_refused(postgres_url: str) -> None:
    await opened(postgres_url, [*scripts("postgres"), LATER])
    with pytest.raises(StoreVersionError, match="newer"):
        await opened(postgres_url)


@pytest.mark.anyio
async def test_older_ledger_is_migrated_only_when_told(postgres_url: str) -> None:
    await opened(postgres_url)
    newer = [*scripts("postgres"), LATER]
    with pytest.raises(StoreVersionError, match="auto_migrate"):
        await opened(postgres_url, newer)
    store = PostgresStore(StoreOptions(postgres_url), newer)
    assert [migration.version for migration in await store.migrate()] == [99]
    await store.aclose()
    await opened(postgres_url, newer)


@pytest.mark.anyio
async def test_older_ledger_is_migrated_by_option(postgres_url: str) -> None:
    await opened(postgres_url)
    await opened(postgres_url, [*scripts("postgres"), LATER], auto_migrate=True)
    assert ask(postgres_url, "SELECT text FROM notes") == [("a; b%",)]


@pytest.mark.anyio
async def test_migration_that_fails_leaves_nothing_behind(postgres_url: str) -> None:
    await opened(postgres_url)
    with pytest.raises(StoreError):
        await opened(postgres_url, [*scripts("postgres"), BROKEN], auto_migrate=True)
    assert ask(postgres_url, "SELECT to_regclass('notes')") == [(None,)]
    await opened(postgres_url)


@pytest.mark.anyio
async def test_many_open_a_fresh_ledger_at_once(postgres_url: str) -> None:
    async with anyio.create_task_group() as tasks:
        for _ in range(5):
            tasks.start_soon(opened, postgres_url)
    assert ask(postgres_url, "SELECT count(*) FROM schema_migrations") == [(len(scripts("postgres")),)]


@pytest.fixture
def holder(postgres_url: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process that holds the engine lock."""
    command = [sys.executable, "-c", HOLD_LOCK, postgres_url]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stdout.readline() == b"locked\n"
        yield process
        process.kill()


@pytest.mark.anyio
async def test_lock_of_a_dead_process_of_this_machine_is_free_at_once(
    holder: subprocess.Popen[bytes], store: PostgresStore
) -> None:
    with pytest.raises(EngineLocked, match=f"daemon .process {holder.pid}"):
        await store.lock_engine("here", "watch")
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    assert await store.engine_holder("here") is None
    assert await store.lock_engine("here", "watch")


@pytest.mark.anyio
async def test_lock_of_another_machine_is_free_when_its_lease_ends(
    store: PostgresStore, postgres_url: str
) -> None:
    owner = await store.lock_engine("there", "daemon")
    ask(postgres_url, "UPDATE engine_locks SET boot = 'another', pid = 1")
    with pytest.raises(EngineLocked):
        await store.lock_engine("there", "watch")
    await store.renew([], owner, -1.0)
    assert await store.engine_holder("there") is None
    assert await store.lock_engine("there", "watch")


def test_processes_are_known_again() -> None:
    me = this_process()
    assert not is_dead(me)
    assert is_dead(me._replace(started="1"))
    assert is_dead(me._replace(pid=2**22 + 1))
    assert not is_dead(me._replace(boot="another", pid=2**22 + 1))
    assert not is_dead(Process(2**22 + 1, "", "", ""))


@pytest.mark.anyio
async def test_lost_connections_are_noticed_once(store: PostgresStore, postgres_url: str) -> None:
    shelf = await Shelf.new(store)
    async with anyio.create_task_group() as tasks:
        for number in range(12):
            tasks.start_soon(shelf.put, str(number))
    ask(
        postgres_url,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()",
    )
    with pytest.raises(StoreUnavailable, match="is away"):
        await shelf.put("lost")
    assert await shelf.put("found")


@pytest.mark.anyio
async def test_cancelled_writes_are_whole_and_lose_no_connection(
    store: PostgresStore, postgres_url: str
) -> None:
    shelf = await Shelf.new(store)
    with psycopg.connect(postgres_url) as blocker:
        blocker.execute("SELECT * FROM repositories FOR UPDATE")
        for number in range(4):
            with anyio.move_on_after(0.05) as scope:
                await shelf.put(f"blocked {number}")
            assert scope.cancelled_caught
    for round in range(12):
        with anyio.move_on_after(0.002 * round):
            await shelf.add(*(f"{round}/{number}" for number in range(300)))
    await shelf.put("last")
    await store.aclose()
    again = PostgresStore(StoreOptions(postgres_url))
    await again.open()
    found = await all_files(again, FileQuery(shelf.id))
    assert sum("/" in record.path for record in found) % 300 == 0
    assert (await again.repositories())[0].files == len(found) == (await again.head()).n
    await again.aclose()


@pytest.mark.anyio
async def test_waiting_needs_no_polling(store: PostgresStore, postgres_url: str) -> None:
    writer = PostgresStore(StoreOptions(postgres_url))
    await writer.open()
    shelf = await Shelf.new(writer)
    store.session.poll = 600.0
    with anyio.fail_after(30):
        for number in range(5):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(store.wait, number, 600.0)
                await shelf.put(str(number))
    await writer.aclose()


@pytest.mark.anyio
async def test_reader_says_what_is_wrong_and_connects_anew(store: PostgresStore, postgres_url: str) -> None:
    shelf = await Shelf.new(store)
    await shelf.put("a")
    with closing(reader_of(shelf)) as reader:
        assert pages(reader) == ["a"]
        await store.aclose()
        ask(
            postgres_url,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()",
        )
        with pytest.raises(StoreUnavailable, match="is away"):
            reader.keys("", None, 9)
        assert pages(reader) == ["a"]


def test_reader_that_finds_no_server_shows_no_password() -> None:
    store = PostgresStore(StoreOptions("postgresql://me:secret@127.0.0.1:1/ledger", password="hidden"))
    ref = store.reader()
    assert "postgresql://me@127.0.0.1:1/ledger" in repr(ref)
    for password in ("secret", "hidden"):
        assert password not in f"{ref!r} {ref} {ref.options}"
    reader = build_part(ref, str(uuid4()))
    with pytest.raises(StoreUnavailable, match="away") as caught:
        reader.keys("", None, 9)
    assert "hidden" not in f"{caught.value!r} {caught.value.__cause__!r}"


@pytest.mark.anyio
async def test_nothing_is_kept_on_a_connection(store: PostgresStore, postgres_url: str) -> None:
    """So that a pooler may give the next transaction another one."""
    shelf = await Shelf.new(store)
    await shelf.add(*(str(number) for number in range(50)))
    await shelf.files()
    with closing(reader_of(shelf)) as reader:
        for _ in range(9):
            reader.keys("", None, 9)
            reader.known([("new", 1, 1)])
        assert isinstance(reader, PostgresReader)
        assert reader._connection
        assert reader._connection.execute("SELECT * FROM pg_prepared_statements").fetchall() == []
    owner = await store.lock_engine("here", "watch")
    assert ask(postgres_url, "SELECT count(*) FROM pg_class WHERE relpersistence = 't'") == [(0,)]
    assert ask(postgres_url, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") == [(0,)]
    await store.unlock_engine(owner)


@pytest.mark.anyio
async def test_statistics_are_made_before_a_scan(store: PostgresStore, postgres_url: str) -> None:
    ask(postgres_url, "ALTER TABLE file_records SET (autovacuum_enabled = off)")
    shelf = await Shelf.new(store)
    await shelf.add("a", "b")
    known = "SELECT reltuples FROM pg_class WHERE relname = 'file_records'"
    assert ask(postgres_url, known) == [(-1,)]
    await store.begin_operation(shelf.lease, OperationType.STARTUP, "", scan=True)
    assert ask(postgres_url, known) == [(2,)]
