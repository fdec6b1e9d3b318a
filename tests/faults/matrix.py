"""The fault matrix: what a test injects and what holds, and the table of all of them.

`pytest tests/faults --reliability docs/reliability.md` runs the matrix and writes the table into the page.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pytest

BEGIN: Final = "<!-- the matrix: written by `make reliability` -->"
END: Final = "<!-- end of the matrix -->"
_STORES: Final = {"sqlite": "SQLite", "postgres": "PostgreSQL"}
_SIGNS: Final = {"passed": "✓", "skipped": "not run here", "failed": "✗"}


def fault(what: str, holds: str) -> pytest.MarkDecorator:
    """Makes a test a row of the matrix: `what` happens, and what `holds` nevertheless. Sentences, no stop."""
    return pytest.mark.fault(what=what, holds=holds)


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
