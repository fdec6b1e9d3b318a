"""Plugins are switched on and off in a real plugins.toml, its comments kept; never what the engine needs."""

from __future__ import annotations

import tomllib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from configured import configured
from hypothesis import given
from hypothesis import strategies as st

from treeledger.client import Client
from treeledger.config.edit import switch_plugin
from treeledger.errors import ConfigurationError, NotFound, UsageError
from treeledger.ledger import Ledger

pytestmark = pytest.mark.anyio
FILE = """# mine
[plugins.blake3]  # of the camera
enabled = true  # always

[plugins.mine]
file = "mine.py"

[defaults]
file_watcher = { source = "polling" }
"""
PLUGIN = "from treeledger.hookspecs import impl\n\n@impl\ndef recorded(entries):\n    pass\n"
SHAPES = [
    "",
    "# only a comment\n",
    FILE,
    FILE + "\n[plugins.webhook]\nurl = 'x'\n",
    "[plugins]\nmine = { file = 'mine.py', enabled = false } # why\n",
    "[plugins.links]\n# nothing yet\n[store]\nretention = '9d'\n",
    "plugins.webhook.url = 'x'\n",
    "[plugins]\n# none\n[store]\nretention = '9d'\n",
]


class Live(NamedTuple):
    ledger: Ledger
    client: Client
    file: Path

    async def states(self, name: str) -> tuple[bool, bool]:
        """Whether it is on, and will be from the next start on."""
        (one,) = [one async for one in self.client.plugins() if one.name == name]
        return one.enabled, one.enabled_next


@pytest.fixture
async def live(tmp_path: Path) -> AsyncIterator[Live]:
    (tmp_path / "mine.py").write_text(PLUGIN)
    (tmp_path / "mine.py").chmod(0o600)
    file = tmp_path / "plugins.toml"
    async with configured(file, FILE) as [ledger, _, address], Client(address) as client:
        yield Live(ledger, client, file)


async def test_a_plugin_is_off_from_the_next_start_on_and_on_again(live: Live) -> None:
    for name in ("mine", "webhook", "blake3", "gitignore"):
        before = live.file.read_text()
        assert await live.states(name) == (True, True)
        off = await live.client.switch_plugin(name, on=False)
        assert (off.enabled, off.enabled_next) == (True, False)
        assert await live.states(name) == (True, False)
        text = live.file.read_text()
        assert tomllib.loads(text)["plugins"][name]["enabled"] is False
        comments = [line.partition("#")[2] for line in before.splitlines()]
        assert [comment for comment in comments if comment not in text] == []
        await live.client.switch_plugin(name, on=True)
        assert await live.states(name) == (True, True)
        assert without_switches(live.file.read_text()) == without_switches(before)


async def test_one_that_is_off_from_the_start_is_listed_and_can_be_switched_on(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(PLUGIN)
    file = tmp_path / "plugins.toml"
    file.write_text('[plugins.mine]\nfile = "mine.py"\nenabled = false  # for now\n')
    for path in (file, tmp_path / "mine.py"):
        path.chmod(0o600)
    async with Ledger.open(store=f"sqlite:{tmp_path / 'ledger.db'}", config=file) as ledger:
        (mine,) = [one for one in ledger.plugins.plugins() if one.name == "mine"]
        assert (mine.enabled, mine.hooks) == (False, ())


async def test_what_the_engine_needs_stays_on(live: Live) -> None:
    before = live.file.read_text()
    for name, reason in (
        ("sqlite", "holds this ledger"),
        ("walker", "walker = 'walker': no plugin has it"),
        ("polling", "source = 'polling'"),
        ("sha256", "sha256"),
    ):
        with pytest.raises(UsageError, match=reason):
            await live.client.switch_plugin(name, on=False)
    with pytest.raises(NotFound, match="no plugin 'nothing'; known are:"):
        await live.client.switch_plugin("nothing", on=False)
    live.file.chmod(0o666)
    with pytest.raises(ConfigurationError, match="can be written by"):
        await live.client.switch_plugin("blake3", on=False)
    assert live.file.read_text() == before


async def test_without_a_file_it_is_told_how_to_begin_one(tmp_path: Path) -> None:
    from treeledger.plugin_switch import switch

    async with Ledger.open(store=f"sqlite:{tmp_path / 'ledger.db'}", environ={}) as ledger:
        with pytest.raises(UsageError, match="treeledger init"):
            switch(ledger.configuration, ledger.plugins, "blake3", on=False)


async def test_a_file_that_is_broken_by_now_is_named(live: Live) -> None:
    live.file.write_text("[plugins\n")
    with pytest.raises(ConfigurationError, match=r"plugins.toml: .*line 1"):
        await live.client.switch_plugin("blake3", on=False)
    assert live.file.read_text() == "[plugins\n"


def without_switches(text: str) -> dict[str, Any]:
    """What a file says, but whether plugins are on."""
    document = tomllib.loads(text)
    for table in document.setdefault("plugins", {}).values():
        table.pop("enabled", None)
    return document


@pytest.mark.parametrize("text", ["", "# only a comment\n", "[store]\nretention = '9d'\n"])
def test_a_file_is_as_it_was_after_off_and_on(text: str) -> None:
    assert switch_plugin(switch_plugin(text, "blake3", on=False), "blake3", on=True) == text


@given(st.sampled_from(SHAPES), st.sampled_from(["blake3", "links", "mine", "webhook"]))
def test_switching_changes_nothing_else_and_back_is_as_before(text: str, name: str) -> None:
    off = switch_plugin(text, name, on=False)
    on = switch_plugin(off, name, on=True)
    assert tomllib.loads(off)["plugins"][name]["enabled"] is False
    assert tomllib.loads(on).get("plugins", {}).get(name, {}).get("enabled", True) is True
    assert without_switches(on) == without_switches(text)
    comments = [line.partition("#")[2] for line in text.splitlines()]
    assert [comment for comment in comments if comment not in on] == []
