"""What an engine tells of things that wait, without an engine: a client that knows its answers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

from values import NOW

from treeledger import wire
from treeledger.answers import Setting
from treeledger.api.routing import Page
from treeledger.errors import NotFound
from treeledger.matter_answers import CorruptedFile, HeldContents, HeldFolder, Place

FOLDERS = [
    HeldFolder(name="2016", files=41_022, bytes=612 * 10**9, whole=True, elsewhere=0),
    HeldFolder(name="2017", files=27_789, bytes=488 * 10**9, whole=True, elsewhere=1_204),
]


def contents(folders: list[HeldFolder] = FOLDERS, **other: Any) -> HeldContents:
    values: dict[str, Any] = {
        "files": sum(one.files for one in folders),
        "bytes": sum(one.bytes for one in folders),
        "elsewhere": None,
        "first_seen": NOW.replace(hour=8, minute=11, second=58),
        "last_seen": NOW.replace(hour=8, minute=12, second=5),
        "sample": [f"2016/01/IMG_000{n}.CR3" for n in (1, 2, 3)],
        "folders": folders,
        "more_folders": 0,
    }
    return HeldContents(**values | other)


def hold(**other: Any) -> wire.HeldDeletion:
    values: dict[str, Any] = {
        "id": 17,
        "repository": "archive",
        "status": "open",
        "gone": 68_811,
        "live": 118_230,
        "reason": "68,811 of 118,230 files are gone; more than 1,000 or 50 % needs your word",
        "opened_at": NOW,
        "decided_at": None,
        "decided_by": None,
    }
    return wire.HeldDeletion(**values | other)


def corrupted(path: str, *copies: str) -> CorruptedFile:
    return CorruptedFile(
        repository="photos",
        path=path,
        message="its content is another",
        first_seen=NOW - timedelta(hours=2),
        last_seen=NOW,
        size=28_100_000,
        hash="9f3c2a1e" * 8,
        hash_algorithm="sha256",
        copies=[Place(repository="archive", path=one) for one in copies],
    )


def job(id: int, error: str = "https://phone answered 400 Bad Request") -> wire.Job:
    return wire.Job(
        id=id,
        action="phone",
        key=f"batch-{id}",
        state="dead",
        priority=0,
        tries=8,
        not_before=NOW,
        lease_until=None,
        last_error=error,
        created_at=NOW - timedelta(minutes=id),
        payload={},
    )


def problem(path: str, code: str, message: str) -> wire.Problem:
    return wire.Problem(
        repository="photos",
        path=path,
        code=code,
        is_note=False,
        message=message,
        first_seen=NOW - timedelta(hours=3),
        last_seen=NOW - timedelta(hours=1),
    )


LISTED: dict[str, list[Any]] = {
    "/api/queue": [job(n) for n in range(1, 15)],
    "/api/operations": [],
    "/api/problems": [
        problem("2024/07/IMG_0312.jpg", "corrupted", "its content is another, though no stat told of it"),
        problem("private", "unreadable_directory", "Permission denied"),
        *(problem(f"private/{n:02}\x1b[1m", "unreadable", "Permission denied") for n in range(20)),
    ],
}


class Telling:
    """As much of `treeledger.client.Client` as the screens of what waits read."""

    async def deletion(self, id: int) -> wire.HeldDeletion:
        if id != 17:
            raise NotFound(f"there is no held deletion {id}")
        return hold()

    async def deletion_folders(self, id: int, **query: Any) -> HeldContents:
        return contents()

    async def config(self, name: str) -> AsyncIterator[Setting]:
        yield Setting(table="repositories.archive", key="retention", value='"90d"', origin="default")

    async def corrupted(self, repository: str, **query: Any) -> Page[CorruptedFile]:
        found = [corrupted("2024/07/IMG_0312.jpg", "2024/IMG_0312.jpg"), corrupted("2024/[b]\x1b.jpg")]
        return Page(items=found, next=None)

    async def get(self, route: str, kind: object, **query: Any) -> Page[Any]:
        return Page(items=LISTED[route], next=None)
