"""Jobs, log and panels at three sizes and in two themes, with a clock that stands still."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from rich.cells import cell_len
from stage import SIZES, Stage, check_picture, stage
from test_pictures import NEWS, assert_readable
from values import NOW, status

from treeledger import wire
from treeledger.client import Client
from treeledger.plugins.deliveries import Deliveries, Delivery
from treeledger.plugins.webhook_panel import Seen, WebhookPanel
from treeledger.tui.log_texts import Tail
from treeledger.tui.model import Looked
from treeledger.tui.rows import Rows
from treeledger.tui.theme import THEMES
from treeledger.wire_events import LogRecord

pytestmark = pytest.mark.anyio
QUEUE = {"notes": {"waiting": 2}, "phone": {"waiting": 1203, "running": 1, "dead": 14}}


def job(id: int, state: str = "waiting", **other: Any) -> wire.Job:
    values: dict[str, Any] = {
        "id": id,
        "action": "phone",
        "key": f"{id}01-{id}99",
        "state": state,
        "priority": 0,
        "tries": 0,
        "not_before": NOW,
        "lease_until": None,
        "last_error": None,
        "created_at": NOW - timedelta(hours=2),
        "payload": {},
    }
    return wire.Job(**values | other)


DEAD = "phone.example answered 404 Not Found; once that is mended: treeledger jobs retry"
AWAY = "phone.example cannot be reached: connection refused"
JOBS = (
    job(
        3,
        "dead",
        tries=1,
        last_error=DEAD,
        payload={"changes": [{"n": 301, "kind": "added", "path": "[b]a"}]},
    ),
    job(7, "running", tries=3, last_error=AWAY, lease_until=NOW + timedelta(minutes=1)),
    *(job(id, tries=2, last_error=AWAY, not_before=NOW + timedelta(minutes=id)) for id in range(8, 12)),
    *(job(id, action="notes", key=f"{id:012}", priority=5) for id in range(12, 14)),
    *(job(id) for id in range(14, 90)),
)


def record(n: int, level: str, message: str, repository: str | None = None, ago: float = 0) -> LogRecord:
    return LogRecord(
        n=n,
        ts=NOW - timedelta(seconds=ago),
        level=level,
        logger="treeledger.engine",
        message=message,
        repository=repository,
        exception=None,
    )


LOG = (
    record(1, "debug", "an event of no interest", ago=90),
    record(2, "info", "startup scan completed: scanned=402118 added=12 duration=61.2s", "photos", 80),
    record(3, "warning", "3,712 folders are not watched: the limit of the system is reached", "family", 60),
    record(4, "info", "phone: is new; it starts with the change after e:4", ago=30),
    record(5, "error", f"phone: 301-399 is dead: {DEAD}", ago=20),
    record(6, "info", "[red]a name with \x1b[31m signs in it", "scans", 10),
)


def delivered() -> Seen:
    deliveries = Deliveries(NOW - timedelta(hours=5))
    for ago in range(70, 0, -1):
        error = AWAY if ago % 9 == 0 else None
        moment = NOW - timedelta(seconds=ago * 50)
        key = f"{7000 - ago * 100}-{7099 - ago * 100}"
        deliveries.note(Delivery(at=moment, key=key, changes=100 - ago, seconds=0.3, error=error))
    waiting = job(12, tries=3, last_error=AWAY, not_before=NOW + timedelta(minutes=2))
    return Seen(deliveries.told("phone", "phone.example", NOW), QUEUE["phone"], waiting, JOBS[0])


class Phone(WebhookPanel):
    """As if there were an engine that has delivered."""

    def __init__(self, name: str) -> None:
        super().__init__(name)

    async def read(self, client: Client) -> Seen:
        return delivered()


@pytest.mark.parametrize("size", SIZES, ids=lambda size: "x".join(map(str, size)))
@pytest.mark.parametrize("theme", [one.name for one in THEMES])
async def test_pages_of_work_look_as_they_were_drawn(theme: str, size: tuple[int, int]) -> None:
    async with stage(size=size) as shown:
        shown.app.theme = theme
        await shown.tell(*NEWS, Looked(status(queue=QUEUE), [], [], 3))
        page = await opened(shown, "7")
        page.rows = Rows(JOBS)
        page._payload = 3, JOBS[0].payload
        await check(shown, "jobs", size)
        page = await opened(shown, "8")
        page.tail = Tail(LOG, 6, 2000, None)
        page._search = "phone"
        await check(shown, "logs", size)
        shown.app.panels = panels
        shown.app.source._client = Client("unix:/nobody/asks")
        await opened(shown, "9")
        await shown.until("Webhook phone")
        await shown.until("14 dead")
        await check(shown, "panels", size)


def panels() -> Sequence[WebhookPanel]:
    return [Phone("phone"), Phone("backup")]


async def opened(shown: Stage, key: str) -> Any:
    await shown.press(key)
    await shown.rest()
    return shown.app.screen


async def check(shown: Stage, name: str, size: tuple[int, int]) -> None:
    page: Any = shown.app.screen
    page.show_again()
    await shown.rest()
    check_picture(f"{name}-{size[0]}x{size[1]}", shown.text)
    assert all(cell_len(line) <= size[0] for line in shown.text.splitlines())
    assert_readable(shown)
