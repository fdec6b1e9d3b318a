"""The schema of the ledger: plain SQL files `sqlite/NNNN_name.sql` and `postgres/NNNN_name.sql`.

Both folders hold the same versions and lead to the same model. A file is never edited once it is
released: what comes later is a new file.
"""

from __future__ import annotations

import re
from importlib.resources import files
from typing import Final, NamedTuple

_FILE: Final = re.compile(r"(\d{4})_(\w+)\.sql")


class Scripted(NamedTuple):
    """One migration of this program."""

    version: int
    name: str
    sql: str


def scripts(dialect: str) -> list[Scripted]:
    """The migrations of `sqlite` or `postgres`, in order."""
    found = [
        Scripted(int(match[1]), match[2], resource.read_text("utf-8"))
        for resource in (files(__package__) / dialect).iterdir()
        if (match := _FILE.fullmatch(resource.name))
    ]
    return sorted(found)
