"""Jobs of actions: how many there are, as rows, and one in full. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple

from treeledger import wire
from treeledger.model import JobState
from treeledger.names import shown
from treeledger.tui import texts
from treeledger.tui.columns import Column, heading, row_line, width_of
from treeledger.tui.texts import Line, Piece, Tone

STATES: Final = tuple(JobState)
ALL: Final = "all actions"
_COLUMNS: Final = (
    Column("Id", 7, right=True, rank=2),
    Column("Action", 10, rank=3),
    Column("Job", 10, grows=True),
    Column("State", 9),
    Column("Tries", 5, right=True, rank=4),
    Column("Next try", 8, rank=1),
    Column("Why it failed", 14, rank=5, grows=True),
)
_QUEUES: Final = (
    Column("Action", 10, grows=True),
    *(Column(state.capitalize(), 11, right=True) for state in STATES),
)
_STATES: Final[Mapping[str, Piece]] = {
    JobState.WAITING: Piece("· waiting", Tone.PLAIN),
    JobState.RUNNING: Piece("◐ running", Tone.BUSY),
    JobState.DEAD: Piece("■ dead", Tone.BAD),
}
_NOTHING: Final = (
    "No job: what actions have done is not kept. Each change makes new ones, if an action wants it."
)
_WIDEST: Final = 90  # cells over which numbers can be read with the name they belong to
_MOST_PAYLOAD: Final = 4000  # characters that are drawn
_MOST_TOLD: Final = 50_000  # characters, of one that is opened


class Wanted(NamedTuple):
    """Which jobs are listed; None does not restrict."""

    action: str | None = None
    state: JobState | None = None


@dataclass(frozen=True, slots=True)
class JobTable:
    """Jobs, the oldest first, as far as they were read."""

    jobs: Sequence[wire.Job]
    now: datetime

    def __len__(self) -> int:
        return len(self.jobs)

    def key(self, place: int) -> int:
        return self.jobs[place].id

    def heading(self, width: int) -> Line:
        return heading(_COLUMNS, width)

    def line(self, place: int, width: int, *, marked: bool) -> Line:
        one, room = self.jobs[place], width_of("Why it failed", _COLUMNS, width)
        cells = (
            Piece(str(one.id), Tone.DIM),
            Piece(shown(one.action), Tone.DIM),
            Piece(shown(one.key)),
            _STATES.get(one.state, Piece(shown(one.state))),
            Piece(str(one.tries) if one.tries else "", Tone.DIM),
            _next(one, self.now),
            Piece(texts.wrapped(one.last_error or "", max(2, room), 1)[0], Tone.WARN),
        )
        return row_line(_COLUMNS, cells, width, marked=marked)


def _next(one: wire.Job, now: datetime) -> Piece:
    """When it is tried next."""
    if one.state == JobState.RUNNING:
        return Piece("now", Tone.BUSY)
    if one.state != JobState.WAITING:
        return Piece("–", Tone.DIM)
    return Piece("due") if one.not_before <= now else Piece(texts.clock(one.not_before, now))


def actions_of(queue: Mapping[str, Mapping[str, int]]) -> list[str | None]:
    """What can be chosen between: all together, and each action if there are several."""
    return [None, *sorted(queue)] if len(queue) > 1 else [None]


def seen_actions(queue: Mapping[str, Mapping[str, int]], wanted: Wanted, height: int) -> Sequence[str | None]:
    """The rows below the heading in so many lines: those around the chosen one, if there are more."""
    rows = actions_of(queue)
    place = rows.index(wanted.action) if wanted.action in rows else 0
    room = max(1, height - 1)
    begin = max(0, min(place - room // 2, len(rows) - room))
    return rows[begin : begin + room]


def queue_lines(
    queue: Mapping[str, Mapping[str, int]], wanted: Wanted, width: int, height: int
) -> list[Line]:
    """How many jobs each action has in each state, the wanted one marked, and all together."""
    width = min(width, _WIDEST)
    lines = [heading(_QUEUES, width)]
    for name in seen_actions(queue, wanted, height):
        counts = _counts(queue, name)
        cells = [Piece(named(name)), *(_count(state, counts) for state in STATES)]
        lines.append(row_line(_QUEUES, cells, width, marked=name == wanted.action))
    return lines


def named(action: str | None) -> str:
    return ALL if action is None else shown(action)


def _counts(queue: Mapping[str, Mapping[str, int]], action: str | None) -> Mapping[str, int]:
    if action is not None:
        return queue[action]
    return {state: sum(one.get(state, 0) for one in queue.values()) for state in STATES}


def _count(state: str, counts: Mapping[str, int]) -> Piece:
    number = counts.get(state, 0)
    if not number:
        return Piece("–", Tone.DIM)
    if state == JobState.DEAD:
        return Piece(f"■ {texts.amount(number)}", Tone.BAD)
    return Piece(texts.amount(number), Tone.BUSY if state == JobState.RUNNING else Tone.PLAIN)


def title(wanted: Wanted) -> str:
    """What is listed."""
    action = named(wanted.action)
    return f"Jobs  {action}" if wanted.state is None else f"Jobs  {action}  {wanted.state}"


def how_many(queue: Mapping[str, Mapping[str, int]], wanted: Wanted) -> int:
    """Jobs there are of those that are wanted, when it was looked last."""
    if wanted.action is not None and wanted.action not in queue:
        return 0
    counts = _counts(queue, wanted.action)
    return sum(number for state, number in counts.items() if wanted.state in (None, state))


def job_lines(one: wire.Job | None, width: int, height: int, now: datetime) -> list[Line]:
    """One job in full: its state, what was in the way, what it is to do."""
    if one is None:
        return [(Piece(line, Tone.DIM),) for line in texts.wrapped(_NOTHING, width, height)]
    lines: list[Line] = [_facts(one, now)]
    for label, text, tone in _sentences(one):
        lines += texts.labelled(label, text, width, 3, tone)
    payload = _payload(one)
    room = height - len(lines)
    if payload is not None and room > 0:
        lines += texts.labelled("does", payload, width, room)
    return lines[:height]


def _facts(one: wire.Job, now: datetime) -> Line:
    state = _STATES.get(one.state, Piece(shown(one.state)))
    pieces = [state, Piece("   made ", Tone.DIM), Piece(texts.clock(one.created_at, now))]
    pieces += [Piece("   tries ", Tone.DIM), Piece(str(one.tries))]
    if one.state == JobState.WAITING:
        pieces += [Piece("   next try ", Tone.DIM), _next(one, now)]
    if one.priority:
        pieces += [Piece("   priority ", Tone.DIM), Piece(f"{one.priority:+}", Tone.STRONG)]
    if one.lease_until is not None:
        pieces += [Piece("   until ", Tone.DIM), Piece(texts.clock(one.lease_until, now))]
    return tuple(pieces)


def _sentences(one: wire.Job) -> Iterator[tuple[str, str, Tone]]:
    if one.last_error:
        yield "error", one.last_error, Tone.WARN
    if one.state == JobState.DEAD:
        yield "", "It is not tried again by itself; nothing of it is lost.", Tone.DIM


def _payload(one: wire.Job) -> str | None:
    """What it is to do, as one text; None while that was not read."""
    return json.dumps(one.payload, ensure_ascii=False)[:_MOST_PAYLOAD] if one.payload else None


def facts_of(one: wire.Job) -> list[tuple[str, str]]:
    """All that is known of a job, its payload as people read JSON."""
    told = one.fields()
    payload = told.pop("payload")
    facts = [(name.replace("_", " "), _fact(value)) for name, value in told.items() if value is not None]
    text = json.dumps(payload, ensure_ascii=False, indent=2)
    if len(text) > _MOST_TOLD:
        more = f"{len(text) - _MOST_TOLD:,} characters more: treeledger jobs show {one.id}"
        text = f"{text[:_MOST_TOLD]}\n… and {more}"
    return [*facts, ("payload", text)]


def _fact(value: object) -> str:
    """Times are those of the wall here, as everywhere else."""
    return f"{value.astimezone():%Y-%m-%d %H:%M:%S}" if isinstance(value, datetime) else str(value)
