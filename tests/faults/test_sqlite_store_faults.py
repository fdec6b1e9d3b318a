"""The store: a ledger on a disk that is full keeps what it has and says so."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from machine import mounted
from matrix import fault

from treeledger.errors import StoreUnavailable
from treeledger.plugins.sqlite.store import SqliteStore
from treeledger.testing.store_shelf import Shelf


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    with mounted(tmp_path / "disk", size="3m") as disk:
        yield disk


@fault("the disk of the ledger is full", "what is committed stays, the error says so, with room it goes on")
@pytest.mark.root
@pytest.mark.anyio
async def test_full_disk(small_disk: Path) -> None:
    store = SqliteStore(small_disk / "ledger.db")
    await store.open()
    shelf = await Shelf.new(store)
    await shelf.put("a")
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"x" * 2_000_000)
    with pytest.raises(StoreUnavailable, match="full"):
        await shelf.add(*(f"{number:04}" + "x" * 900 for number in range(2000)))
    assert await shelf.paths() == ["a"]
    assert (await store.head()).n == 1
    ballast.unlink()
    assert await shelf.put("b")
    await store.aclose()
