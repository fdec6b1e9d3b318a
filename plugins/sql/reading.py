"""What scans read of the records: pages of keys, and which new files may not be new."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from treeledger.plugins.sql.work import Work, ask
from treeledger.protocols import FilePlace, KeyRow

_FEW: Final = 1000  # deleted records beside each batch that are rather read than searched for


def key_rows(repository: str, low: str, high: str | None, limit: int) -> Work[list[KeyRow]]:
    if high is not None and high <= low:
        return []
    rows = yield from ask("keys_between", repository_id=repository, low=low, high=high, limit=limit)
    return list(rows)


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
