"""A ledger on a real tree and a real store."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support import Tree, tree_on


@pytest.fixture
async def tree(tmp_path: Path, store_url: str) -> AsyncIterator[Tree]:
    async with tree_on(tmp_path / "tree", store_url) as tree:
        yield tree
