"""What is read of the records in path order, and which new files may not be new."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from treeledger.plugins.sql.work import Row, Work, ask
from treeledger.protocols import FilePlace, KeyRow

_FEW: Final = 1000  # deleted records beside each batch that are rather read than searched for


def key_rows(
    repository: str, low: str, high: str | None, limit: int, *, indexed: int | None
) -> Work[list[KeyRow]]:
    rows = yield from in_order(
        "keys_between", low, high, indexed=indexed, path_at=0, repository_id=repository, limit=limit
    )
    return list(rows)


def in_order(
    name: str, low: str, high: str | None, *, indexed: int | None, path_at: int, **params: Any
) -> Work[Sequence[Row]]:
    """A page of rows in path order, with low <= path and, unless `high` is None, path < high.

    `indexed`: how many characters of a path the indexes hold; None for all. To sort in the order of whole
    paths is half of a server's work, and only long ones need it: they are looked for afterwards.
    `path_at`: where the path is in a row.
    """
    if high is not None and high <= low:
        return []
    if indexed is None:
        return (yield from ask(name, low=low, high=high, **params))
    if len(low) <= indexed and len(high or "") <= indexed:
        rows = yield from ask(name, low=low, high=high, exact=False, exact_high=None, **params)
        if max([len(row[path_at]) for row in rows], default=0) < indexed:
            return rows
    return (yield from ask(name, low=low, high=None, exact=True, exact_high=high, **params))


def known_paths(repository: str, files: Sequence[FilePlace]) -> Work[set[str]]:
    """The paths of those of some new files of which the ledger may know something."""
    if not files:
        return set()
    paths = [file[0] for file in files]
    found = (yield from _deleted_near(repository, paths)).intersection(paths)
    for file_system in {file[1] for file in files}:
        inodes = [file[2] for file in files if file[1] == file_system]
        rows = yield from ask(
            "inodes_on_record", repository_id=repository, file_system=file_system, inodes=inodes
        )
        on_record = {(file_system, inode) for (inode,) in rows}
        if on_record:
            found.update(file[0] for file in files if file[1:] in on_record)
    return found


def _deleted_near(repository: str, paths: Sequence[str]) -> Work[set[str]]:
    """At least those of the paths at which a record was deleted. Nearly always there is none around them."""
    limit = len(paths) + _FEW
    rows = yield from ask(
        "deleted_between", repository_id=repository, low=min(paths), high=max(paths), limit=limit
    )
    if len(rows) == limit:
        rows = yield from ask("deleted_paths", repository_id=repository, paths=list(paths))
    return {path for (path,) in rows}
