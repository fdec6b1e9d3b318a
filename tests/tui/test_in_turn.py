"""Keys that come together, as a slow line brings them."""

from __future__ import annotations

import pytest
from stage import Stage, stage, typed
from test_pictures import REPOSITORIES
from textual.events import Key
from textual.widgets import Input
from values import status

from treeledger.tui.in_turn import InTurn
from treeledger.tui.model import Looked
from treeledger.tui.screens.help import Help
from treeledger.tui.screens.home import HomePage
from treeledger.tui.screens.logs import LogsPage

pytestmark = pytest.mark.anyio


async def together(shown: Stage, *keys: str) -> None:
    for key in keys:
        shown.app.post_message(typed(key))
    await shown.rest()


def field(shown: Stage) -> str:
    focused = shown.app.focused
    assert isinstance(focused, Input)
    return focused.value


async def test_letters_after_the_key_of_a_field_are_text_for_it() -> None:
    async with stage() as shown:
        await shown.tell(Looked(status(), REPOSITORIES, [], 3))
        await together(shown, "/", "a", "q", "2")
        assert isinstance(shown.app.screen, HomePage)
        assert field(shown) == "aq2"


async def test_keys_are_for_the_screen_that_the_one_before_them_opened() -> None:
    async with stage() as shown:
        await together(shown, "?", "escape", "8", "/", "a", "b")
        assert isinstance(shown.app.screen, LogsPage)
        assert field(shown) == "ab"
        await together(shown, "escape", "1", "?")
        assert isinstance(shown.app.screen, Help)


async def test_a_key_that_is_never_done_holds_up_others_for_a_moment_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    done: list[str] = []
    now = 0.0
    monkeypatch.setattr("treeledger.tui.in_turn.monotonic", lambda: now)
    async with stage() as shown:
        monkeypatch.setattr(shown.app.screen, "call_later", lambda *_: True)  # and never calls
        shown.app.set_focus(None)

        async def hand_over(key: Key) -> None:
            done.append(key.key)

        keys = InTurn(shown.app, hand_over)
        await keys.take(typed("a"))
        await keys.take(typed("b"))
        assert done == ["a"]
        now = 1.5
        await keys.take(typed("c"))
        await shown.rest()
        assert done == ["a", "b"]
