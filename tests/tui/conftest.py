"""A real engine on a small tree, and a dashboard that shows it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from stage import Live, showing
from support import Tree, tree_on

from treeledger.daemon import attention


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """What waits is noted at once."""
    monkeypatch.setattr(attention, "_EVERY", 0.1)


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
    async with showing(tree, tmp_path) as live:
        await tree.until_equal()
        await live.until(r"photos +● watching +31 ")
        yield live
