"""Every table of a ledger in one description, of which both dialects make the statements of a copy.

What is not in it belongs to an engine that runs (leases, owners, its lock), is computed by the store, or is
the store's own (its migrations). A test compares it with the schema.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from decimal import Decimal
from enum import Enum
from typing import Any, Final

from treeledger.protocols import PlainRow, Table


class Kind(Enum):
    """What a column holds, where that differs between the dialects."""

    NUMBER = "number"
    TEXT = "text"
    TIME = "time"
    FLAG = "flag"
    UUID = "uuid"
    JSON = "json"
    EPOCH = "epoch"  # of a journal; "" is this ledger's own


_DESCRIPTION: Final = """
repositories id:uuid; name:text host:text root:text settings:json declared:flag paused:flag clean:flag
    generation last_mark fence root_file_system root_inode files bytes hashed missing ignored
    health:json created_at:time removed_at:time
file_systems number; host:text mount_path:text type:text identity:text device
file_records id; repository_id:uuid file_path:text file_size content_hash:text last_scanned:time
    scan_generation created_at:time updated_at:time version mtime_ns ctime_ns file_system inode mode
    read_at:time hash_algorithm:text hash_state:text hash_tries hash_retry_at:time last_verified:time
    state:text held_id missing_at:time deleted_at:time
scan_scopes repository_id:uuid generation prefix:text; unknown:json finished_at:time
sync_operations id; repository_id:uuid operation_type:text status:text scope:text generation files_scanned
    files_added files_updated files_removed files_moved files_unchanged files_hashed bytes_hashed problems
    start_time:time end_time:time error_message:text
changes n; at:time repository_id:uuid record_id operation_id kind:text state:text path:text path_before:text
    size mtime_ns ctime_ns file_system inode mode size_before mtime_ns_before ctime_ns_before
    file_system_before inode_before mode_before hash_algorithm:text hash:text hash_before:text
held_deletions id; repository_id:uuid status:text gone live reason:text opened_at:time decided_at:time
    decided_by:text
dirty_paths repository_id:uuid mark; prefix:text reason:text marked_at:time
problems repository_id:uuid path:text code:text; message:text first_seen:time last_seen:time
action_cursors action:text; epoch:epoch n updated_at:time
jobs id; action:text key:text payload:json state:text priority tries not_before:time last_error:text
    created_at:time
schedules repository_id:uuid kind:text; started_at:time ended_at:time due_at:time
attention key:text; kind:text repository_id:uuid message:text since:time told_at:time told over_at:time
"""
NOT_COPIED: Final = {
    "repositories": {"owner", "lease_until"},
    "file_records": {"mod_time"},
    "sync_operations": {"duration_ms"},
    "jobs": {"owner", "lease_until"},
}
SEQUENCES: Final = {  # by the table whose ids they give
    "file_systems": "number",
    "file_records": "id",
    "sync_operations": "id",
    "held_deletions": "id",
    "jobs": "id",
}
JOURNAL: Final = ("journal.n", "journal.oldest", "journal.at")  # the names of the other counters


def _described() -> dict[Table, tuple[Kind, ...]]:
    found = {}
    for text in _DESCRIPTION.strip().replace("\n    ", " ").splitlines():
        name, _, columns = text.partition(" ")
        keys = len(columns.partition(";")[0].split())
        parts = [column.partition(":") for column in columns.replace(";", "").split()]
        kinds = tuple(Kind(kind or "number") for _, _, kind in parts)
        found[Table(name, tuple(column for column, _, _ in parts), keys)] = kinds
    return found


TABLES: Final = _described()


def canonical(table: Table, rows: Sequence[PlainRow]) -> list[PlainRow]:
    """Rows as they are the same in every store: JSON is written in one way."""
    places = [place for place, kind in enumerate(TABLES[table]) if kind is Kind.JSON]
    if not places:
        return list(rows)
    return [
        tuple(_same_json(value) if place in places else value for place, value in enumerate(row))
        for row in rows
    ]


def _same_json(text: str) -> str:
    """With sorted keys, and numbers written as integers where they are whole, as PostgreSQL has them."""
    value = json.loads(text, parse_float=_number)
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def _number(text: str) -> Any:
    number = Decimal(text)
    return int(number) if number == number.to_integral_value() else float(number)
