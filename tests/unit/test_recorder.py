"""The recorder: what the store could not take once, and takes now, is refused no longer."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest

from treeledger.engine.hub import Hub
from treeledger.engine.recorder import Recorder
from treeledger.errors import StoreDataError
from treeledger.model import Counts, Lease
from treeledger.protocols import Added, NewFile

pytestmark = pytest.mark.anyio


class Adding:
    """A store that adds new files, but for some."""

    def __init__(self, *refused: str) -> None:
        self.refused = [*refused]

    async def add(self, lease: Lease, files: Sequence[NewFile], **given: Any) -> Added:
        if "bad" in [file.path for file in files]:
            raise StoreDataError("bad")
        taken = [file for file in files if file.path not in self.refused]
        return Added(1, len(taken), 0, [*self.refused])


def files(*paths: str) -> list[NewFile]:
    return [NewFile(path, 1, 0, 0, 1, 1, 0o100644, "skipped", None) for path in paths]


async def added(recorder: Recorder, *paths: str) -> list[str]:
    async def begin() -> Any:
        return SimpleNamespace(id=1, generation=1)

    run: Any = SimpleNamespace(counts=Counts(), begin=begin)
    return await recorder.add(files(*paths), run, "sha256", datetime.now(UTC))


@pytest.fixture
def recorder() -> Recorder:
    store: Any = Adding("known")
    repository: Any = SimpleNamespace(id=UUID(int=1), generation=0)
    lease: Any = None
    made = Recorder(store, repository, lease, Hub())
    made.refused = {"once", "known", "bad"}
    return made


async def test_what_is_added_is_refused_no_longer(recorder: Recorder) -> None:
    assert await added(recorder, "once", "known") == ["known"]
    assert recorder.refused == {"known", "bad"}


async def test_of_files_of_which_one_cannot_be_added_each_is_to_be_inspected(recorder: Recorder) -> None:
    assert await added(recorder, "once", "bad") == ["once", "bad"]
    assert recorder.refused == {"once", "known", "bad"}
