"""The fault matrix: what a test injects and what holds, and the table of all of them.

`make reliability` runs the matrix and writes the table: python matrix.py OUTCOMES PAGE
"""

from __future__ import annotations

import json
import re
import sys
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Final

import pytest

BEGIN: Final = "<!-- the matrix: written by `make reliability` -->"
END: Final = "<!-- end of the matrix -->"
_STORES: Final = {"sqlite": "SQLite", "postgres": "PostgreSQL"}
_NO_VARIANT: Final = SimpleNamespace(id="")
_SIGNS: Final = {"passed": "✓", "skipped": "not run here", "failed": "✗"}


def fault(what: str, holds: str) -> pytest.MarkDecorator:
    """Makes a test a row of the matrix: `what` happens, and what `holds` nevertheless. Sentences, no stop."""
    return pytest.mark.fault(what=what, holds=holds)


def row_of(item: pytest.Function) -> dict[str, str]:
    """The row that a test belongs to, and the store it ran on ("" if it does not matter)."""
    mark = item.get_closest_marker("fault")
    assert mark is not None
    words = [*getattr(item, "callspec", _NO_VARIANT).id.split("-"), *item.path.stem.split("_")]
    return {
        "area": re.split(r"[:.]", item.module.__doc__, maxsplit=1)[0],
        **mark.kwargs,
        "test": f"{item.path.name}::{item.originalname}",
        "store": next((word for word in words if word in _STORES), ""),
    }


@dataclass(slots=True)
class Row:
    """One test function; `outcomes` by store ("" for a test without one), one for each of its variants."""

    area: str
    what: str
    holds: str
    test: str
    outcomes: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def results(self) -> str:
        return ", ".join(
            f"{_STORES.get(store, '')} {_result(outcomes)}".strip()
            for store, outcomes in sorted(self.outcomes.items(), reverse=True)
        )


def _result(outcomes: list[str]) -> str:
    worst = next(one for one in ("failed", "skipped", "passed") if one in outcomes)
    return _SIGNS[worst] + (f" ({len(outcomes)} variants)" if len(outcomes) > 1 else "")


def rows_in(path: Path) -> list[Row]:
    """The rows of a file of outcomes, by area."""
    rows: dict[str, Row] = {}
    for line in path.read_text().splitlines():
        said = json.loads(line)
        store, outcome = said.pop("store"), said.pop("outcome")
        rows.setdefault(said["test"], Row(**said)).outcomes[store].append(outcome)
    return sorted(rows.values(), key=lambda row: (row.area, row.test.partition("::")[0], row.what))


def table(rows: Iterable[Row]) -> str:
    """The rows as Markdown, a table for each area."""
    areas: dict[str, list[Row]] = {}
    for row in rows:
        areas.setdefault(row.area, []).append(row)
    lines: list[str] = []
    for area, members in areas.items():
        lines += [
            f"### {area}",
            "",
            "| what happens | what holds | result | test |",
            "| --- | --- | --- | --- |",
        ]
        lines += [f"| {row.what} | {row.holds} | {row.results()} | `{row.test}` |" for row in members]
        lines.append("")
    return "\n".join(lines)


def write(page: Path, rows: Iterable[Row]) -> None:
    """Puts the table between its marks in a page."""
    before, _, rest = page.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    page.write_text(f"{before}{BEGIN}\n\n{table(rows)}\n{END}{after}")


if __name__ == "__main__":
    write(Path(sys.argv[2]), rows_in(Path(sys.argv[1])))
