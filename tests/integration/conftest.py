"""A ledger on a real tree and a real store."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support import Tree

from treeledger.ledger import Ledger


@pytest.fixture
async def tree(tmp_path: Path, store_url: str) -> AsyncIterator[Tree]:
    root = tmp_path / "tree"
    root.mkdir()
    environ = {**os.environ, "TREELEDGER_CONFIG": ""}
    async with Ledger.open(store=store_url, environ=environ) as ledger:
        one = Tree(root, ledger)
        one.repository = await ledger.add_repository(root)
        yield one
