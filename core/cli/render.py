"""How things look on a terminal, and as JSON lines."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, Final

from treeledger.config.secrets import mask
from treeledger.errors import Unwritable
from treeledger.model import ChangeKind, JournalEntry
from treeledger.names import shown
from treeledger.units import show_duration, show_size

_CONTROLS: Final = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
_COLOURS: Final = {
    ChangeKind.ADDED: "32",
    ChangeKind.RESTORED: "32",
    ChangeKind.MODIFIED: "33",
    ChangeKind.ACCEPTED: "33",
    ChangeKind.MOVED: "36",
    ChangeKind.HASHED: "2",
    ChangeKind.IGNORED: "2",
    ChangeKind.MISSING: "35",
    ChangeKind.DELETED: "31",
    ChangeKind.CORRUPTED: "1;31",
}


def tell(message: str) -> None:
    """A message for a person on stderr, without secrets and safe for a terminal; where nobody listens, no
    matter."""
    lines = mask(message).expandtabs(4).split("\n")
    with suppress(OSError):
        print("treeledger:", "\n".join(map(shown, lines)), file=sys.stderr, flush=True)


def paste(error: Unwritable) -> int:
    """Tells why a file cannot be written, and prints what a person may put there; the exit code for that."""
    tell(error.why)
    print(error.paste)
    return error.exit_code


def print_json(value: Mapping[str, Any]) -> None:
    """One JSON object on a line of its own, with nothing in it that moves a cursor."""
    sys.stdout.write(json_line(value) + "\n")


def json_line(value: Mapping[str, Any]) -> str:
    return without_controls(json.dumps(value, ensure_ascii=False, default=_plain))


def without_controls(text: str) -> str:
    """The same JSON, characters escaped that are control characters to a terminal but not to JSON."""
    return _CONTROLS.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def entry_line(entry: JournalEntry, *, repository: str | None, colour: bool) -> str:
    """One short line: time, kind, path, size, short hash."""
    path = shown(entry.path)
    if entry.path_before is not None and entry.path_before != entry.path:
        path = f"{shown(entry.path_before)} → {path}"
    if repository is not None:
        path = f"{shown(repository)}: {path}"
    known = entry.hash[:8] if entry.hash else "" if entry.kind is ChangeKind.IGNORED else "pending"
    kind = paint(f"{entry.kind:<9}", _COLOURS[entry.kind], colour)
    when = entry.at.astimezone().strftime("%H:%M:%S")
    return f"{when}  {kind} {path}  {paint(f'{show_size(entry.stat.size)}  {known}', '2', colour)}"


def paint(text: str, code: str, colour: bool) -> str:
    return f"\x1b[{code}m{text}\x1b[0m" if colour else text


def has_colour(stream: Any = None) -> bool:
    """Whether to use colour: on a terminal, unless NO_COLOR says otherwise (no-color.org)."""
    import os

    stream = sys.stdout if stream is None else stream
    return bool(stream.isatty()) and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def when(moment: datetime | None, now: datetime) -> str:
    """A time as people say it: the clock today, else the date; "never" for None."""
    if moment is None:
        return "never"
    local = moment.astimezone()
    same_day = local.date() == now.astimezone().date()
    return local.strftime("%H:%M:%S" if same_day else "%Y-%m-%d %H:%M")


def ago(moment: datetime | None, now: datetime) -> str:
    return "never" if moment is None else f"{show_duration(max(0.0, (now - moment).total_seconds()))} ago"


def table(headers: Sequence[str], rows: Iterable[Sequence[str]], *, right: Sequence[int] = ()) -> None:
    """Prints aligned columns, made safe for a terminal; those in `right` are numbers."""
    lines = [list(headers), *([shown(cell) for cell in row] for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(headers))]
    for number, line in enumerate(lines):
        cells = [
            cell.rjust(width) if column in right else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        text = "  ".join(cells).rstrip()
        print(paint(text, "1", has_colour()) if number == 0 else text)
