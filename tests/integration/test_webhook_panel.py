"""The panel of a webhook: it keeps the contract of panels, and shows what a real engine really delivers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from receiver import Receiver, receiving
from support import Tree, tree_on, until

from treeledger import wire
from treeledger.api.server import serving
from treeledger.api.service import Service
from treeledger.client import Client
from treeledger.config.settings import ApiSettings
from treeledger.config.tables import PluginTables
from treeledger.engine.actions import ActionRunner, Pace
from treeledger.plugins.deliveries import Deliveries, Delivery, Told
from treeledger.plugins.webhook_panel import Seen, WebhookPanel, panels
from treeledger.protocols import Panel
from treeledger.testing.panels import PanelContract

NOW = datetime(2026, 11, 20, 14, 2, 31, tzinfo=UTC)
ODD = "no\x1b[31m\u202e\n" + "ä写" * 60


def job(**other: Any) -> wire.Job:
    values: dict[str, Any] = {
        "id": 1,
        "action": "phone",
        "key": "12-111",
        "state": "waiting",
        "priority": 0,
        "tries": 3,
        "not_before": NOW + timedelta(minutes=2),
        "lease_until": None,
        "last_error": "phone.example answered 503 Service Unavailable",
        "created_at": NOW,
        "payload": {"changes": []},
    }
    return wire.Job(**values | other)


def delivery(key: str = "1-2", changes: int = 2, error: str | None = None, ago: float = 1) -> Delivery:
    return Delivery(at=NOW - timedelta(seconds=ago), key=key, changes=changes, seconds=0.4, error=error)


def told(*noted: Delivery) -> Told:
    deliveries = Deliveries(NOW - timedelta(hours=5))
    for one in noted:
        deliveries.note(one)
    return deliveries.told("phone", "phone.example", NOW)


SEEN = [
    Seen(None, {}, None),
    Seen(told(), {}, None),
    Seen(told(delivery()), {"waiting": 10**9, "running": 1, "dead": 10**9}, job()),
    Seen(
        told(*(delivery(ODD, 10**9, ODD) for _ in range(70))),
        {"dead": 1},
        job(key=ODD, last_error=ODD, state="running"),
        job(key=ODD, last_error=ODD, state="dead"),
    ),
]


class TestWebhookPanel(PanelContract):
    @pytest.fixture
    def panel(self) -> Panel[Any]:
        return WebhookPanel("phone")

    @pytest.fixture
    def examples(self) -> list[Any]:
        return SEEN


def test_there_is_one_for_each_table_that_delivers_changes() -> None:
    tables = {
        "webhook": {"url": "http://a"},
        "phone": {"use": "webhook", "url": "env:NOT_SET_HERE"},
        "mail": {"use": "webhook", "url": "http://b", "changes": False},
        "off": {"use": "webhook", "url": "http://c", "enabled": False},
    }
    assert [panel.name for panel in panels(PluginTables(tables))] == ["webhook", "phone"]


def test_what_arrived_is_counted_by_the_minute_and_what_did_not_apart() -> None:
    found = told(
        delivery("1-2", 2, ago=4000),
        delivery("3-3", 1, ago=61),
        delivery("4-4", 1, "away", ago=50),
        delivery("4-4", 1, ago=20),
        delivery("5-9", 5, ago=1),
    )
    assert (found.delivered, found.failed, found.changes) == (4, 1, 9)
    assert found.minutes[-3:] == [0, 1, 6]
    assert sum(found.minutes) == 7
    assert [one.key for one in found.last] == ["5-9", "4-4", "4-4", "3-3", "1-2"]


class Live(NamedTuple):
    tree: Tree
    receiver: Receiver
    client: Client
    panel: WebhookPanel

    async def until(self, *words: str) -> None:
        """Until the panel says all this."""

        async def is_so() -> bool:
            seen = await self.panel.read(self.client)
            lines = self.panel.draw(seen, 76, 20, datetime.now(UTC))
            text = "\n".join("".join(piece.text for piece in line) for line in lines)
            return all(word in text for word in words)

        await until(is_so, f"the panel says {words}")


@asynccontextmanager
async def live(folder: Path, table: str) -> AsyncIterator[Live]:
    with receiving() as receiver:
        config = folder / "plugins.toml"
        config.write_text(table.replace("URL", f"{receiver.url}/T0K3N"))
        config.chmod(0o600)
        async with (
            tree_on(folder / "photos", f"sqlite:{folder / 'ledger.db'}", config=config) as tree,
            tree.watched() as engine,
            serving(
                Service(tree.ledger, engine, "test", datetime.now(UTC)),
                ApiSettings(socket=str(folder / "s")),
                folder,
            ) as [address],
            Client(address) as client,
        ):
            yield Live(tree, receiver, client, WebhookPanel("phone"))


@pytest.mark.anyio
async def test_it_shows_what_arrives_what_is_tried_again_and_what_is_dead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_itself_only_later = Pace(nap=600.0, first_retry=600.0)
    monkeypatch.setattr(ActionRunner.__init__, "__defaults__", (by_itself_only_later,))
    async with live(tmp_path, '[plugins.phone]\nuse = "webhook"\nurl = "URL"\n') as shown:
        await shown.until("nothing to send", "Nothing was sent yet", "nothing waits")
        shown.tree.write("a.jpg")
        await shown.until("● ", "arrived", "nothing to send", "127.0.0.1")
        shown.receiver.answers.append((404, {}))
        shown.tree.write("b.jpg")
        await shown.until("■ 1 dead", "▲ ", "answered 404", "1 tries failed")
        assert await shown.panel.retry(shown.client) == "phone: 1 tried again now"
        await shown.until("nothing to send")
        assert await shown.panel.retry(shown.client) == "phone: no delivery is dead"
        shown.receiver.answers.append((503, {}))
        shown.tree.write("c.jpg")
        await shown.until("1 to send", "try 2 at", "answered 503")
        assert "T0K3N" not in str(await shown.panel.read(shown.client))


@pytest.mark.anyio
@pytest.mark.parametrize("table", ["", "[plugins.webhook]\nenabled = false\n"], ids=["no table", "off"])
async def test_an_engine_that_delivers_nothing_for_it_is_said_to(tmp_path: Path, table: str) -> None:
    async with live(tmp_path, table) as shown:
        await shown.until("This engine delivers nothing for it")
