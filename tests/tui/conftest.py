"""A real engine on a small tree, and a dashboard that shows it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from stage import Live, stage
from support import Tree, tree_on

from treeledger.api.server import serving
from treeledger.api.service import Service
from treeledger.config.settings import ApiSettings
from treeledger.daemon.attention import Attention
from treeledger.tui.app import Dashboard


@pytest.fixture
async def tree(tmp_path: Path) -> AsyncIterator[Tree]:
    """A tree of 31 files, not watched yet."""
    async with tree_on(tmp_path / "photos", f"sqlite:{tmp_path / 'ledger.db'}") as tree:
        for number in range(30):
            tree.write(f"2024/{number:02}.jpg", f"photo {number}")
        tree.write("notes.txt")
        yield tree


@pytest.fixture
async def live(tree: Tree, tmp_path: Path) -> AsyncIterator[Live]:
    settings = ApiSettings(socket=str(tmp_path / "s"))
    async with tree.watched() as engine:
        engine.start(Attention(tree.ledger, engine).follow)
        service = Service(tree.ledger, engine, "test", datetime.now(UTC))
        async with serving(service, settings, tmp_path) as [address]:

            async def find() -> str:
                return address

            async with stage(Dashboard(find)) as shown:
                await tree.until_equal()
                await shown.until(r"photos +● watching +31 ")
                yield Live(tree, shown)
