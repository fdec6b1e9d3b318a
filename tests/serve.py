"""An engine with its API in a process of its own: python serve.py LEDGER ROOT [KEY=VALUE of [api]...]

It prints the addresses as one line of JSON once its repository is watched; it ends with its standard input.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import anyio
import anyio.to_thread

from treeledger.api.server import serving
from treeledger.api.service import Service
from treeledger.config.settings import ApiSettings
from treeledger.ledger import Ledger


async def main(file: str, root: str, settings: Sequence[str]) -> None:
    api = ApiSettings(**dict(one.split("=", 1) for one in settings))
    environ = {**os.environ, "TREELEDGER_CONFIG": ""}
    async with Ledger.open(store=f"sqlite:{file}", environ=environ) as ledger:
        await ledger.add_repository(root)
        async with ledger.started(command="test") as engine:
            service = Service(ledger, engine, "test", datetime.now(UTC))
            async with serving(service, api, Path(file).parent) as addresses:
                await ledger.trigger_reconciliation(Path(root).name)
                print(json.dumps(addresses), flush=True)
                await anyio.to_thread.run_sync(sys.stdin.read, abandon_on_cancel=True)


if __name__ == "__main__":
    anyio.run(main, sys.argv[1], sys.argv[2], sys.argv[3:])
