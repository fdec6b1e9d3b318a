"""The command palette offers everything by the name that it has, whatever the name is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stage import stage
from textual.content import Content
from values import repository, status

from treeledger.names import shown
from treeledger.tui.commands import command, for_repositories
from treeledger.tui.model import Looked

ODD = ["a[/b]", "[red]hot", "photos [2019]", "\\[x]", "[", "\x1b[31m"]


@given(st.sampled_from(ODD) | st.text(max_size=20))
def test_no_name_is_taken_for_markup(name: str) -> None:
    (offered,) = for_repositories([name], [("scan", "all [of] it", lambda name: None)])
    assert Content.from_markup(offered.title).plain == f"{shown(name)}: scan"
    assert Content.from_markup(offered.help).plain == "all [of] it"


def test_a_command_is_found_by_its_name() -> None:
    assert command("Go to Files", "screen 3", list).title == "Go to Files"


@pytest.mark.anyio
async def test_the_palette_opens_whatever_a_repository_is_called() -> None:
    async with stage() as shown:
        await shown.tell(Looked(status(), [repository(name) for name in ODD], [], 0))
        await shown.press("ctrl+p", *"/b]: remove")
        await shown.until(r"a\[/b\]: remove")
        await shown.press("enter")
        await shown.until(r"a\[/b\] is watched and scanned no longer")
