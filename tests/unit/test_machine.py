"""What `treeledger doctor` concludes of the machine."""

from __future__ import annotations

import os
import resource
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import pytest

from treeledger.doctor import CheckState
from treeledger.machine import (
    check_clock,
    check_descriptors,
    check_latency,
    check_room,
    check_socket,
    check_store_clock,
    check_time_zone,
    check_watches,
)

NOW = datetime(2026, 11, 20, tzinfo=UTC)
OK, WARN, FAIL = CheckState.OK, CheckState.WARN, CheckState.FAIL


def limits(folder: Path, watches: int = 100, queue: int = 16_384) -> Path:
    for name, number in (("user_watches", watches), ("user_instances", 128), ("queued_events", queue)):
        (folder / f"max_{name}").write_text(f"{number}\n")
    return folder


@pytest.mark.parametrize(("folders", "state"), [(50, OK), (90, WARN), (101, WARN)])
def test_watches_needed_are_held_against_the_limit(tmp_path: Path, folders: int, state: CheckState) -> None:
    watches, *others = check_watches(folders, 1, limits(tmp_path))
    assert watches.state is state
    assert [other.state for other in others] == [OK, OK]
    assert state is OK or "sysctl -w fs.inotify.max_user_watches=" in watches.advice


def test_a_short_queue_of_events_is_said(tmp_path: Path) -> None:
    *_, queue = check_watches(1, 1, limits(tmp_path, queue=1000))
    assert queue.state is WARN
    assert "fs.inotify.max_queued_events=16384" in queue.advice


def test_limits_that_cannot_be_read_are_said(tmp_path: Path) -> None:
    assert [check.state for check in check_watches(1, 1, tmp_path)] == [WARN, WARN]


def test_a_daemon_may_use_as_many_files_as_the_hard_limit_says(monkeypatch: pytest.MonkeyPatch) -> None:
    for hard, state in ((4096, OK), (resource.RLIM_INFINITY, OK), (256, WARN)):
        monkeypatch.setattr(resource, "getrlimit", lambda _, hard=hard: (256, hard))
        assert check_descriptors().state is state


def test_a_clock_that_cannot_be_right_is_said() -> None:
    assert check_clock(datetime(1970, 1, 1, tzinfo=UTC), None).state is FAIL
    assert check_clock(NOW, NOW + timedelta(hours=2)).state is WARN
    assert check_clock(NOW, NOW - timedelta(hours=2)).state is OK


def test_a_store_whose_clock_is_another_is_said() -> None:
    assert check_store_clock(NOW, NOW + timedelta(seconds=1)).state is OK
    ahead, behind = (check_store_clock(NOW, NOW + timedelta(seconds=60 * sign)) for sign in (1, -1))
    assert (ahead.state, behind.state) == (WARN, WARN)
    assert "ahead of" in ahead.message
    assert "behind" in behind.message


@pytest.mark.parametrize(
    ("name", "state"),
    [
        ("", OK),
        ("Europe/Prague", OK),
        (":Europe/Prague", OK),
        ("CET-1CEST,M3.5.0,M10.5.0/3", OK),
        ("<+03>-3", OK),
        ("Europe/Prauge", WARN),
        ("Prague", WARN),
    ],
)
def test_a_time_zone_that_nobody_knows_is_said(tmp_path: Path, name: str, state: CheckState) -> None:
    (tmp_path / "Europe").mkdir()
    (tmp_path / "Europe/Prague").touch()
    assert check_time_zone({"TZ": name}, [str(tmp_path)]).state is state


def test_a_time_zone_may_be_a_file(tmp_path: Path) -> None:
    (tmp_path / "mine").touch()
    assert check_time_zone({"TZ": f"{tmp_path}/mine"}, []).state is OK
    assert check_time_zone({"TZ": f"{tmp_path}/other"}, []).state is WARN


def test_a_slow_store_is_said() -> None:
    assert [check_latency(seconds).state for seconds in (0.001, 0.2)] == [OK, WARN]


def test_a_full_disk_below_the_ledger_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Usage(NamedTuple):
        free: int

    ledger = tmp_path / "ledger.db"
    ledger.write_bytes(b"x" * 1000)
    for free, state in ((10**9, OK), (200_000_999, WARN)):
        monkeypatch.setattr("shutil.disk_usage", lambda _, free=free: Usage(free))
        [check] = check_room([str(ledger)])
        assert check.state is state
    [check] = check_room([f"{tmp_path}/a/b/ledger.db"])  # of one that is not there yet
    assert "which has 0 B" in check.message


def test_where_no_engine_could_listen_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert check_socket(tmp_path / "run" / "api.sock").state is OK
    assert check_socket(tmp_path / ("long" * 30)).state is FAIL
    (tmp_path / "file").touch()
    assert check_socket(tmp_path / "file").state is FAIL
    open_to_all = tmp_path / "open"
    open_to_all.mkdir()
    open_to_all.chmod(0o777)
    assert check_socket(open_to_all / "api.sock").state is WARN
    open_to_all.chmod(0o1777)
    assert check_socket(open_to_all / "api.sock").state is OK
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may write anywhere
    assert check_socket(tmp_path / "api.sock").state is FAIL
