"""Pages of keys in the order of an index that holds the first 600 characters of a path."""

from __future__ import annotations

from typing import Final

from treeledger.plugins.sql import reading
from treeledger.plugins.sql.work import Work, ask
from treeledger.protocols import KeyRow

_INDEXED: Final = 600  # characters


def key_rows(repository: str, low: str, high: str | None, limit: int) -> Work[list[KeyRow]]:
    """Sorting is half of the server's work, and only long paths need it: they are looked for afterwards."""
    if len(low) <= _INDEXED and (high is None or (low < high and len(high) <= _INDEXED)):
        rows = yield from ask("short_keys_between", repository_id=repository, low=low, high=high, limit=limit)
        if max([len(row[0]) for row in rows], default=0) < _INDEXED:
            return list(rows)
    return (yield from reading.key_rows(repository, low, high, limit))
