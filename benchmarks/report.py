"""Rows of figures: as a table for people, as the page that is kept, and against the page that was kept."""

from __future__ import annotations

import os
import platform
import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

NOISE: Final = 1.4  # times the committed ratio that a quick run of the same program does not reach


@dataclass(frozen=True, slots=True)
class Row:
    """One figure. `ratio` is what is judged: ours to the peer's, or to the limit; None: not measured.

    `most`: the largest ratio that meets the goal, None where there is none to meet. `noise`: how many
    times larger the ratio of an unchanged program may come out.
    """

    what: str
    ours: str
    peer: str
    theirs: str
    ratio: float | None
    most: float | None = None
    noise: float = NOISE

    @property
    def verdict(self) -> str:
        if self.most is None:
            return ""
        if self.ratio is None:
            return "not measured"
        return f"met (≤ {self.most:.2g})" if self.ratio <= self.most else f"NOT MET (≤ {self.most:.2g})"


def timed(
    what: str, ours: float, peer: str, theirs: float, most: float | None = None, *, noise: float = NOISE
) -> Row:
    """Seconds against a peer's seconds."""
    return Row(what, show_seconds(ours), peer, show_seconds(theirs), ours / theirs, most, noise)


def within(what: str, ours: float, limit: float, *, is_goal: bool = True, noise: float = NOISE) -> Row:
    """Seconds against a limit."""
    most = 1.0 if is_goal else None
    return Row(what, show_seconds(ours), "a limit", show_seconds(limit), ours / limit, most, noise)


def small(what: str, ours: int, limit: int) -> Row:
    """Bytes against a limit."""
    return Row(what, show_megabytes(ours), "a limit", show_megabytes(limit), ours / limit, 1.0)


def missing(what: str, ours: str, peer: str, why: str) -> Row:
    """A peer that could not be measured."""
    return Row(what, ours, peer, why, None)


def show_seconds(seconds: float) -> str:
    if seconds >= 1:
        return f"{seconds:.2f} s"
    if seconds >= 0.02:
        return f"{1000 * seconds:.0f} ms"
    return f"{1000 * seconds:.1f} ms" if seconds >= 0.001 else f"{1e6 * seconds:.0f} µs"


def show_megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB"


_HEAD: Final = ("what", "treeledger", "against", "theirs", "ratio", "goal")


def _cells(row: Row) -> tuple[str, ...]:
    ratio = "-" if row.ratio is None else f"{row.ratio:.2f}"
    return (row.what, row.ours, row.peer, row.theirs, ratio, row.verdict)


def table(rows: Sequence[Row]) -> str:
    """For a terminal."""
    lines = [_HEAD, *map(_cells, rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(_HEAD))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


@dataclass(frozen=True, slots=True)
class CaseReport:
    """What one case measured. `title` is what it measures, `note` how and when."""

    case: str
    title: str
    note: str
    rows: Sequence[Row]

    def __str__(self) -> str:
        lines = [f"### {self.case}", "", self.title, "", f"| {' | '.join(_HEAD)} |"]
        lines += ["| --- | ---: | --- | ---: | ---: | --- |"]
        lines += [f"| {' | '.join(_cells(row))} |" for row in self.rows]
        return "\n".join([*lines, "", self.note, ""])


@dataclass(slots=True)
class Page:
    """RESULTS.md: a head, and of each part (Full, Quick) a piece for each case."""

    head: str = ""
    parts: dict[str, dict[str, str]] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str) -> Page:
        head, *parts = re.split(r"^## (?!#)(.+)\n", text, flags=re.MULTILINE)
        page = cls(head.strip())
        for name, part in zip(parts[::2], parts[1::2], strict=True):
            _, *pieces = re.split(r"^(?=### )", part, flags=re.MULTILINE)
            page.parts[name] = {piece.partition("\n")[0][4:]: piece.strip() for piece in pieces}
        return page

    def renew(self, part: str, reports: Iterable[CaseReport], order: Sequence[str]) -> None:
        """Puts in what was measured now; the other cases stay as they are, those no longer known go."""
        pieces = self.parts.get(part, {}) | {one.case: str(one).strip() for one in reports}
        self.parts[part] = {case: pieces[case] for case in order if case in pieces}

    def __str__(self) -> str:
        pieces = [self.head]
        for name in sorted(self.parts):
            pieces += [f"## {name}", *self.parts[name].values()]
        return "\n\n".join(pieces) + "\n"

    def ratios(self, part: str) -> dict[str, float]:
        """By what was measured."""
        found: dict[str, float] = {}
        for piece in self.parts.get(part, {}).values():
            rows = re.findall(r"^\| (.+?) \|.*\| ([\d.]+|inf) \| [^|]*\|$", piece, re.MULTILINE)
            found |= {what: float(ratio) for what, ratio in rows}
        return found


def is_slower(row: Row, kept: dict[str, float]) -> bool:
    """Slower than the kept page says, beyond noise."""
    return row.ratio is not None and row.what in kept and row.ratio > row.noise * kept[row.what]


def best(rows: Iterable[Row], again: Iterable[Row]) -> list[Row]:
    """Of each figure the better one of two measurements: what is slow only once was disturbed."""
    others = {row.what: row for row in again}
    return [min((row, others.get(row.what, row)), key=_ratio) for row in rows]


def _ratio(row: Row) -> float:
    return float("inf") if row.ratio is None else row.ratio


def regressions(rows: Iterable[Row], kept: dict[str, float]) -> list[str]:
    """A line for each row that is slower."""
    return [
        f"REGRESSION: {row.what}: ratio {row.ratio:.2f}, was {kept[row.what]:.2f}"
        for row in rows
        if is_slower(row, kept)
    ]


def tally(rows: Iterable[Row]) -> str:
    """How many goals were met."""
    judged = [row for row in rows if row.most is not None]
    met = sum(row.ratio is not None and row.ratio <= (row.most or 0.0) for row in judged)
    return f"{met} of {len(judged)} goals met"


def machine() -> str:
    """What the figures were measured on, in a line."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{os.cpu_count()} cores ({_processor()}), {memory:.0f} GiB, Linux {platform.release()},"
        f" Python {sys.version.split()[0]}, warm cache"
    )


def _processor() -> str:
    try:
        with open("/proc/cpuinfo") as file:
            names = [line.partition(":")[2].strip() for line in file if line.startswith("model name")]
    except OSError:
        names = []
    return names[0] if names else platform.machine()
