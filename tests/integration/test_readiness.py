"""What a container's health check and doctor hear from a real engine."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import anyio.to_thread
import pytest
from support import WITHIN, tree_on

from treeledger.api.probe import why_not_ready
from treeledger.api.server import serving
from treeledger.api.service import Service
from treeledger.config.settings import ApiSettings


async def asked(listens: str) -> str | None:
    return await anyio.to_thread.run_sync(why_not_ready, listens, WITHIN)


@pytest.mark.anyio
async def test_an_engine_is_ready_until_its_store_is_away(tmp_path: Path) -> None:
    ledger, listens = tmp_path / "ledger.db", str(tmp_path / "api.sock")
    async with tree_on(tmp_path / "tree", f"sqlite:{ledger}") as tree, tree.watched() as engine:
        service = Service(tree.ledger, engine, "test", datetime.now(UTC))
        async with serving(service, ApiSettings(socket=listens), tmp_path):
            assert await asked(listens) is None
            aside = ledger.rename(ledger.with_name("aside"))
            try:
                why = await asked(listens)
            finally:
                aside.rename(ledger)
            assert why is not None
            assert str(ledger) in why
        assert "does not answer" in (await asked(listens) or "")
