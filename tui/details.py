"""What is said of one repository, and of the engine: lines of exactly the width there is. Pure."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any, Final

from rich.cells import cell_len

from treeledger import wire
from treeledger.names import shown
from treeledger.tui import texts
from treeledger.tui.activity import Activity
from treeledger.tui.model import Link, Snapshot
from treeledger.tui.texts import Line, Piece, Tone
from treeledger.units import show_number
from treeledger.wire_events import Progress

_LABEL: Final = 13  # cells for what a line is about
_HOST: Final = 20  # cells for the host
_NUMBER: Final = re.compile(
    "[0-9a-f]{32}"
)  # of a machine, where its host has no name: nobody knows it by that
_LINES: Final = 4  # of what is said of one repository
_MEANWHILE: Final = "What changes meanwhile is found by the next scan; no record is lost."
_KEPT: Final = "An engine keeps what it hears until the ledger is back; no record is lost."
_SAID: Final = {
    "held": "Deletions wait for your decision: 4 shows them. Nothing is deleted meanwhile.",
    "paused": "Paused: it is not watched. p goes on, and a scan finds what changed meanwhile.",
}
"""What is said here of a state: what its engine says of it names commands."""
_TYPES: Final = {
    "startup": "Startup scan",
    "reconciliation": "Full scan",
    "realtime": "Changes",
    "manual": "Scan",
    "scrub": "Scrub",
}
_NEWCOMER: Final = (
    "Nothing is under care yet.",
    "Press a and choose a folder: it is listed, watched and hashed from then on. Files are only read.",
)


def repository_lines(snapshot: Snapshot, name: str | None, width: int, now: datetime) -> list[Line]:
    """Progress, rates, watches of a repository, in four lines; or what is wrong with it, and what to do; or
    why its engine is away, and what is safe."""
    one = snapshot.repository(name)
    if snapshot.link is Link.AWAY:
        return _away(snapshot, width)
    if one is None:
        return newcomer_lines(width) if snapshot.link is Link.HERE else []
    running = snapshot.progress(one.name)
    activity = snapshot.activity.get(one.name, Activity())
    said = _SAID.get(one.state) or one.message
    if one.state == "held" and one.missing:
        said = f"{show_number(one.missing, 'file')} missing. {said}"
    if said and one.state in ("offline", "degraded", "held", "paused"):
        lines = _trouble(said.removeprefix(f"{one.name}: "), one.state, width)
    else:
        lines = _work(one, running, activity, width, now)
    return [*lines, _rates(activity, width), _watches(one.health, width, now)][:_LINES]


def newcomer_lines(width: int) -> list[Line]:
    """What to do first."""
    return [(Piece(line),) for text in _NEWCOMER for line in texts.wrapped(text, width, 2)]


def _away(snapshot: Snapshot, width: int) -> list[Line]:
    message = snapshot.message.rstrip(".")
    said = texts.wrapped(f"{message[:1].upper()}{message[1:]}.", width, 3)
    meanwhile = _KEPT if snapshot.is_ledger_away else _MEANWHILE
    safe = texts.wrapped(meanwhile, width, max(1, _LINES - len(said)))
    return [*((Piece(line, Tone.WARN),) for line in said), *((Piece(line),) for line in safe)]


def as_it_was(snapshot: Snapshot, now: datetime) -> str:
    """For the frame of what is shown while the engine is away: when it was so; "" while it answers."""
    if snapshot.away_since is None or snapshot.status is None:
        return ""
    return f"as it was at {texts.clock(datetime.fromtimestamp(snapshot.away_since, now.tzinfo), now)}"


def _trouble(said: str, state: str, width: int) -> list[Line]:
    """Two lines, or as many as it takes: what to do stands at the end."""
    lines = texts.wrapped(said, width, _LINES)
    tone = texts.state(state).tone
    return [(Piece(line, tone),) for line in [*lines, *[""] * (2 - len(lines))]]


def _work(
    one: wire.Repository, running: tuple[Progress, ...], activity: Activity, width: int, now: datetime
) -> list[Line]:
    scan = next((progress for progress in running if progress.type != "realtime"), None)
    return [
        _idle_scan(one, now) if scan is None else progress_line(scan, width),
        _hashing(one, activity, width),
    ]


def progress_line(progress: Progress, width: int) -> Line:
    """How far an operation is: a bar where it is known how much there is, its speed, the time left."""
    label = Piece(texts.fitted(_TYPES.get(progress.type, shown(progress.type)), _LABEL))
    rate = progress.files_scanned / progress.seconds if progress.seconds else 0.0
    speed = f"{texts.rate(rate)} files/s"
    done = texts.share(progress.files_scanned, progress.expected)
    if done is None or done >= 1:
        return label, Piece(f"{texts.amount(progress.files_scanned)} files so far   {speed}")
    left = texts.left((progress.expected - progress.files_scanned) / rate) if rate else ""
    tail = f"  {texts.percent(done):>5}   {speed:>13}  {left:>7}"
    return label, *texts.bar(done, max(4, width - _LABEL - cell_len(tail))), Piece(tail)


def _idle_scan(one: wire.Repository, now: datetime) -> Line:
    last, coming = texts.past(one.last_scan, now), texts.next_scan(one, (), now)
    return (
        Piece(texts.fitted("Full scan", _LABEL)),
        Piece("last ", Tone.DIM),
        Piece(last),
        Piece("   next ", Tone.DIM),
        coming,
        *((Piece(f"   {texts.amount(one.missing)} missing", Tone.WARN),) if one.missing else ()),
    )


def _hashing(one: wire.Repository, activity: Activity, width: int) -> Line:
    """How many files have their hash, how fast that goes on, and how long for."""
    label = Piece(texts.fitted("Hashing", _LABEL))
    done, rate = texts.share(one.hashed, one.files), activity.hashed.rate
    if done is None:
        return label, Piece("nothing to read", Tone.DIM)
    if done >= 1 and not rate:
        return label, Piece("every file has its hash", Tone.DIM)
    speed = f"{texts.size(rate)}/s" if rate else ""
    tail = f"  {texts.percent(done):>5}   {speed:>13}  {_hashing_left(one, rate):>7}"
    return label, *texts.bar(done, max(4, width - _LABEL - cell_len(tail))), Piece(tail)


def _hashing_left(one: wire.Repository, rate: float) -> str:
    """As long as the bytes of as many files as are left take at this rate: what they have is not known."""
    bytes_left = one.bytes * (one.files - one.hashed) / one.files
    return texts.left(bytes_left / rate) if rate and bytes_left > 0 else ""


def _rates(activity: Activity, width: int) -> Line:
    """Two sparklines side by side, each with its value now."""
    room = (width - 4) // 2
    megabytes = [value / 1e6 for value in activity.hashed.values]
    left = _rate("Events/s", activity.changes.values, texts.rate(activity.changes.rate), room)
    right = _rate("Hash MB/s", megabytes, texts.rate(activity.hashed.rate / 1e6), width - room - 4)
    return *left, Piece("    "), *right


def _rate(label: str, values: Any, value: str, room: int) -> Line:
    graph = max(4, room - len(label) - 2 - 8)
    return (
        Piece(f"{label}  "),
        Piece(texts.spark(values, graph), Tone.BUSY),
        Piece(texts.fitted(f"  {value}", max(0, room - len(label) - 2 - graph))),
    )


def _watches(health: Any, width: int, now: datetime) -> Line:
    """Watches held, needed and allowed, and when the last event came, as far as the source tells."""
    parts: list[Piece] = []
    if health.get("watches"):
        parts += [Piece("Watches ", Tone.DIM), Piece(_held(health, width))]
    elif health.get("source"):
        parts += [Piece("Watched by ", Tone.DIM), Piece(shown(str(health["source"])))]
    if health.get("last_event"):
        moment = datetime.fromisoformat(health["last_event"])
        parts += [Piece("   Last event ", Tone.DIM), Piece(f"{texts.ago(moment, now)} ago")]
    return tuple(parts)


def _held(health: Any, width: int) -> str:
    held, needed, limit = (health.get(key) for key in ("watches", "watches_needed", "watch_limit"))
    text = texts.amount(held) + (f" of {texts.amount(needed)}" if needed else "")
    return f"{text} (limit {texts.amount(limit)})" if limit and width >= 64 else text


def status_line(snapshot: Snapshot, width: int, *, is_own: bool) -> Line:
    """The engine, its store, and what is queued; or why there is none."""
    status = snapshot.status
    if snapshot.link is Link.SOUGHT:
        return (Piece(" ◐ starting", Tone.BUSY), Piece(texts.fitted("", max(0, width - 11))))
    if snapshot.link is Link.AWAY or status is None:
        return (
            Piece(f" ○ {'ledger' if snapshot.is_ledger_away else 'engine'} away  ", Tone.WARN),
            Piece(texts.wrapped(snapshot.message, max(1, width - 17), 1)[0], Tone.DIM),
        )
    command = "watching while open" if is_own else shown(status.command)
    jobs = sum(number for states in status.queue.values() for number in states.values())
    problems = "100+" if snapshot.problems is None else texts.amount(snapshot.problems)
    facts = [
        ("", command + _host(status.host)),
        ("", _store(status.store)),
        ("jobs ", texts.amount(jobs)),
        ("problems ", problems),
        ("change ", texts.amount(snapshot.head, most=999_999_999)),
    ]
    while len(facts) > 1 and _length(facts) > width:
        facts.pop(1 if len(facts) > 3 else -1)
    line: list[Piece] = []
    for label, value in facts:
        line += [Piece(("  " if line else " ") + label, Tone.DIM), Piece(value)]
    return tuple(line)


def _host(name: str) -> str:
    return "" if _NUMBER.fullmatch(name) else f" on {texts.elided(shown(name), _HOST)}"


def _length(facts: list[tuple[str, str]]) -> int:
    return sum(2 + cell_len(label) + cell_len(value) for label, value in facts)


def _store(url: str) -> str:
    """The kind of a store and its name: `sqlite ledger.db`."""
    kind, _, rest = url.partition("?")[0].partition(":")
    return f"{shown(kind)} {texts.elided(shown(rest.rstrip('/').rpartition('/')[2]), 24)}"
