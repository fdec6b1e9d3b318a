"""The command line as a person has it: runs a command, and holds what it printed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from treeledger.cli.main import main


class Printed(NamedTuple):
    """What a command did."""

    code: int
    out: bytes
    err: str

    @property
    def text(self) -> str:
        return self.out.decode()

    @property
    def lines(self) -> list[str]:
        return self.text.splitlines()

    @property
    def json(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.lines]


class CommandLine:
    """Runs commands in this process; `folder` is the tree they are about."""

    def __init__(self, home: Path, capture: pytest.CaptureFixture[bytes]) -> None:
        self.home = home
        self.folder = home / "photos"
        self.ledger = home / "ledger.db"
        self._capture = capture

    def __call__(self, *arguments: str, code: int = 0) -> Printed:
        """Fails unless the exit code is `code`."""
        self._capture.readouterr()
        try:
            found = main(arguments)
        except SystemExit as exit:  # argparse
            found = int(exit.code or 0)
        out, err = self._capture.readouterr()
        printed = Printed(found, out, err.decode())
        assert "Traceback" not in printed.err
        assert found == code, printed
        return printed

    def write(self, path: str | bytes, text: str = "text") -> Path:
        name = path if isinstance(path, str) else path.decode("utf-8", "surrogateescape")
        file = self.folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file
