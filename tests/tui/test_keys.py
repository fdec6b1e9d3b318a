"""The line of keys: what fits is there, help always is, and a click presses."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stage import stage
from values import repository, status

from treeledger.tui.model import Looked
from treeledger.tui.widgets.keys import Key, fitting, keys_line

KEYS = [Key("s", "s", "Scan"), Key("slash", "/", "Filter"), Key("question_mark", "?", "Help")]


def text(width: int) -> str:
    return "".join(piece.text for piece in keys_line(fitting(KEYS, width)))


@pytest.mark.parametrize(
    ("width", "line"),
    [
        (80, " s Scan  / Filter  ? Help"),
        (25, " s Scan  / Filter  ? Help"),
        (24, " s Scan  ? Help"),
        (14, " ? Help"),
        (0, " ? Help"),
    ],
)
def test_what_has_no_room_is_left_out_and_help_never(width: int, line: str) -> None:
    assert text(width) == line


@given(st.integers(7, 60))
def test_no_key_is_cut(width: int) -> None:
    assert len(text(width)) <= width


def test_there_may_be_no_key() -> None:
    assert keys_line(fitting([], 80))[0].text == " "


@pytest.mark.anyio
async def test_a_click_on_a_key_presses_it() -> None:
    async with stage() as shown:
        await shown.tell(Looked(status(), [repository()], [], 0))
        await shown.until("/ Filter")
        begin = shown.text.splitlines()[-1].index("/ Filter")
        await shown.click("#keys", offset=(begin + 1, 0))
        await shown.until("a part of the path")


@pytest.mark.parametrize(("chosen", "seconds"), [(None, "0.05"), ("200", "0.2")])
def test_esc_is_answered_within_100_ms_unless_a_person_chose_otherwise(
    chosen: str | None, seconds: str
) -> None:
    environ = {name: value for name, value in os.environ.items() if name != "ESCDELAY"}
    program = "from treeledger.cli.tui import dashboard; dashboard()\n" + (
        "from textual import constants; print(constants.ESCAPE_DELAY)"
    )
    told = subprocess.run(
        [sys.executable, "-c", program],
        env=environ if chosen is None else {**environ, "ESCDELAY": chosen},
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout.strip() == seconds
