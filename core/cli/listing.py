"""The forms in which `treeledger files` lists records, one record after another."""

from __future__ import annotations

import csv
import sys
import time
from collections.abc import Callable
from typing import Final

import msgspec

from treeledger import wire
from treeledger.checksums import Checksum, write_line
from treeledger.cli.places import on_disk
from treeledger.cli.render import without_controls
from treeledger.model import FileRecord, RecordState, Repository
from treeledger.names import bytes_from_stored, shown
from treeledger.units import show_size

Write = Callable[[Repository, FileRecord], None]

_TIMES: Final = ("last_scanned", "created_at", "updated_at")
_COLUMNS: Final = ("id", "repository", "path", "size", "mtime_ns", "hash", "hash_state", "state")


def as_json() -> Write:
    """One object a line, as `print_json` writes it, but fast enough for millions."""
    encode = msgspec.json.Encoder().encode

    def write(repository: Repository, record: FileRecord) -> None:
        values = wire.Record.of(record, repository.name).fields()
        for name in _TIMES:
            values[name] = values[name] and values[name].isoformat()
        line = encode(values)
        if not line.isascii() or b"\x7f" in line:
            line = without_controls(line.decode()).encode()
        sys.stdout.buffer.write(line + b"\n")

    return write


def as_text(several: bool) -> Write:
    """Size, beginning of the hash, modification time, path; with `several`, the repository's name too."""

    def write(repository: Repository, record: FileRecord) -> None:
        content = record.content_hash[:8] if record.content_hash else record.hash_state.value
        where = f"{repository.name}: {record.path}" if several else record.path
        state = "" if record.state is RecordState.PRESENT else f"  ({record.state.value})"
        size, mtime = show_size(record.stat.size), show_mtime(record.stat.mtime_ns)
        sys.stdout.write(f"{size:>8}  {content:<8}  {mtime}  {shown(where)}{state}\n")

    return write


def as_csv() -> Write:
    """A table for spreadsheets, as RFC 4180 has it; paths in stored form."""
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(_COLUMNS)

    def write(repository: Repository, record: FileRecord) -> None:
        values = wire.Record.of(record, repository.name)
        writer.writerow([getattr(values, column) for column in _COLUMNS])

    return write


def as_paths(several: bool) -> Write:
    """The bytes of the paths, each ended by NUL; relative to the root, with `several` absolute."""

    def write(repository: Repository, record: FileRecord) -> None:
        sys.stdout.buffer.write(_raw(repository, record, several) + b"\0")

    return write


class Sums:
    """What `sha256sum --check` reads, in the root; with `several`, absolute paths for anywhere.

    `left_out` counts the records without a SHA-256.
    """

    def __init__(self, several: bool) -> None:
        self._several = several
        self.left_out = 0

    def __call__(self, repository: Repository, record: FileRecord) -> None:
        if record.content_hash is None or record.hash_algorithm != "sha256":
            self.left_out += 1
            return
        path = _raw(repository, record, self._several)
        sys.stdout.buffer.write(write_line(Checksum(path, record.content_hash)))


def show_mtime(mtime_ns: int) -> str:
    """A file's time as people read it, local; a time no calendar has as seconds since 1970."""
    try:
        return time.strftime("%Y-%m-%d %H:%M", time.localtime(mtime_ns // 1_000_000_000))
    except (OverflowError, ValueError, OSError):
        return f"@{mtime_ns // 1_000_000_000}"


def _raw(repository: Repository, record: FileRecord, several: bool) -> bytes:
    return bytes_from_stored(on_disk(repository, record.path) if several else record.path)
