"""Copies: `treeledger store copy` is killed, and the same command given again."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import pytest
from executable import Executable
from matrix import fault
from victim import Stage, Victim, after, before

from treeledger.plugins.postgres import stores as postgres_stores
from treeledger.plugins.sqlite import stores as sqlite_stores
from treeledger.protocols import CopyableStore, PlainRow, StoreOptions
from treeledger.testing.store_tables import everything

pytestmark = pytest.mark.anyio
TABLES = {
    "sqlite": "treeledger.plugins.sqlite.tables:SqliteTables",
    "postgres": "treeledger.plugins.postgres.tables:PostgresTables",
}
STAGES = (
    before("mark"),
    after("mark"),
    before("load", 2),
    after("load", 3),
    after("load", 5),
    after("set_counters"),
    before("finish"),
    after("finish"),
)


@pytest.fixture
def source(tmp_path: Path, new_store_url: str, postgres_url: str) -> str:
    """The other kind of store than the one that is copied to."""
    return postgres_url if new_store_url.startswith("sqlite") else f"sqlite:{tmp_path}/source.db"


@fault(
    "kill -9 at a stage of a copy to this store from the other one",
    "the same command goes on where it was, and ends with equal rows",
)
@pytest.mark.parametrize("stage", STAGES, ids=[f"{one.when} {one.where} {one.nth}" for one in STAGES])
async def test_killed_copy(tmp_path: Path, new_store_url: str, source: str, stage: Stage) -> None:
    victim = Victim(tmp_path, source)
    victim.grow()
    async with victim.opened() as tree:
        await tree.ledger.scan(tree.repository)
    kind = "sqlite" if new_store_url.startswith("sqlite") else "postgres"
    victim.dies(stage._replace(where=f"{TABLES[kind]}.{stage.where}"), "store", "copy", source, new_store_url)
    done = Executable(victim.home)("store", "copy", source, new_store_url, "--json")
    assert done.err == ""
    (said,) = done.json
    assert said["tables"]["file_records"] == 40
    assert said["copied"] < said["rows"] or stage in STAGES[:3]
    assert await held(new_store_url) == await held(source)


async def held(url: str) -> tuple[dict[str, list[PlainRow]], Mapping[str, int]]:
    """Every row and counter of a ledger."""
    store = sqlite_stores(StoreOptions(url)) or postgres_stores(StoreOptions(url))
    assert isinstance(store, CopyableStore)
    await store.open()
    try:
        with closing(store.all_tables()) as tables:
            return everything(tables), tables.counters()
    finally:
        await store.aclose()
