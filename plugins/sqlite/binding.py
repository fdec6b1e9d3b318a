"""Values and rows as SQLite takes them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from itertools import compress
from typing import Any, Final
from uuid import UUID

from treeledger.errors import StoreDataError
from treeledger.plugins.sql.values import MICROSECOND, micros
from treeledger.plugins.sql.work import Each, Params, Row

_LARGE: Final = 50  # rows


def compact(step: Each) -> Each:
    """A large batch without the columns that are NULL in all its rows: binding None is slow."""
    if len(step.rows) < _LARGE:
        return step
    given = [column.count(None) < len(column) for column in zip(*step.rows, strict=True)]
    rows = [tuple(compress(row, given)) for row in step.rows]
    return Each(step.name, tuple(compress(step.columns, given)), rows)


def bound(params: Params) -> dict[str, Any]:
    """The parameters of a query."""
    return dict(zip(params, bound_row(tuple(params.values())), strict=True))


def bound_row(row: Row) -> Row:
    """Values as SQLite takes them: times and spans in microseconds, lists as JSON."""
    return tuple(
        [value if type(value) in _PLAIN else _BINDERS.get(type(value), _refuse)(value) for value in row]
    )


def _refuse(value: object) -> None:
    raise StoreDataError(f"a value cannot be stored: {value!r} is of a type that SQLite does not know")


def _json(values: list[Any]) -> str:
    return json.dumps(values, ensure_ascii=False, default=str)


_PLAIN: Final = frozenset((int, str, type(None), bool, float, bytes))
_BINDERS: Final[Mapping[type, Callable[[Any], Any]]] = {
    datetime: micros,
    timedelta: lambda span: span // MICROSECOND,
    UUID: str,
    list: _json,
}
