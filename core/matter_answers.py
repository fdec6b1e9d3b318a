"""JSON objects about what waits for a person's word: held deletions by folder, corrupted files."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from treeledger import wire
from treeledger.wire import Form

if TYPE_CHECKING:
    from uuid import UUID

    from treeledger import corrupted, model
    from treeledger.holds import Contents


class HeldFolder(Form, frozen=True, kw_only=True):
    """What is held in one folder at the top of a repository; `name` is empty for files that are in none.

    `whole`: no file of the folder is there any more; `elsewhere`: how many of its files have their content in
    a file that is there, in any repository, null where that was not asked.
    """

    name: str
    files: int
    bytes: int
    whole: bool
    elsewhere: int | None


class HeldContents(Form, frozen=True, kw_only=True):
    """What a held deletion is about now: all of it together, and `folders`, those with the most files first.

    `more_folders` are counted in all the rest, and not listed. `first_seen` and `last_seen`: when its files
    were found gone.
    """

    files: int
    bytes: int
    elsewhere: int | None
    first_seen: datetime | None
    last_seen: datetime | None
    sample: list[str]
    folders: list[HeldFolder]
    more_folders: int

    @classmethod
    def of(cls, contents: Contents, limit: int) -> HeldContents:
        folders, copies = contents.folders, contents.copies
        return cls(
            files=sum(one.files for one in folders),
            bytes=sum(one.bytes for one in folders),
            elsewhere=None if copies is None else sum(copies.values()),
            first_seen=min((one.first for one in folders), default=None),
            last_seen=max((one.last for one in folders), default=None),
            sample=list(contents.sample),
            folders=[
                HeldFolder(
                    name=one.name,
                    files=one.files,
                    bytes=one.bytes,
                    whole=one.is_whole,
                    elsewhere=None if copies is None else copies.get(one.name, 0),
                )
                for one in folders[:limit]
            ],
            more_folders=max(0, len(folders) - limit),
        )


class Place(Form, frozen=True, kw_only=True):
    """Where a file is: its path below the root of a repository."""

    repository: str
    path: str


class CorruptedFile(Form, frozen=True, kw_only=True):
    """A file whose content is not what it was, though nothing was written.

    `hash` is the good one, `copies` are files that have that content, three at most, null where that was not
    asked. What its record says is null where it has gone meanwhile.
    """

    repository: str
    path: str
    message: str
    first_seen: datetime
    last_seen: datetime
    size: int | None
    hash: str | None
    hash_algorithm: str | None
    copies: list[Place] | None

    @classmethod
    def of(cls, one: corrupted.CorruptedFile, names: Mapping[UUID, model.Repository]) -> CorruptedFile:
        known, record, copies = one.known, one.record, one.copies
        return cls(
            repository=wire.name_of(known.repository_id, names),
            path=known.problem.path,
            message=known.problem.message,
            first_seen=known.first_seen,
            last_seen=known.last_seen,
            size=None if record is None else record.stat.size,
            hash=None if record is None else record.content_hash,
            hash_algorithm=None if record is None else record.hash_algorithm,
            copies=None
            if copies is None
            else [Place(repository=wire.name_of(id, names), path=path) for id, path in copies],
        )
