"""Problems of single files, as rows, and one with what to do about it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from treeledger import wire
from treeledger.model import ProblemCode
from treeledger.names import shown
from treeledger.tui import texts
from treeledger.tui.columns import Column, heading, row_line
from treeledger.tui.texts import Line, Piece, Tone

_COLUMNS: Final = (
    Column("Path", 20, grows=True),
    Column("Problem", 20),
    Column("Seen last", 9, rank=1),
)
ADVICE: Final = {
    "unreadable": "Give this user the right to read it; the next scan takes it up.",
    "unreadable_directory": "Give this user the right to list it; what is on record below is kept meanwhile.",
    "io_error": "Check the disk or the connection; it is tried again with a growing delay.",
    "path_too_long": "Shorten a name on its way.",
    "mount_gone": "Mount it again; its records are kept meanwhile.",
    "changed_while_read": "Nothing: it is read again once it is quiet.",
    "hash_timeout": "It takes longer than hash_timeout; raise that, or leave it without a hash.",
    "corrupted": "Restore it from a copy, or accept it: 4 Attention has the good hash, and where copies are.",
    "rejected_by_store": "The store refuses exactly this record; the rest is written. Rename the file.",
    "bad_ignore_rule": "Correct the rule; the others hold.",
    "two_writers": "Two engines want this repository: stop one of them.",
}
"""What to do about a problem, by its code."""


@dataclass(frozen=True, slots=True)
class ProblemTable:
    """Problems in the order that they are given in."""

    problems: Sequence[wire.Problem]
    now: datetime

    def __len__(self) -> int:
        return len(self.problems)

    def key(self, place: int) -> tuple[str, str]:
        one = self.problems[place]
        return one.path, one.code

    def heading(self, width: int) -> Line:
        return heading(_COLUMNS, width)

    def line(self, place: int, width: int, *, marked: bool) -> Line:
        one = self.problems[place]
        cells = (
            Piece(shown(one.path) or "(all of it)"),
            Piece(words(one), Tone.BAD if one.code == ProblemCode.CORRUPTED else Tone.WARN),
            Piece(texts.clock(one.last_seen, self.now), Tone.DIM),
        )
        return row_line(_COLUMNS, cells, width, marked=marked)


def words(problem: wire.Problem) -> str:
    """Its code, as people read it."""
    return shown(problem.code).replace("_", " ")


def problem_lines(problem: wire.Problem, width: int, most: int) -> list[Line]:
    """What it says of itself, and what to do, in so many lines."""
    advice = ADVICE.get(problem.code, "")
    todo = texts.wrapped(advice, width, max(1, most // 2)) if advice else []
    said = texts.wrapped(problem.message, width, max(1, most - len(todo)))
    pieces = [*(Piece(line) for line in said), *(Piece(line, Tone.DIM) for line in todo)]
    return [(piece,) for piece in pieces[:most]]


def met_by(operation: wire.Operation, problems: Sequence[wire.Problem]) -> list[wire.Problem]:
    """Those that were seen while it ran."""
    return [
        one
        for one in problems
        if one.last_seen >= operation.started
        and (operation.ended is None or one.first_seen <= operation.ended)
    ]


def summary(operation: wire.Operation, met: Sequence[wire.Problem], *, is_all: bool) -> str:
    """How many problems of which kind are still known."""
    if not met:
        if not is_all:
            return "looking for what it met"
        return "what it met is solved since" if operation.problems else "it met no problem"
    kinds: dict[str, int] = {}
    for one in met:
        kinds[words(one)] = kinds.get(words(one), 0) + 1
    said = ", ".join(f"{number:,} {name}" for name, number in kinds.items())
    return said if is_all else f"{said}, and more"
