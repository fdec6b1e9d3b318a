"""Fixtures of the fault tests, and the run that writes the matrix."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from breaking import broken
from machine import mounted
from matrix import row_of
from support import Tree

from treeledger.ledger import Ledger
from treeledger.model import OperationStatus

__all__ = ["broken"]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--outcomes", type=Path, help="add the outcome of each row to this file")


def pytest_configure(config: pytest.Config) -> None:
    path = config.getoption("--outcomes")
    if path is not None and not hasattr(config, "workerinput"):
        config.pluginmanager.register(_Writer(path))


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("fault") is not None and isinstance(item, pytest.Function):
        item.user_properties.append(("fault", row_of(item)))


class _Writer:
    """Writes a line for each test that is a row, also for those that ran in other processes."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        row = dict(report.user_properties).get("fault")
        if row is not None and (report.when == "call" or not report.passed):
            with self._path.open("a") as file:
                file.write(json.dumps({**row, "outcome": report.outcome}) + "\n")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A mounted file system of its own, of 32 MiB; whatever is mounted there in the end is unmounted."""
    path = tmp_path / "disk"
    with mounted(path):
        yield path


@pytest.fixture
async def tree(tmp_path: Path, store_url: str) -> AsyncIterator[Tree]:
    """A ledger of one tree, on each store in turn."""
    root = tmp_path / "tree"
    root.mkdir()
    async with Ledger.open(store=store_url, environ={**os.environ, "TREELEDGER_CONFIG": ""}) as ledger:
        one = Tree(root, ledger)
        one.repository = await ledger.add_repository(root)
        yield one


@pytest.fixture
async def nothing_left_behind(tree: Tree, caplog: pytest.LogCaptureFixture) -> AsyncIterator[None]:
    """In the end no operation of `tree` runs on, and no error was logged."""
    yield
    operations = await tree.ledger.sync_operations(limit=1000)
    assert [one for one in operations if one.status is OperationStatus.RUNNING] == []
    logged = caplog.get_records("call")  # what `records` has here is that of the teardown alone
    assert [entry for entry in logged if entry.exc_info or entry.levelname == "ERROR"] == []
