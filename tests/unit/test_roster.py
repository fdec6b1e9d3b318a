"""What an engine does when other processes add, change, pause, resume or remove repositories."""

from __future__ import annotations

from dataclasses import replace
from uuid import uuid4

import pytest

from treeledger.engine.roster import Steps, steps
from treeledger.model import Repository

ONE = Repository(uuid4(), "one", "here", "/one")
PAUSED = replace(ONE, paused=True)
OTHERWISE = replace(ONE, settings={"change_key": "size"})


@pytest.mark.parametrize(
    ("before", "now", "expected"),
    [
        ((), (ONE,), Steps(kept=(ONE,))),
        ((), (PAUSED,), Steps()),
        ((ONE,), (ONE,), Steps()),
        ((ONE,), (replace(ONE, files=7, generation=3, health={"state": "watching"}),), Steps()),
        ((ONE,), (), Steps(removed=(ONE,))),
        ((PAUSED,), (), Steps(removed=(PAUSED,))),
        ((ONE,), (PAUSED,), Steps(paused=(PAUSED,))),
        ((PAUSED,), (PAUSED,), Steps()),
        ((PAUSED,), (ONE,), Steps(kept=(ONE,))),
        ((ONE,), (OTHERWISE,), Steps(changed=(OTHERWISE,))),
        ((PAUSED,), (OTHERWISE,), Steps(kept=(OTHERWISE,))),
    ],
)
def test_steps(before: tuple[Repository, ...], now: tuple[Repository, ...], expected: Steps) -> None:
    assert steps({one.id: one for one in before}, now) == expected


def test_after_all_settings_were_read_anew_each_that_is_kept_is_looked_at() -> None:
    other = Repository(uuid4(), "other", "here", "/other", paused=True)
    before = {one.id: one for one in (ONE, other)}
    assert steps(before, [ONE, other], all_differ=True) == Steps(changed=(ONE,))
