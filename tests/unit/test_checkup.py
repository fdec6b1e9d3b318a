"""What `treeledger doctor` concludes from what it sees."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treeledger.checkup import (
    check_engine,
    check_host,
    check_kept,
    check_schema,
    check_store_files,
    count_folders,
)
from treeledger.doctor import CheckState
from treeledger.model import Holder, Repository
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


def test_a_machine_that_the_ledger_knows_by_another_name_is_told() -> None:
    photos = Repository(UUID(int=1), "photos", "nas", "/data/photos")
    assert list(check_host("nas", [])) == list(check_host("nas", [photos])) == []
    (check,) = check_host("f3a9c1", [photos])
    assert (check.state, "f3a9c1" in check.message, "nas" in check.message) == (WARN, True, True)
    assert 'host = "NAME"' in check.advice


def test_a_ledger_that_others_can_read_is_told(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.db"
    ledger.touch()
    for mode, state in ((0o600, OK), (0o640, WARN), (0o604, WARN), (0o666, WARN)):
        ledger.chmod(mode)
        (check,) = check_store_files([str(ledger)])
        assert check.state is state
    assert "0666" in check.message
    assert "chmod go=" in (check.advice or "")


HOLDER = Holder("here", 12, "daemon", NOW, "here:12")


def kept(state: str, *, owner: str = HOLDER.owner, renewed: timedelta = timedelta(seconds=20)) -> Repository:
    health = {"owner": owner, "state": state, "message": "why"}
    until = NOW + renewed
    return Repository(UUID(int=1), "photos", "here", "/photos", owner=owner, lease_until=until, health=health)


def test_an_engine_that_is_not_ready_is_told_with_its_reason() -> None:
    assert check_engine(None, None).state is OK
    assert check_engine(HOLDER, None).state is OK
    check = check_engine(HOLDER, "the store is away")
    assert (check.state, "process 12" in check.message) == (FAIL, True)
    assert "the store is away" in check.message


def test_what_an_engine_has_trouble_with_is_told() -> None:
    for state, expected in (("watching", []), ("offline", [WARN]), ("degraded", [WARN]), ("held", [WARN])):
        assert [check.state for check in check_kept(HOLDER, [kept(state)], NOW)] == expected
    assert list(check_kept(HOLDER, [kept("offline", owner="another")], NOW)) == []


def test_a_lease_that_is_not_renewed_is_told() -> None:
    late = kept("watching", renewed=-timedelta(seconds=1))
    [check] = check_kept(HOLDER, [late], NOW)
    assert check.state is FAIL
