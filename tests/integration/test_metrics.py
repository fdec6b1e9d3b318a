"""/metrics of a real engine: what it counts is what happened."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from support import Tree, tree_on, until

from treeledger.api.metrics import metrics
from treeledger.api.routing import Asked
from treeledger.api.server import serving
from treeledger.api.service import Service
from treeledger.config.settings import ApiSettings

pytestmark = pytest.mark.anyio


async def scraped(tree: Tree) -> dict[tuple[str, frozenset[str]], float]:
    """Every sample by its name and the values of its labels."""
    service = Service(tree.ledger, tree.engine, "test", datetime.now(UTC))
    answer = await metrics(service, Asked("prometheus"))
    assert answer.media_type == "text/plain; version=0.0.4; charset=utf-8"
    text = bytes(answer.body).decode()
    return {
        (sample.name, frozenset(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def key(name: str, *labels: str) -> tuple[str, frozenset[str]]:
    return f"treeledger_{name}", frozenset(labels)


async def test_what_an_engine_does_is_counted(tree: Tree) -> None:
    tree.write("a/b", "12345")
    tree.write("c", "123")
    name = tree.repository.name
    async with tree.watched():

        async def is_read() -> bool:
            return (await scraped(tree))[key("hashed_bytes_total", name)] == 8

        await until(is_read, "both files read")
        before = await scraped(tree)
        assert before[key("operations_total", name, "startup", "completed")] == 1
        assert before[key("files_added_total", name)] == 2
        assert before[key("watched_directories", name)] == 2
        assert before[key("watched_repositories")] == 1
        assert before[key("files", name, "present")] == 2
        assert before[key("present_bytes", name)] == 8
        assert before[key("store_up")] == 1

        tree.write("a/new", "1234567")
        tree.write("a/ignored.tmp", "1")
        await tree.until_present("a/new", size=7)

        async def is_counted() -> bool:
            now = await scraped(tree)
            return (
                now[key("files_added_total", name)] == 3
                and now[key("event_latency_seconds_count", name)] >= 1
                and now[key("events_total", name)] > before[key("events_total", name)]
                and now[key("events_ignored_total", name)] > before[key("events_ignored_total", name)]
            )

        await until(is_counted, "the new file counted")
        after = await scraped(tree)
        assert 0 < after[key("event_latency_seconds_sum", name)] < 60
        assert after[key("journal_entries_total")] > before[key("journal_entries_total")]
        assert after[key("last_event_timestamp_seconds", name)] == pytest.approx(
            datetime.now(UTC).timestamp(), abs=60
        )


async def test_a_repository_that_is_offline_is_told_as_such(tree: Tree) -> None:
    async with tree.watched():
        tree.root.rename(tree.root.with_name("gone"))
        await tree.until_offline()
        told = await scraped(tree)
        assert told[key("repository_state", tree.repository.name, "offline")] == 1
        assert told[key("repositories", "offline")] == 1
        assert told[key("watched_repositories")] == 0


async def test_a_store_that_is_away_hides_nothing_else(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.db"
    async with tree_on(tmp_path / "tree", f"sqlite:{ledger}") as tree, tree.watched():
        aside = ledger.rename(ledger.with_name("aside"))
        try:
            told = await scraped(tree)
        finally:
            aside.rename(ledger)
        assert told[key("store_up")] == 0
        assert told[key("watched_directories", tree.repository.name)] == 1
        assert key("files", tree.repository.name, "present") not in told
        assert (await scraped(tree))[key("store_up")] == 1


async def test_prometheus_reads_it_over_http_with_the_token_for_reading(tree: Tree, tmp_path: Path) -> None:
    token = "0123456789abcdef"
    settings = ApiSettings(socket=str(tmp_path / "api.sock"), metrics_listen="127.0.0.1:0", read_token=token)
    async with tree.watched() as engine:
        service = Service(tree.ledger, engine, "test", datetime.now(UTC))
        async with (
            serving(service, settings, tmp_path) as [_, address],
            httpx.AsyncClient(base_url=address) as client,
        ):
            assert (await client.get("/metrics")).status_code == 401
            answer = await client.get("/metrics", headers={"Authorization": f"Bearer {token}"})
            assert answer.status_code == 200
            assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
            assert "treeledger_store_up 1.0" in answer.text.splitlines()
            assert (await client.get("/api/openapi.json")).status_code == 404
