"""Fixtures of the fault tests, and the run that writes the matrix."""

from __future__ import annotations

import os
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from machine import mounted
from matrix import Row, write
from support import Tree

from treeledger.ledger import Ledger
from treeledger.model import OperationStatus


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--reliability", type=Path, help="write the fault matrix into this page")


def pytest_configure(config: pytest.Config) -> None:
    page = config.getoption("--reliability")
    if page is not None:
        config.pluginmanager.register(_Writer(page))


class _Writer:
    """Collects the outcome of each row, and writes the table at the end."""

    def __init__(self, page: Path) -> None:
        self._page = page
        self._rows: dict[str, Row] = {}

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Function) -> Iterator[None]:
        outcome = yield
        report = outcome.get_result()  # type: ignore[attr-defined]
        mark = item.get_closest_marker("fault")
        if mark is None or (report.when != "call" and report.passed):
            return
        test = f"{item.path.name}::{item.originalname}"
        area = re.split(r"[:.]", item.module.__doc__, maxsplit=1)[0]
        row = self._rows.setdefault(test, Row(area, **mark.kwargs, test=test))
        row.outcomes[_store(item)].append(report.outcome)

    def pytest_sessionfinish(self) -> None:
        write(self._page, self._rows.values())


def _store(item: pytest.Function) -> str:
    given = item.callspec.params if hasattr(item, "callspec") else {}
    return str(given.get("store_url", ""))


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
    assert [entry for entry in caplog.records if entry.exc_info or entry.levelname == "ERROR"] == []
