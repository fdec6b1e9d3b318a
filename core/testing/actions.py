"""What every action promises. A plugin's author inherits the suite and names the plugin and a table:

    class TestMyAction(ActionContract):
        module = "my_plugin"
        plugin = "my_plugin"  # its name, which is that of its own table

        @pytest.fixture
        def options(self) -> dict[str, Any]:
            return {"url": "http://127.0.0.1:8000/", "token": "hush"}

        @pytest.fixture
        def secrets(self) -> list[str]:
            return ["hush"]

Jobs are really run, so what the options name must be there.
"""

from __future__ import annotations

import importlib
import json
import logging
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar
from uuid import UUID

import anyio
import pytest

from treeledger.config.tables import PluginTables
from treeledger.errors import ConfigurationError
from treeledger.model import ChangeKind, FileStat, Job, JobState, JournalEntry, NewJob, Repository
from treeledger.names import stored_from_bytes
from treeledger.protocols import Action

PHOTOS = Repository(UUID(int=1), "photos", "here", "/data/photos")
REMOVED = UUID(int=2)  # a repository that nobody knows any more
_START = datetime(2026, 11, 20, 8, 30, tzinfo=UTC)
_NAMES = (b"a.jpg", b"2024/b\xff.jpg", b"new\nline", "é\u202e".encode(), b"x" * 255, b"-rf", b"%s{}")


def entry(n: int, kind: ChangeKind = ChangeKind.ADDED, path: str = "a.jpg", **given: Any) -> JournalEntry:
    """A journal entry that says as little as one can."""
    values: dict[str, Any] = {
        "n": n,
        "at": _START + timedelta(seconds=n),
        "repository_id": PHOTOS.id,
        "record_id": n,
        "operation_id": None,
        "kind": kind,
        "path": path,
        "path_before": None,
        "stat": FileStat(1, 2**62, 2**62, 1, 2**63 - 1, 0o100644),
        "stat_before": None,
        "hash_algorithm": None,
        "hash": None,
        "hash_before": None,
    }
    return JournalEntry(**(values | given))


def journal() -> list[JournalEntry]:
    """One entry of every kind for each of some odd names, half of them of a repository that was removed."""
    entries: list[JournalEntry] = []
    for name in map(stored_from_bytes, _NAMES):
        for kind in ChangeKind:
            given: dict[str, Any] = {"path_before": "old/" + name} if kind is ChangeKind.MOVED else {}
            if len(entries) % 2:
                given |= {"hash_algorithm": "sha256", "hash": "0" * 64, "repository_id": REMOVED}
            entries.append(entry(len(entries) + 1, kind, name, **given))
    return entries


def job_of(action: str, new: NewJob, *, id: int = 1) -> Job:
    """The job as an action is given it: its payload has been through the store."""
    payload = json.loads(json.dumps(new.payload))
    return Job(id, action, new.key, payload, JobState.RUNNING, new.priority, 1, _START, None, None, _START)


class ActionContract:
    module: ClassVar[str]
    plugin: ClassVar[str]

    @pytest.fixture
    def options(self) -> dict[str, Any]:
        raise NotImplementedError("a table's own keys, with which every job of `journal()` can be done")

    @pytest.fixture
    def secrets(self) -> list[str]:
        return []

    @pytest.fixture
    def action(self, options: dict[str, Any]) -> Action:
        [action] = self.built({"mine": {"use": self.plugin, **options}})
        return action

    def built(self, tables: Mapping[str, Mapping[str, Any]]) -> list[Action]:
        """What the plugin's hook gives for the `[plugins.NAME]` tables."""
        return list(importlib.import_module(self.module).actions(PluginTables(tables)))

    def test_there_is_one_action_for_each_table(self, options: dict[str, Any]) -> None:
        instance = {"use": self.plugin, **options}
        assert self.built({}) == []
        tables = {self.plugin: options, "mine": instance, "off": {"enabled": False, **instance}}
        actions = self.built(tables)
        assert {action.name for action in actions} == {self.plugin, "mine"}
        assert all(isinstance(action, Action) for action in actions)

    def test_it_knows_which_repositories_its_table_names(self, options: dict[str, Any]) -> None:
        [action] = self.built({self.plugin: {"repositories": ["photos"], **options}})
        assert tuple(getattr(action, "repositories", ())) == ("photos",)

    def test_a_wrong_key_is_an_error_that_names_the_table(self, options: dict[str, Any]) -> None:
        with pytest.raises(ConfigurationError, match=r"\[plugins.mine\] has no key 'nonesuch'"):
            self.built({"mine": {"use": self.plugin, **options, "nonesuch": 1}})

    def test_backfill_is_refused_in_words(self, options: dict[str, Any]) -> None:
        with pytest.raises(ConfigurationError, match=r"\[plugins.mine\].*backfill"):
            self.built({"mine": {"use": self.plugin, "backfill": True, **options}})

    def test_it_plans_for_changes_of_every_kind_and_name(self, action: Action) -> None:
        known = {PHOTOS.id: PHOTOS}
        assert list(action.plan([], known)) == []
        for job in action.plan(journal(), known):
            assert job.key
            assert job.delay >= 0
            assert json.loads(json.dumps(job.payload)) == job.payload

    def test_equal_changes_make_equal_jobs(self, action: Action) -> None:
        first, second = (list(action.plan(journal(), {PHOTOS.id: PHOTOS})) for _ in range(2))
        assert first == second

    @pytest.mark.anyio
    async def test_every_job_can_be_done_twice(self, action: Action) -> None:
        for new in action.plan(journal(), {PHOTOS.id: PHOTOS}):
            for _ in range(2):
                await action.run(job_of(action.name, new))

    @pytest.mark.anyio
    async def test_a_job_ends_when_it_is_cancelled(self, action: Action) -> None:
        for new in list(action.plan(journal(), {PHOTOS.id: PHOTOS}))[:3]:
            with anyio.fail_after(30), anyio.CancelScope() as scope:
                scope.cancel()
                await action.run(job_of(action.name, new))

    @pytest.mark.anyio
    async def test_it_tells_no_secret(
        self, action: Action, secrets: list[str], caplog: pytest.LogCaptureFixture
    ) -> None:
        with caplog.at_level(logging.DEBUG):
            jobs = action.plan(journal(), {PHOTOS.id: PHOTOS})
            for new in jobs:
                await action.run(job_of(action.name, new))
        for secret in secrets:
            assert secret not in caplog.text
            assert secret not in f"{action!r} {action} {jobs}"
