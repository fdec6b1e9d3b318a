"""The page of plugins on a real engine with a real plugins.toml."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

import pytest
from configured import configured
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from stage import Stage, stage

from treeledger import wire
from treeledger.answers import Setting
from treeledger.tui.app import Dashboard
from treeledger.tui.plugin_texts import PluginTable, plugin_lines, state, tables_of

pytestmark = pytest.mark.anyio
FILE = """# mine
[plugins.polling]
interval = "30s"  # the NAS is slow

[plugins.phone]
use = "webhook"
url = "https://user:hush@example.org/hook"
secret = "very secret indeed"
"""


class Live(NamedTuple):
    shown: Stage
    file: Path


@pytest.fixture
async def live(tmp_path: Path) -> AsyncIterator[Live]:
    file = tmp_path / "plugins.toml"
    async with configured(file, FILE) as [_, _, address]:

        async def find() -> str:
            return address

        async with stage(Dashboard(find)) as shown:
            await shown.until("test .*sqlite ledger")
            await shown.press("6")
            await shown.until(r"▸ blake3 +● on +built in")
            yield Live(shown, file)


async def test_a_plugin_is_switched_off_and_on_again_once_it_is_meant(live: Live) -> None:
    shown = live.shown
    await shown.press("space")
    await shown.until("Switch it off")
    await shown.press("escape")
    assert live.file.read_text() == FILE
    await shown.press("space", "enter")
    await shown.until(r"▸ blake3 +◐ off next start")
    assert live.file.read_text() == FILE.replace(
        "[plugins.polling]", "[plugins]\nblake3 = {enabled = false}\n\n[plugins.polling]"
    )
    await shown.press("space", "enter")
    await shown.until(r"▸ blake3 +● on")
    assert "blake3" not in live.file.read_text()


async def test_its_options_are_shown_and_its_secrets_are_not(live: Live) -> None:
    shown = live.shown
    await shown.press("end")
    await shown.until(r"\[plugins\.phone\]")
    assert 'use               "webhook"' in shown.text
    assert "hush" not in shown.text
    assert "secret indeed" not in shown.text


async def test_the_store_in_use_stays_and_why_is_told(live: Live) -> None:
    shown = live.shown
    await shown.press(*["down"] * 5, "space", "enter")
    await shown.until("sqlite holds this ledger")
    assert live.file.read_text() == FILE


async def test_where_the_file_cannot_be_written_what_to_paste_stays_to_be_read(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, text: str) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("treeledger.config.edit.replace_text", refuse)
    shown = live.shown
    await shown.press("space", "enter")
    await shown.until("Not written")
    await shown.until(r"│  \[plugins\.blake3\] +│")
    await shown.until(r"│  enabled = false +│")
    assert live.file.read_text() == FILE
    await shown.press("enter")
    await shown.until("copied")
    assert shown.app.clipboard == "[plugins.blake3]\nenabled = false"


# --- pure ------------------------------------------------------------------------------------------


def plugin(*, now: bool, following: bool, error: str | None = None, name: str = "x") -> wire.Plugin:
    return wire.Plugin(
        name=name, origin="x 1", hooks=["actions"], enabled=now, enabled_next=following, error=error
    )


def test_a_state_says_what_is_and_what_will_be() -> None:
    assert [
        state(one).text
        for one in (
            plugin(now=True, following=True),
            plugin(now=False, following=False),
            plugin(now=True, following=False, error="no"),
            plugin(now=False, following=True),
            plugin(now=True, following=True, error="no"),
        )
    ] == ["● on", "○ off", "◐ off next start", "◐ on next start", "▲ failed"]


@given(st.text(max_size=40), st.text(max_size=300), st.integers(20, 200), st.integers(1, 30))
def test_a_plugin_fits_any_room(name: str, error: str, width: int, height: int) -> None:
    one = plugin(now=True, following=False, error=error, name=name)
    settings = [Setting(table=f"plugins.{name}", key=error, value=error, origin=error)]
    lines = plugin_lines(one, settings, (width, height))
    assert len(lines) <= height
    line = PluginTable([one]).line(0, width, marked=True)
    if width >= 40:
        for drawn in (*lines, line):
            assert cell_len("".join(piece.text for piece in drawn)) <= width


def test_the_tables_of_a_plugin_are_its_own_and_those_of_its_instances() -> None:
    settings = [
        Setting(table=table, key=key, value=value, origin="")
        for table, key, value in (
            ("plugins.webhook", "url", '"x"'),
            ("plugins.phone", "use", '"webhook"'),
            ("plugins.other", "use", '"links"'),
        )
    ]
    assert tables_of("webhook", settings) == ["plugins.webhook", "plugins.phone"]
    assert tables_of("sqlite", settings) == []
