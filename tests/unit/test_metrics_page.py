"""The page that Prometheus scrapes keeps the rules of its format, and docs and alerts name what is on it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from uuid import UUID

import pytest
import yaml
from prometheus_client import Counter, Gauge
from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families

from treeledger.api.metrics import page
from treeledger.api.readings import Cared, Readings, Stored
from treeledger.engine.hub import CaughtUp, Finished, RepositoryState
from treeledger.engine.meter import Meter
from treeledger.model import (
    Counts,
    Cursor,
    HashState,
    HeldDeletion,
    HoldStatus,
    JobState,
    OperationStatus,
    OperationType,
    ProblemCode,
    Repository,
    SyncOperation,
)
from treeledger.protocols import JobCount, SourceHealth, Tally
from treeledger.scheduling import Schedule, ScheduleKind
from treeledger.waiting import Waiting, WaitingKind

TOP: Final = Path(__file__).parents[2]
NOW = datetime(2026, 11, 21, tzinfo=UTC)
PHOTOS = Repository(UUID(int=1), 'pho"t\\o\ns', "here", "/photos", files=5, bytes=700, missing=2, ignored=1)
ELSEWHERE = Repository(UUID(int=2), "elsewhere", "there", "/elsewhere", files=9)
SUFFIXES: Final = ("_total", "_bucket", "_sum", "_count", "_info")
UNITS: Final = ("minutes", "milliseconds", "ms", "kilobytes", "kb", "mb", "percent", "days", "hours")


def readings(stored: Stored | None) -> Readings:
    meter = Meter()
    meter.take(CaughtUp(PHOTOS, [0.2]))
    for type in OperationType:
        counts = Counts(files_scanned=4, bytes_hashed=70)
        operation = SyncOperation(
            1, PHOTOS.id, type, OperationStatus.COMPLETED, "", 1, counts, NOW, duration_ms=9
        )
        meter.take(Finished(PHOTOS, operation))
    source = SourceHealth(10, 12, 100, NOW, events=30, ignored=4, overflows=1)
    cared = Cared(PHOTOS.name, RepositoryState.HELD, source, meter.metered[PHOTOS.id])
    return Readings("daemon", "sqlite", NOW, {PHOTOS.id: cared}, stored, {"changes": 3, "events": 0})


STORED: Final = Stored(
    latency=0.001,
    head=Cursor("e", 50),
    repositories=[PHOTOS, ELSEWHERE],
    holds=[HeldDeletion(1, PHOTOS.id, HoldStatus.OPEN, 40, 90, "", NOW)],
    tally=Tally(
        unread={(PHOTOS.id, HashState.PENDING): 3, (ELSEWHERE.id, HashState.PENDING): 8},
        dirty={PHOTOS.id: 1},
        problems={(PHOTOS.id, ProblemCode.CORRUPTED): 2},
        cursors={"webhook": Cursor("e", 45), "restored": Cursor("other", 7)},
    ),
    jobs=[JobCount("webhook", JobState.DEAD, 6)],
    schedules=[Schedule(PHOTOS.id, ScheduleKind.FULL, NOW, NOW, NOW)],
    waiting=[Waiting("held:1", WaitingKind.HELD, PHOTOS.id, "", NOW)],
)


def parsed(text: bytes) -> dict[str, Metric]:
    return {family.name: family for family in text_string_to_metric_families(text.decode())}


@pytest.fixture
def families() -> dict[str, Metric]:
    return parsed(page(readings(STORED), []))


def value(families: dict[str, Metric], name: str, **labels: str) -> float:
    """The only sample of that name with those labels among others."""
    [found] = [
        sample.value
        for family in families.values()
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    ]
    return found


def test_names_and_units_are_as_promtool_wants_them(families: dict[str, Metric]) -> None:
    """The rules of `promtool check metrics`."""
    for name, family in families.items():
        assert re.fullmatch("[a-z][a-z0-9_]*", name), name
        assert name.startswith(("treeledger", "process_")), name
        assert family.documentation.strip(), name
        assert not set(name.split("_")) & set(UNITS), name
        if family.type == "counter":
            assert {sample.name for sample in family.samples} <= {f"{name}_total"}, name
        else:
            assert not name.endswith("_total"), name
        if family.type != "histogram":
            assert not name.endswith(("_bucket", "_sum", "_count")), name
        for sample in family.samples:
            assert all(re.fullmatch("[a-z]+", label) for label in sample.labels), name
            assert "le" not in sample.labels or family.type == "histogram", name


def test_the_numbers_are_those_that_were_read(families: dict[str, Metric]) -> None:
    assert value(families, "treeledger_repositories", state="held") == 1
    assert value(families, "treeledger_repository_state", state="held") == 1
    assert value(families, "treeledger_repository_state", state="watching") == 0
    assert value(families, "treeledger_watched_directories") == 10
    assert value(families, "treeledger_api_readers", stream="changes") == 3
    assert value(families, "treeledger_api_readers", stream="events") == 0
    assert value(families, "treeledger_watches_needed") == 12
    assert value(families, "treeledger_watch_limit") == 100
    assert value(families, "treeledger_events_total") == 30
    assert value(families, "treeledger_event_latency_seconds_bucket", le="0.1") == 0
    assert value(families, "treeledger_event_latency_seconds_bucket", le="0.3") == 1
    assert value(families, "treeledger_operations_total", type="scrub", status="completed") == 1
    assert value(families, "treeledger_operation_duration_seconds_sum", type="startup") == 0.009
    assert value(families, "treeledger_files_scanned_total") == 4 * len(OperationType)
    assert value(families, "treeledger_hashed_bytes_total") == 70 * len(OperationType)
    assert value(families, "treeledger_files", state="missing") == 2
    assert value(families, "treeledger_held_files") == 40
    assert value(families, "treeledger_journal_entries_total") == 50
    assert value(families, "treeledger_action_lag_entries") == 5
    assert value(families, "treeledger_jobs", action="webhook", state="dead") == 6
    assert value(families, "treeledger_schedule_due_timestamp_seconds", kind="full") == NOW.timestamp()
    assert value(families, "treeledger_waiting", kind="held") == 1
    assert value(families, "treeledger_waiting", kind="offline") == 0


def test_repositories_go_by_their_names_and_only_those_of_this_host(families: dict[str, Metric]) -> None:
    named = {
        sample.labels["repository"]
        for family in families.values()
        for sample in family.samples
        if "repository" in sample.labels
    }
    assert named == {PHOTOS.name}


def test_without_a_store_the_rest_is_told() -> None:
    families = parsed(page(readings(None), []))
    assert value(families, "treeledger_store_up") == 0
    assert value(families, "treeledger_repositories", state="held") == 1
    assert "treeledger_files" not in families


class Failing:
    def collect(self) -> Iterator[Metric]:
        raise OSError("no such sensor")


def test_metrics_of_a_plugin_that_fails_or_takes_a_name_are_left_out_and_said(
    caplog: pytest.LogCaptureFixture,
) -> None:
    twice = Gauge("treeledger_store_up", "mine", registry=None)
    good = Counter("treeledger_lenses", "Lenses.", registry=None)
    again = Counter("treeledger_lenses", "Mine.", registry=None)
    given = [("failing", Failing()), ("twice", twice), ("good", good), ("again", again)]
    families = parsed(page(readings(STORED), given))
    assert value(families, "treeledger_store_up") == 1
    assert value(families, "treeledger_lenses_total") == 0
    assert [re.findall(r"plugin (\w+)", record.message)[0] for record in caplog.records] == [
        "failing",
        "twice",
        "again",
    ]


def shown(families: dict[str, Metric]) -> set[str]:
    """The names of the samples, as people write them: without what a histogram adds."""
    return {
        name if family.type == "histogram" else sample.name
        for name, family in families.items()
        for sample in family.samples
        if name.startswith("treeledger")
    }


def test_the_page_of_the_documentation_lists_exactly_these(families: dict[str, Metric]) -> None:
    text = (TOP / "docs/operations.md").read_text()
    rows = re.findall(r"^\| (`treeledger_.*?) \| (.*?) \|", text, re.MULTILINE)
    documented = {name: labels for names, labels in rows for name in re.findall(r"`(\w+)`", names)}
    assert documented.keys() == shown(families)
    for family in families.values():
        for sample in family.samples:
            name = family.name if family.type == "histogram" else sample.name
            if name in documented:
                assert set(re.findall(r"`(\w+)`", documented[name])) == sample.labels.keys() - {"le"}, name


def test_the_alerts_name_metrics_that_there_are(families: dict[str, Metric]) -> None:
    [group] = yaml.safe_load((TOP / "deploy/prometheus-alerts.yaml").read_text())["groups"]
    known = {sample.name for family in families.values() for sample in family.samples}
    for rule in group["rules"]:
        assert rule["annotations"]["summary"]
        assert set(re.findall(r"\b(?:treeledger|process)_\w+", rule["expr"])) <= known, rule
