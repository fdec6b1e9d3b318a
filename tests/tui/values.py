"""Values as the client gives them, for tests that need no engine."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from treeledger import wire
from treeledger.answers import FileExplanation, RecordDetails, Stat, Status
from treeledger.wire_events import Progress

NOW = datetime(2026, 11, 20, 14, 2, 31, tzinfo=UTC)
COUNTS = {
    "files_scanned": 0,
    "files_added": 0,
    "files_updated": 0,
    "files_removed": 0,
    "files_moved": 0,
    "files_unchanged": 0,
    "files_hashed": 0,
    "bytes_hashed": 0,
    "problems": 0,
}


def repository(name: str = "photos", state: str = "watching", **other: Any) -> wire.Repository:
    values: dict[str, Any] = {
        "id": UUID(int=1),
        "name": name,
        "root": f"/volume1/{name}",
        "host": "nas",
        "state": state,
        "message": "",
        "files": 402_118,
        "bytes": 3_100_000_000_000,
        "hashed": 285_503,
        "missing": 0,
        "is_watching": True,
        "last_scan": NOW.replace(day=19),
        "next_reconciliation": NOW.replace(day=21, hour=2, minute=0),
        "last_operation": None,
        "engine": None,
        "health": {},
    }
    return wire.Repository(**values | other)


def change(n: int, path: str = "a.jpg", kind: str = "added", **other: Any) -> wire.Change:
    values: dict[str, Any] = {
        "n": n,
        "cursor": f"e:{n}",
        "at": NOW,
        "repository": "photos",
        "kind": kind,
        "path": path,
        "path_before": None,
        "id": n,
        "size": 28_100_000,
        "mtime_ns": 0,
        "hash": "9f3c2a1e" * 8,
        "hash_before": None,
        "operation": None,
    }
    return wire.Change(**values | other)


def progress(name: str = "photos", type: str = "reconciliation", **other: Any) -> Progress:
    values: dict[str, Any] = {"repository": name, "type": type, "expected": 0, "seconds": 1.0, **COUNTS}
    return Progress(**values | other)


def operation(id: int, name: str = "photos", type: str = "reconciliation", **other: Any) -> wire.Operation:
    values: dict[str, Any] = {
        "id": id,
        "repository": name,
        "type": type,
        "status": "running",
        "scope": "",
        "generation": 1,
        "started": NOW,
        "ended": None,
        "duration_ms": None,
        "error": None,
        **COUNTS,
    }
    return wire.Operation(**values | other)


def waiting(kind: str, name: str | None = "archive", message: str = "") -> wire.Waiting:
    return wire.Waiting(
        key="held:17" if kind == "held" else f"{kind}:{name or message.partition(':')[0]}",
        kind=kind,
        repository=name,
        message=message,
        since=NOW,
        told_at=None,
        told=0,
    )


def status(**other: Any) -> Status:
    values: dict[str, Any] = {
        "version": "0.1.0",
        "command": "daemon",
        "started_at": NOW,
        "host": "nas",
        "store": "sqlite:ledger.db",
        "repositories": {},
        "queue": {},
        "waiting": 0,
    }
    return Status(**values | other)


def record(id: int, path: str, *, mtime: datetime = NOW, **other: Any) -> wire.Record:
    values: dict[str, Any] = {
        "id": id,
        "repository": "photos",
        "path": path,
        "size": 28_100_000,
        "mtime_ns": int(mtime.timestamp()) * 10**9,
        "hash": "9f3c2a1e" * 8,
        "hash_algorithm": "sha256",
        "hash_state": "done",
        "state": "present",
        "last_scanned": NOW,
        "created_at": NOW.replace(year=2024),
        "updated_at": NOW,
    }
    return wire.Record(**values | other)


def explanation(one: wire.Record | None, **other: Any) -> FileExplanation:
    """Of a file that is as recorded."""
    stat = Stat(size=9, mtime_ns=0, ctime_ns=0, file_system=1, inode=1, mode=0o100644)
    details = (
        None
        if one is None
        else RecordDetails(
            **{name: getattr(one, name) for name in one.__struct_fields__},
            stat=stat,
            hash_tries=0,
            hash_retry_at=None,
            read_at=NOW,
            last_verified=None,
            missing_at=None,
            deleted_at=None,
        )
    )
    values: dict[str, Any] = {
        "repository": "photos",
        "root": "/volume1/photo",
        "path": "a" if one is None else one.path,
        "state": "watching",
        "watched": True,
        "offline": None,
        "exists": True,
        "is_directory": False,
        "rule": None,
        "stat": stat,
        "look_problem": None,
        "record": details,
        "differing": [],
        "is_change": False,
        "hold": None,
        "dirty": None,
        "problems": [],
        "changes": [],
        "plugins": [],
    }
    return FileExplanation(**values | other)
