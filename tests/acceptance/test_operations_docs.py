"""What docs/operations.md has people type does what it says: the blocks after `<!-- runs -->`, in order."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from executable import Executable

PAGE = Path(__file__).parents[2] / "docs/operations.md"
BLOCK = re.compile(r"^<!-- runs -->\n```console\n(.*?)```\n", re.MULTILINE | re.DOTALL)


class Shown(NamedTuple):
    """The commands of a block, and all that they print; `...` stands for anything."""

    script: str
    expected: str


def blocks() -> Iterator[Shown]:
    for block in BLOCK.findall(PAGE.read_text()):
        lines = block.splitlines()
        yield Shown(
            "\n".join(line.removeprefix("$ ") for line in lines if line.startswith("$ ")),
            "\n".join(line for line in lines if not line.startswith("$ ")),
        )


def matches(expected: str, printed: str) -> bool:
    """A line `...` stands for any lines, also none; within a line for anything."""
    lines = [
        r"(?:.*\n)*" if line == "..." else ".*".join(map(re.escape, line.split("..."))) + r"\n"
        for line in expected.splitlines()
    ]
    return re.fullmatch("".join(lines), printed) is not None


def test_what_matches() -> None:
    assert matches("a ... c\n...\nz", "a b c\nx\ny\nz\n")
    assert matches("a\n...", "a\n")
    assert not matches("a ... c", "a\nc\n")
    assert not matches("a\nz", "a\nb\nz\n")


def test_what_the_page_shows_is_what_happens(tmp_path_factory: pytest.TempPathFactory) -> None:
    home = tmp_path_factory.mktemp("o")  # a short path: those of sockets may have 107 bytes
    treeledger = Executable(home)
    state = {"XDG_STATE_HOME": str(home / ".local/state")}  # as if nothing said otherwise
    for name in ("2024/a.jpg", "2024/b.jpg", "notes.txt"):
        file = home / "Pictures" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(name)
    treeledger("scan", home / "Pictures", environ=state)
    shown = list(blocks())
    assert len(shown) >= 4
    for block in shown:
        done = treeledger.shell(f"set -e\n{block.script}", **state)
        printed = (done.text + done.err).replace(str(home), "~")
        assert done.code == 0, (block, printed)
        assert matches(block.expected, printed), f"{block.script}\n{block.expected}\n---\n{printed}"
