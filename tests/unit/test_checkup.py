"""What `treeledger doctor` concludes from what it sees."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treeledger.checkup import check_clock, check_schema, check_store_files, check_watches, count_folders
from treeledger.doctor import CheckState
from treeledger.names import ancestors
from treeledger.protocols import Migration

NOW = datetime(2026, 11, 20, tzinfo=UTC)
OK, WARN, FAIL = CheckState.OK, CheckState.WARN, CheckState.FAIL

_names = st.text("a-", min_size=1, max_size=2)
_paths = st.lists(st.lists(_names, min_size=1, max_size=4).map("/".join), unique=True, max_size=20)


@given(_paths, st.integers(1, 5))
def test_folders_are_counted_in_pages_as_at_once(paths: Iterable[str], size: int) -> None:
    ordered = sorted(paths)
    pages = [ordered[start : start + size] for start in range(0, len(ordered), size)]
    before, count = "", 0
    for page in pages:
        count += count_folders(page, before)
        before = page[-1]
    folders = {folder for path in ordered for folder in ancestors(path)}
    assert count == len(folders)


@pytest.mark.parametrize(("folders", "state"), [(50, OK), (90, WARN), (101, WARN)])
def test_watches_needed_are_held_against_the_limit(tmp_path: Path, folders: int, state: CheckState) -> None:
    (tmp_path / "max_user_watches").write_text("100\n")
    (tmp_path / "max_user_instances").write_text("128\n")
    watches, instances = check_watches(folders, 1, tmp_path)
    assert (watches.state, instances.state) == (state, OK)
    assert state is OK or "sysctl -w fs.inotify.max_user_watches=" in watches.advice


def test_limits_that_cannot_be_read_are_said(tmp_path: Path) -> None:
    assert [check.state for check in check_watches(1, 1, tmp_path)] == [WARN, WARN]


def test_a_clock_that_cannot_be_right_is_said() -> None:
    assert check_clock(datetime(1970, 1, 1, tzinfo=UTC), None).state is FAIL
    assert check_clock(NOW, NOW + timedelta(hours=2)).state is WARN
    assert check_clock(NOW, NOW - timedelta(hours=2)).state is OK


def test_a_schema_is_current_old_new_or_too_new() -> None:
    applied, missing = Migration(1, "a", NOW, True), Migration(2, "b", None, True)
    newer = Migration(3, "c", NOW, False)
    states = [
        check_schema("sqlite:x", found).state
        for found in ([applied], [missing], [applied, missing], [applied, newer])
    ]
    assert states == [OK, OK, WARN, FAIL]


def test_a_store_that_is_not_there_needs_a_folder_above_it_that_can_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (check,) = check_store_files([f"{tmp_path}/a/b/ledger.db"])
    assert check.state is OK
    monkeypatch.setattr("os.access", lambda path, mode: path != str(tmp_path))  # root may write anywhere
    (check,) = check_store_files([f"{tmp_path}/a/b/ledger.db"])
    assert (check.state, check.message) == (FAIL, f"{tmp_path} cannot be written")


def test_a_ledger_that_others_can_read_is_told(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.db"
    ledger.touch()
    for mode, state in ((0o600, OK), (0o640, WARN), (0o604, WARN), (0o666, WARN)):
        ledger.chmod(mode)
        (check,) = check_store_files([str(ledger)])
        assert check.state is state
    assert "0666" in check.message
    assert "chmod go=" in (check.advice or "")
