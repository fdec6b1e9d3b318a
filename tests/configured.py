"""A ledger with a plugins.toml of a test's own, whose engine answers over HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from treeledger.api.server import serving
from treeledger.api.service import Service
from treeledger.config.settings import ApiSettings
from treeledger.engine.engine import Engine
from treeledger.ledger import Ledger


class Configured(NamedTuple):
    """What runs, and where it answers."""

    ledger: Ledger
    engine: Engine
    address: str


def written(file: Path, text: str) -> Path:
    """Writes that text into a configuration that nobody else may change; the folder it is in."""
    file.write_text(text)
    file.chmod(0o600)
    return file.parent


@asynccontextmanager
async def configured(file: Path, text: str) -> AsyncIterator[Configured]:
    """Writes that text into the file, and runs an engine with it on a new ledger beside it."""
    folder = written(file, text)
    async with (
        Ledger.open(store=f"sqlite:{folder / 'ledger.db'}", config=file) as ledger,
        ledger.started(command="test") as engine,
        serving(
            Service(ledger, engine, "test", datetime.now(UTC)),
            ApiSettings(socket=str(folder / "s")),
            folder,
        ) as [address],
    ):
        yield Configured(ledger, engine, address)
