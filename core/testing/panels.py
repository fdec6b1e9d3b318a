"""What every panel promises. A plugin's author inherits the suite and says what there is to draw:

class TestMyPanel(PanelContract):
    @pytest.fixture
    def panel(self) -> Panel[Any]:
        return MyPanel()

    @pytest.fixture
    def examples(self) -> list[Any]:
        return [[], ["one"], ["many"] * 1000]
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio
import pytest
from rich.cells import cell_len

from treeledger.client import Client
from treeledger.errors import EngineAway
from treeledger.names import shown
from treeledger.protocols import Line, Panel, PanelKey, Tone

_NOW = datetime(2026, 11, 20, 14, 2, 31, tzinfo=UTC)
_WIDTHS = range(20, 201)  # cells
_HEIGHTS = (1, 2, 3, 8, 20, 60)  # lines


class PanelContract:
    @pytest.fixture
    def panel(self) -> Panel[Any]:
        raise NotImplementedError

    @pytest.fixture
    def examples(self) -> list[Any]:
        raise NotImplementedError("what `read` may give: nothing, little, much, and names of any kind")

    def drawn(self, panel: Panel[Any], examples: list[Any]) -> Iterator[tuple[int, int, list[Line]]]:
        """Every example, and nothing read yet, in every width and some heights."""
        for data in (None, *examples):
            for width in _WIDTHS:
                height = _HEIGHTS[width % len(_HEIGHTS)]
                yield width, height, list(panel.draw(data, width, height, _NOW))

    def test_it_satisfies_the_protocol_and_has_a_name_for_its_tab(self, panel: Panel[Any]) -> None:
        assert isinstance(panel, Panel)
        assert panel.name.split() == [panel.name]
        assert shown(panel.name) == panel.name
        assert shown(panel.title) == panel.title
        assert panel.every >= 0.5

    def test_it_draws_within_its_place(self, panel: Panel[Any], examples: list[Any]) -> None:
        for width, height, lines in self.drawn(panel, examples):
            assert len(lines) <= height
            for line in lines:
                assert sum(cell_len(text) for text, _ in line) <= width, line

    def test_what_it_draws_is_text_that_is_safe_for_a_terminal(
        self, panel: Panel[Any], examples: list[Any]
    ) -> None:
        for _, _, lines in self.drawn(panel, examples):
            for text, tone in (piece for line in lines for piece in line):
                assert shown(text) == text
                assert isinstance(tone, Tone)

    def test_equal_data_are_drawn_equally(self, panel: Panel[Any], examples: list[Any]) -> None:
        for data in (None, *examples):
            first, second = (list(panel.draw(data, 80, 20, _NOW)) for _ in range(2))
            assert first == second

    def test_its_keys_differ_and_say_what_they_do(self, panel: Panel[Any]) -> None:
        assert all(isinstance(one, PanelKey) and one.label for one in panel.keys)
        assert len({one.key for one in panel.keys}) == len(panel.keys)

    @pytest.mark.anyio
    async def test_an_engine_that_is_away_is_said_to_be_and_not_hidden(
        self, panel: Panel[Any], tmp_path: Path
    ) -> None:
        async with Client(f"unix:{tmp_path}/none") as client:
            with anyio.fail_after(30), pytest.raises(EngineAway):
                await panel.read(client)
