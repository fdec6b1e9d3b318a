"""docs/reliability.md shows every row of the fault matrix, and no other."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

TOP: Final = Path(__file__).parents[2]


def rows() -> Iterator[tuple[str, str, str]]:
    """What happens, what holds and the test, of each test that is marked with `@fault`."""
    for file in sorted((TOP / "tests/faults").glob("test_*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            for mark in getattr(node, "decorator_list", []):
                if isinstance(mark, ast.Call) and getattr(mark.func, "id", "") == "fault":
                    what, holds = (ast.literal_eval(argument) for argument in mark.args)
                    yield what, holds, f"{file.name}::{node.name}"


def test_the_page_shows_the_matrix_as_it_is() -> None:
    page = (TOP / "docs/reliability.md").read_text()
    shown = re.findall(r"^\| (.+) \| (.+) \| .+ \| `(test_\w+\.py::\w+)` \|$", page, re.MULTILINE)
    assert sorted(shown) == sorted(rows()), "say: make reliability"
    assert "✗" not in page
