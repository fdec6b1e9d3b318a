"""What the dashboard shows of each webhook: its queue, what is sent next, what arrived, and what did not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Final, NamedTuple

from treeledger import wire
from treeledger.cells import cut, fitted, spark
from treeledger.errors import UsageError
from treeledger.hookspecs import impl
from treeledger.model import JobState
from treeledger.names import shown
from treeledger.plugins.deliveries import ROUTE, Delivery, Told
from treeledger.plugins.webhook import Options
from treeledger.protocols import Line, Panel, PanelKey, Piece, Tone

if TYPE_CHECKING:
    from treeledger.client import Client
    from treeledger.config.tables import PluginTables

_LABEL: Final = 13  # cells for what a line is about
_MINUTES: Final = 60
_LATELY: Final = 5  # minutes over which the rate is taken
_MOST_DEAD: Final = 1000


class Seen(NamedTuple):
    """What was read: `told` is None where the engine has no webhook of that name; `next` is sent first, and
    `dead` is the oldest that is not tried again."""

    told: Told | None
    queue: Mapping[str, int]
    next: wire.Job | None
    dead: wire.Job | None = None


class WebhookPanel(Panel[Seen]):
    """One webhook, by the name of its table."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.title = f"Webhook {name}"
        self.keys = (PanelKey("t", "Try dead ones again", self.retry),)

    async def read(self, client: Client) -> Seen:
        told = await _told(client)
        status = await client.status()
        mine = next((one for one in told if one.action == self.name), None)
        coming = await _first(client, self.name, JobState.RUNNING, JobState.WAITING)
        dead = await _first(client, self.name, JobState.DEAD)
        return Seen(mine, status.queue.get(self.name, {}), coming, dead)

    def draw(self, data: Seen | None, width: int, height: int, now: datetime) -> Sequence[Line]:
        if data is None:
            return [(Piece("…", Tone.DIM),)]
        return [cut(line, width) for line in islice(_lines(data, width, now), height)]

    async def retry(self, client: Client) -> str:
        """Has its dead deliveries tried again now, the oldest ones if there are very many."""
        ids: list[int] = []
        async for job in client.queue(action=self.name, state=JobState.DEAD):
            ids.append(job.id)
            if len(ids) == _MOST_DEAD:
                break
        done = (await client.retry_jobs(ids)).done if ids else 0
        return f"{self.name}: {done:,} tried again now" if ids else f"{self.name}: no delivery is dead"


async def _told(client: Client) -> list[Told]:
    """What the webhooks of the engine tell; nothing where it has none."""
    try:
        return await client.get(ROUTE, list[Told])
    except UsageError:  # there is nothing at that path: the plugin is switched off
        return []


async def _first(client: Client, action: str, *states: JobState) -> wire.Job | None:
    """The oldest job in the first of these states that has one."""
    for state in states:
        async for job in client.queue(action=action, state=state, brief=True):
            return job
    return None


def _lines(seen: Seen, width: int, now: datetime) -> Iterator[Line]:
    yield _queue(seen.queue)
    if seen.dead is not None:
        why = shown(seen.dead.last_error or "")
        yield Piece(" " * _LABEL), Piece(f"■ changes {shown(seen.dead.key)}  {why}", Tone.WARN)
    yield from _coming(seen.next, now)
    if seen.told is None:
        yield ()
        text = "This engine delivers nothing for it: its table was written, or switched on, after it began."
        yield (Piece(text, Tone.WARN),)
        return
    if seen.told.last:
        yield _rate(seen.told, width)
        yield _since(seen.told, now)
    yield ()
    yield from _deliveries(seen.told.last, now)


def _queue(queue: Mapping[str, int]) -> Line:
    waiting, running, dead = (queue.get(state.value, 0) for state in JobState)
    line = [Piece(fitted("Queue", _LABEL), Tone.DIM)]
    to_send = f"{waiting + running:,} to send" if waiting + running else "nothing to send"
    line.append(Piece(to_send))
    if dead:
        line += [Piece("   "), Piece(f"■ {dead:,} dead", Tone.BAD)]
    return tuple(line)


def _coming(job: wire.Job | None, now: datetime) -> Iterator[Line]:
    label = Piece(fitted("Next", _LABEL), Tone.DIM)
    if job is None:
        yield label, Piece("nothing waits", Tone.DIM)
        return
    yield label, Piece(f"changes {shown(job.key)}  {_when(job, now)}")
    if job.last_error:
        yield Piece(" " * _LABEL), Piece(f"▲ {shown(job.last_error)}", Tone.WARN)


def _when(job: wire.Job, now: datetime) -> str:
    if job.state == "running":
        return f"try {job.tries}, now"
    again = f"try {job.tries + 1}" if job.tries else "first try"
    return f"{again} at {_clock(job.not_before, now)}" if job.not_before > now else f"{again}, due now"


def _rate(told: Told, width: int) -> Line:
    lately = told.minutes[-1 - _LATELY : -1]  # the running minute is not over
    number = f"  {sum(lately) / _LATELY:,.0f}/min"
    room = max(1, min(_MINUTES, width - _LABEL - len(number)))
    graph = spark(told.minutes, room)
    return Piece(fitted("Changes", _LABEL), Tone.DIM), Piece(graph, Tone.BUSY), Piece(number)


def _since(told: Told, now: datetime) -> Line:
    text = f"{told.changes:,} changes in {told.delivered:,} messages to {shown(told.host)}"
    if told.failed:
        text += f", {told.failed:,} tries failed"
    label = fitted(f"Since {_clock(told.since, now)[:5]}", _LABEL)
    return Piece(label, Tone.DIM), Piece(text)


def _deliveries(last: Sequence[Delivery], now: datetime) -> Iterator[Line]:
    if not last:
        yield (Piece("Nothing was sent yet: a message goes out with the next change.", Tone.DIM),)
        return
    yield (Piece("Time        Took  Changes", Tone.DIM),)
    for one in last:
        took = f"{one.seconds:.1f} s"
        begin = f"{_clock(one.at, now):<8}  {took:>6}  "
        if one.error is None:
            what = f"● {shown(one.key)}  {one.changes:,} arrived"
        else:
            what = f"▲ {shown(one.key)}  {shown(one.error)}"
        tone = Tone.PLAIN if one.error is None else Tone.WARN
        yield Piece(begin, Tone.DIM), Piece(what, tone)


def _clock(moment: datetime, now: datetime) -> str:
    """To the second today, else the day."""
    local = moment.astimezone(now.tzinfo)
    return local.strftime("%H:%M:%S") if local.date() == now.date() else local.strftime("%d %b")


@impl
def panels(tables: PluginTables) -> list[WebhookPanel]:
    found = tables.instances("webhook", Options)
    return [WebhookPanel(name) for name, options in found if options.changes]
