"""Whatever kind an engine tells of has its words, its glyph, its keys: one that is added is not forgotten."""

from __future__ import annotations

import pytest
from values import operation, waiting

from treeledger.engine.hub import RepositoryState
from treeledger.model import JobState, OperationStatus, ProblemCode
from treeledger.tui import job_texts, texts
from treeledger.tui.matter_texts import key_lines
from treeledger.tui.operation_texts import status
from treeledger.tui.problem_texts import ADVICE
from treeledger.tui.waiting_texts import kind
from treeledger.waiting import WaitingKind

OF_TOMORROW = "of tomorrow"


def test_every_problem_has_advice() -> None:
    assert set(ADVICE) == {code for code in ProblemCode if not code.is_note}


def test_every_state_of_a_repository_has_a_glyph_of_its_own() -> None:
    assert len({texts.state(one).text[0] for one in RepositoryState}) == len(RepositoryState)
    assert texts.state(OF_TOMORROW).text == "· of tomorrow"


def test_every_status_of_an_operation_has_a_glyph_of_its_own() -> None:
    found = {status(operation(1, status=one), "").text for one in (*OperationStatus, OF_TOMORROW)}
    assert len(found) == len(OperationStatus) + 1


def test_every_state_of_a_job_is_counted() -> None:
    (titles, *_) = job_texts.queue_lines({}, job_texts.Wanted(), 80, 9)
    assert all(state.capitalize() in "".join(piece.text for piece in titles) for state in JobState)


@pytest.mark.parametrize("one", WaitingKind)
def test_whatever_waits_has_a_name_and_keys_that_help(one: WaitingKind) -> None:
    assert kind(waiting(one)).tone is not kind(waiting(OF_TOMORROW)).tone
    assert key_lines(waiting(one), None, 80)
