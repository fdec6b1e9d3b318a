"""A home of one's own with a command line in it, and a folder to take under care."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from command_line import CommandLine


@pytest.fixture
def treeledger(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]
) -> Iterator[CommandLine]:
    """A command line with nothing configured, in an empty home, and a folder `photos`."""
    line = CommandLine(tmp_path, capsysbinary)
    line.folder.mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_CONFIG_DIRS", str(tmp_path / "none"))
    monkeypatch.setenv("TREELEDGER_STORE", f"sqlite:{line.ledger}")
    monkeypatch.delenv("TREELEDGER_CONFIG", raising=False)
    handlers = list(logging.root.handlers)
    yield line
    for handler in [one for one in logging.root.handlers if one not in handlers]:
        logging.root.removeHandler(handler)  # it writes to a stream that ends with this test


@pytest.fixture
def photos(treeledger: CommandLine) -> CommandLine:
    """The folder `photos` with three files of two contents, scanned once."""
    treeledger.write("2024/a.jpg", "one")
    treeledger.write("2024/05/b.jpg", "one")
    treeledger.write("notes.txt", "two")
    treeledger("scan", str(treeledger.folder))
    return treeledger
