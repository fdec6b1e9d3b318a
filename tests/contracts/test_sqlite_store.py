"""The SQLite store keeps the contract of stores, and its own promises about its file."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing
from pathlib import Path

import anyio
import anyio.to_thread
import pytest

from treeledger.errors import StoreDataError, StoreError, StoreUnavailable, StoreVersionError, UsageError
from treeledger.migrations import Scripted, scripts
from treeledger.plugins.sql.work import Work
from treeledger.plugins.sqlite import stores
from treeledger.plugins.sqlite.place import path_of, refuse_network
from treeledger.plugins.sqlite.reader import SqliteReader
from treeledger.plugins.sqlite.store import SqliteStore
from treeledger.protocols import FileQuery, Store, StoreOptions
from treeledger.testing.store_reader import pages, reader_of
from treeledger.testing.store_shelf import Shelf, all_files
from treeledger.testing.stores import StoreContract

LATER = Scripted(99, "notes", "CREATE TABLE notes (text text);\nINSERT INTO notes VALUES ('a; b');\n")
BROKEN = Scripted(99, "broken", "CREATE TABLE notes (text text);\nCREATE TABLE jobs (id integer);\n")
HOLD_LOCK = """
import sys
from pathlib import Path
from treeledger.plugins.sqlite.lock import EngineLock
lock = EngineLock(Path(sys.argv[1]))
lock.take("here", "daemon")
print("locked", flush=True)
sys.stdin.read()
"""


class TestSqliteStore(StoreContract):
    @pytest.fixture
    def build(self, tmp_path: Path) -> Callable[[], Store]:
        return lambda: SqliteStore(tmp_path / "state" / "ledger.db")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "ledger.db"


@pytest.fixture
async def store(path: Path) -> AsyncIterator[SqliteStore]:
    store = SqliteStore(path)
    await store.open()
    yield store
    await store.aclose()


async def opened(path: Path, schema: list[Scripted] | None = None) -> None:
    store = SqliteStore(path, schema)
    try:
        await store.open()
    finally:
        await store.aclose()


def tables(path: Path) -> set[str]:
    with closing(sqlite3.connect(path)) as connection:
        return {row[0] for row in connection.execute("SELECT name FROM sqlite_master")}


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("sqlite:/var/ledger.db", "/var/ledger.db"),
        ("sqlite:///var/ledger.db", "/var/ledger.db"),
        ("sqlite:~/ledger.db", str(Path("~/ledger.db").expanduser())),
        ("sqlite:ledger.db", str(Path("ledger.db").absolute())),
        ("sqlite:/a b/é%20.db", "/a b/é%20.db"),
    ],
)
def test_urls(url: str, expected: str) -> None:
    store = stores(StoreOptions(url))
    assert store
    assert store.url == f"sqlite:{expected}"
    assert store.own_paths() == [expected]


def test_urls_of_other_stores() -> None:
    assert path_of("postgresql://localhost/ledger") is None
    assert stores(StoreOptions("postgresql://localhost/ledger")) is None


@pytest.mark.anyio
async def test_only_its_owner_may_read_it(store: SqliteStore, path: Path) -> None:
    await Shelf.new(store)
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert {name.stat().st_mode & 0o777 for name in path.parent.iterdir()} == {0o600}


@pytest.mark.parametrize("kind", ["nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs"])
def test_network_file_systems_are_refused(path: Path, kind: str) -> None:
    with pytest.raises(StoreError, match=kind) as caught:
        refuse_network(path, kind)
    assert caught.value.exit_code == 4
    refuse_network(path, "ext4")


@pytest.mark.anyio
async def test_asking_for_migrations_makes_no_file(path: Path) -> None:
    store = SqliteStore(path)
    assert len(await store.migrations()) == len(scripts("sqlite"))
    await store.aclose()
    assert not path.parent.exists()


@pytest.mark.anyio
async def test_newer_ledger_is_refused(path: Path) -> None:
    await opened(path, [*scripts("sqlite"), LATER])
    with pytest.raises(StoreVersionError, match="newer"):
        await opened(path)
    with pytest.raises(StoreVersionError, match="newer"):
        await SqliteStore(path).migrate()


@pytest.mark.anyio
async def test_older_ledger_is_backed_up_and_migrated(path: Path) -> None:
    await opened(path)
    await opened(path, [*scripts("sqlite"), LATER])
    [backup] = path.parent.glob(f"ledger.db.backup-{scripts('sqlite')[-1].version}-*")
    assert backup.stat().st_mode & 0o777 == 0o600
    assert "notes" in tables(path)
    assert "notes" not in tables(backup)
    await opened(path, [*scripts("sqlite"), LATER])
    assert len(list(path.parent.glob("*.backup-*"))) == 1


@pytest.mark.anyio
async def test_migration_that_fails_leaves_nothing_behind(path: Path) -> None:
    await opened(path)
    before = tables(path)
    with pytest.raises(StoreError):
        await opened(path, [*scripts("sqlite"), BROKEN])
    assert tables(path) == before
    await opened(path)


@pytest.mark.anyio
async def test_many_open_a_fresh_ledger_at_once(path: Path) -> None:
    async with anyio.create_task_group() as tasks:
        for _ in range(5):
            tasks.start_soon(opened, path)
    assert list(path.parent.glob("*.backup-*")) == []


@pytest.mark.anyio
async def test_backup_is_a_whole_ledger_with_an_epoch_of_its_own(store: SqliteStore, tmp_path: Path) -> None:
    shelf = await Shelf.new(store)
    records = await shelf.add("a", "b")
    target = tmp_path / "copy.db"
    await store.backup(str(target))
    assert target.stat().st_mode & 0o777 == 0o600
    copy = SqliteStore(target)
    await copy.open()
    assert [await copy.record(record.id) for record in records] == records
    assert (await copy.head()).n == 2
    assert (await copy.head()).epoch != (await store.head()).epoch
    theirs = Shelf(copy, await Shelf(copy, shelf.lease).taken_over())
    assert (await theirs.put("c")).id > records[-1].id
    await copy.aclose()
    with pytest.raises(UsageError, match="exists"):
        await store.backup(str(target))
    with pytest.raises(StoreError):
        await store.backup(str(tmp_path / "nowhere" / "copy.db"))


@pytest.fixture
def picture(path: Path) -> Iterator[Path]:
    """A file that is no database, and stays as it is."""
    path.parent.mkdir()
    path.write_bytes(b"GIF89a" * 1000)
    yield path
    assert path.read_bytes() == b"GIF89a" * 1000


@pytest.mark.anyio
async def test_what_is_no_database_says_so(picture: Path) -> None:
    with pytest.raises(StoreError, match="not a ledger"):
        await opened(picture)


@pytest.mark.anyio
async def test_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreUnavailable):
        await opened(tmp_path / "file" / "ledger.db")


@pytest.fixture
def killed(path: Path) -> Iterator[Callable[[], None]]:
    """A process that holds the engine lock, and how to kill it."""
    path.parent.mkdir()
    command = [sys.executable, "-c", HOLD_LOCK, f"{path}.lock"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stdout.readline() == b"locked\n"

        def kill() -> None:
            os.kill(process.pid, signal.SIGKILL)
            process.wait()

        yield kill
        if process.poll() is None:
            kill()


@pytest.mark.anyio
async def test_lock_of_a_dead_process_is_free(killed: Callable[[], None], store: SqliteStore) -> None:
    holder = await store.engine_holder("here")
    assert holder
    assert (holder.command, holder.host) == ("daemon", "here")
    killed()
    assert await store.engine_holder("here") is None
    await store.unlock_engine(await store.lock_engine("here", "watch"))


@pytest.mark.anyio
async def test_reading_does_not_wait_for_a_writer(store: SqliteStore, path: Path) -> None:
    shelf = await Shelf.new(store)
    await shelf.put("a")
    with closing(sqlite3.connect(path, isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("DELETE FROM file_records")
        assert await shelf.paths() == ["a"], "who waited for it would be refused, as it never ends"


@pytest.mark.anyio
async def test_reading_does_not_wait_for_who_looks_at_much(store: SqliteStore) -> None:
    shelf = await Shelf.new(store)
    await shelf.add("a", "b")
    is_over = threading.Event()

    def at_length() -> Work[str]:
        assert is_over.wait(60)
        return "over"
        yield  # nothing is asked

    found: list[str] = []

    async def browse() -> None:
        found.append(await store.session.browse(at_length()))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(browse)
        try:
            with anyio.fail_after(30):
                assert len(await store.files(FileQuery())) == 2
                await shelf.put("c")
            assert found == []
        finally:
            is_over.set()
    assert found == ["over"]


@pytest.mark.anyio
async def test_who_looks_at_much_does_not_hold_up_the_end(path: Path) -> None:
    store = SqliteStore(path)
    await store.open()
    begun = threading.Event()

    def at_length() -> Work[None]:
        connection = store.session._browser._connection
        assert connection is not None
        connection.set_progress_handler(begun.set, 1000)  # while the statement runs
        connection.execute(
            "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n) SELECT count(*) FROM n"
        )
        return
        yield  # nothing is asked

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_interrupted, store, at_length)
        await anyio.to_thread.run_sync(begun.wait)
        with anyio.fail_after(30):
            await store.aclose()


async def _interrupted(store: SqliteStore, work: Callable[[], Work[None]]) -> None:
    with pytest.raises(sqlite3.OperationalError, match="interrupted"):
        await store.session.browse(work())


@pytest.mark.anyio
async def test_reader_reads_no_other_file(store: SqliteStore, path: Path) -> None:
    shelf = await Shelf.new(store)
    await shelf.put("a")
    with closing(reader_of(shelf)) as reader:
        assert pages(reader) == ["a"]
        os.rename(path, f"{path}.away")
        with pytest.raises(StoreUnavailable, match="removed"):
            reader.keys("", None, 9)
        await opened(path.with_name("other"))
        os.rename(path.with_name("other"), path)
        with closing(reader_of(shelf)) as late, pytest.raises(StoreUnavailable, match="another file"):
            late.keys("", None, 9)


@pytest.mark.anyio
async def test_reader_cannot_write_and_waits_for_no_writer(store: SqliteStore, path: Path) -> None:
    shelf = await Shelf.new(store)
    await shelf.put("a")
    with closing(sqlite3.connect(path, isolation_level=None)) as writer, closing(reader_of(shelf)) as reader:
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("DELETE FROM file_records")
        assert pages(reader) == ["a"]
        writer.execute("ROLLBACK")
    assert isinstance(reader, SqliteReader)
    connection = reader.connect()
    with closing(connection), pytest.raises(sqlite3.OperationalError, match="readonly"):
        connection.execute("DELETE FROM file_records")


@pytest.mark.slow
@pytest.mark.anyio
async def test_locked_ledger_is_unavailable_and_then_goes_on(store: SqliteStore, path: Path) -> None:
    shelf = await Shelf.new(store)
    with closing(sqlite3.connect(path, isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailable, match="locked"):
            await shelf.put("a")
    assert await shelf.put("a")


@pytest.mark.anyio
async def test_cancelled_writes_are_whole_and_the_store_goes_on(store: SqliteStore) -> None:
    shelf = await Shelf.new(store)
    for round in range(10):
        with anyio.move_on_after(0.001 * round):
            await shelf.add(*(f"{round}/{number}" for number in range(300)))
    await shelf.put("last")
    files = len(await all_files(store, FileQuery(shelf.id)))
    assert files % 300 == 1
    assert (await shelf.repository()).files == files == (await store.head()).n


@pytest.mark.anyio
async def test_value_of_a_wrong_type_is_a_data_error(store: SqliteStore) -> None:
    shelf = await Shelf.new(store)
    with pytest.raises(StoreDataError):
        await shelf.put("a", content_hash=object())


@pytest.mark.anyio
async def test_an_idle_reader_sees_by_the_log_whether_anybody_wrote(store: SqliteStore, path: Path) -> None:
    shelf = await Shelf.new(store)
    log = path.with_name(path.name + "-wal")
    os.utime(log)
    assert store.session.written() != store.session.written()  # just now: another write might not show
    os.utime(log, ns=(0, 10**18))
    before = store.session.written()
    assert store.session.written() == before
    await shelf.add("a")
    assert store.session.written() != before
