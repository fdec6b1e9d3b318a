"""Who imports whom, seen at run time: what `lint-imports` checks in the source, and what it cannot."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

TOP = Path(__file__).parents[2]
FOLDERS = {"core": "treeledger", "plugins": "treeledger.plugins", "tui": "treeledger.tui"}
NOT_IMPORTED = ("treeledger.__main__", "treeledger.testing")  # runs the program; needs pytest


def modules_after(program: str) -> set[str]:
    """The modules that a fresh interpreter has loaded once it has run a program."""
    report = "\nimport json, sys\nsys.stderr.write(json.dumps(sorted(sys.modules)))"
    result = subprocess.run(
        [sys.executable, "-c", program + report], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    return set(json.loads(result.stderr.splitlines()[-1]))


def modules_in(folder: str) -> list[str]:
    """The names of all modules in a folder of the project."""
    top = TOP / folder
    return [
        ".".join((FOLDERS[folder], *path.relative_to(top).with_suffix("").parts)).removesuffix(".__init__")
        for path in sorted(top.rglob("*.py"))
        if "__pycache__" not in path.parts
    ]


def within(loaded: set[str], *packages: str) -> set[str]:
    return {name for name in loaded if any(name == top or name.startswith(top + ".") for top in packages)}


def test_the_core_loads_neither_a_plugin_nor_the_dashboard() -> None:
    core = [name for name in modules_in("core") if not name.startswith(NOT_IMPORTED)]
    loaded = modules_after("import " + ", ".join(core))
    assert set(core) <= loaded
    assert within(loaded, "treeledger.plugins", "treeledger.tui", "textual") == set()


def test_the_plugins_load_no_dashboard() -> None:
    loaded = modules_after("import " + ", ".join(modules_in("plugins")))
    assert within(loaded, "treeledger.tui", "textual") == set()


COMMAND = """
import sys
from treeledger.cli.main import main
sys.argv = ["treeledger", *{arguments}]
try:
    main()
except SystemExit as stop:
    assert not stop.code, stop.code
"""
HEAVY = ("watchdog", "httpx", "psycopg", "tomlkit", "rich", "textual", "sysconfig")
ENGINE = ("treeledger.engine.engine", "treeledger.engine.session", "treeledger.worker", "treeledger.walk")


def command(*arguments: str | Path) -> str:
    return COMMAND.format(arguments=[str(one) for one in arguments])


def test_the_version_is_told_without_loading_what_only_work_needs() -> None:
    loaded = modules_after(command("--version"))
    assert within(loaded, *HEAVY, "asyncio", "anyio", "pluggy", "msgspec", "treeledger.engine") == set()
    assert len(within(loaded, "treeledger")) < 10


@pytest.mark.parametrize("reading", ["status", "changes", "files", "operations", "repo list"])
def test_what_only_reads_loads_no_engine_and_no_plugin_but_the_store(reading: str, tmp_path: Path) -> None:
    loaded = modules_after(command("--store", f"sqlite:{tmp_path}/ledger.db", *reading.split()))
    assert within(loaded, *HEAVY, *ENGINE, "treeledger.api", "multiprocessing") == set()
    plugins = {name.split(".")[2] for name in within(loaded, "treeledger.plugins") if name.count(".") >= 2}
    assert plugins == {"sqlite", "sql"}


def test_a_scan_loads_no_other_store_and_nothing_that_listens_or_posts(tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    store = f"sqlite:{tmp_path}/ledger.db"
    loaded = modules_after(command("--store", store, "scan", tmp_path / "tree"))
    assert within(loaded, *HEAVY, "treeledger.plugins.postgres.store", "treeledger.cli.watch") == set()


SERVER = ("starlette", "uvicorn", "h11", "prometheus_client", "treeledger.api.app", "treeledger.api.routes")


def test_an_engine_loads_nothing_of_what_it_would_answer_before_it_is_asked() -> None:
    loaded = modules_after("import treeledger.cli.watch, treeledger.ledger, treeledger.api.server")
    told = ("treeledger.wire", "treeledger.api.news", "treeledger.api.tail", "treeledger.client")
    assert within(loaded, *SERVER, *told, "httpx") == set()


def test_the_client_loads_no_server_and_no_engine() -> None:
    loaded = modules_after("import treeledger.client")
    assert within(loaded, *SERVER, *ENGINE, "treeledger.ledger") == set()


def test_reading_the_configuration_loads_no_plugin_machinery() -> None:
    loaded = modules_after("import treeledger.config.configuration, treeledger.config.show")
    assert within(loaded, "pluggy", "tomlkit", "anyio", "rich") == set()


def test_every_package_is_listed_in_pyproject() -> None:
    listed = tomllib.loads((TOP / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    packages = {
        ".".join((name, *path.parent.relative_to(TOP / folder).parts))
        for folder, name in FOLDERS.items()
        for path in (TOP / folder).rglob("__init__.py")
    }
    assert packages <= set(listed)
