"""Values and rows as SQLite takes them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from operator import is_
from typing import Any, Final
from uuid import UUID

from treeledger.errors import StoreDataError
from treeledger.plugins.sql.values import MICROSECOND, micros
from treeledger.plugins.sql.work import Params, Row

Column = Sequence[Any]


def packed(rows: Sequence[Row]) -> tuple[tuple[bool, ...], Sequence[Row]]:
    """Many rows, without the columns that are NULL in all of them: binding None is slow.

    The first of the two says of each column whether it is there. Done column by column, which is faster.
    """
    given = list(zip(*rows, strict=True))
    columns = [_bound_column(column) for column in given]
    if all(map(is_, columns, given)):
        return (True,) * len(given), rows
    kept = [column for column in columns if column is not None]
    return tuple(column is not None for column in columns), list(zip(*kept, strict=True))


def _bound_column(column: Column) -> Column | None:
    kinds = set(map(type, column))
    if kinds == {type(None)}:
        return None
    return column if kinds <= _PLAIN else bound_row(tuple(column))


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
