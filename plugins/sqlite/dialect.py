"""The shared SQL in SQLite's words."""

from __future__ import annotations

import re
from typing import Final

_RULES: Final = (
    (re.compile(r"= ANY\(:(\w+)\)"), r"IN (SELECT value FROM json_each(:\1))"),
    (re.compile(r"<> ALL\(:(\w+)\)"), r"NOT IN (SELECT value FROM json_each(:\1))"),
    # BEGIN IMMEDIATE locks more than any row.
    (re.compile(r"\s*FOR UPDATE( SKIP LOCKED)?"), ""),
)


def translate(sql: str) -> str:
    for pattern, words in _RULES:
        sql = pattern.sub(words, sql)
    return sql
