"""The shared SQL in SQLite's words."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

PACKAGES: Final = ("treeledger.plugins.sql", "treeledger.plugins.sqlite")
_RULES: Final = (
    (re.compile(r"= ANY\(:(\w+)\)"), r"IN (SELECT value FROM json_each(:\1))"),
    (re.compile(r"<> ALL\(:(\w+)\)"), r"NOT IN (SELECT value FROM json_each(:\1))"),
    (re.compile(r"\bgreatest\("), "max("),
    # BEGIN IMMEDIATE locks more than any row.
    (re.compile(r"\s*FOR (NO KEY )?UPDATE( SKIP LOCKED)?"), ""),
)
_PARAMETER: Final = re.compile(r":(\w+)")


def translate(sql: str) -> str:
    for pattern, words in _RULES:
        sql = pattern.sub(words, sql)
    return sql


@lru_cache
def for_rows(sql: str, constants: Sequence[str], given: Sequence[bool], count: int) -> str:
    """A statement over many rows: `:rows` becomes `count` rows of parameters, which follow the constants.

    A column that is not `given` is NULL.
    """
    row = f"({', '.join(['?' if is_given else 'NULL' for is_given in given])})"
    return numbered(sql.replace(":rows", ", ".join([row] * count)), constants)


@lru_cache
def numbered(sql: str, columns: Sequence[str]) -> str:
    """The parameters of a statement by their place in a row, which is twice as fast as by name.

    A parameter that is no column is NULL.
    """
    return _PARAMETER.sub(
        lambda match: f"?{columns.index(match[1]) + 1}" if match[1] in columns else "NULL", sql
    )
