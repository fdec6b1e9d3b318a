"""Prints what becomes readable in a ledger, as another connection sees it: a line for each entry of its
journal, `path size hash`, a millisecond after it could be read at most. Run as a script: STORE."""

from __future__ import annotations

import sys
from typing import Final

import anyio

from treeledger.ledger import Ledger

_PAUSE: Final = 0.001  # seconds between two looks at the head of the journal


async def follow(store: str) -> None:
    async with Ledger.open(store=store) as ledger:
        after = (await ledger.store.head()).n
        while True:
            if (await ledger.store.head()).n == after:
                await anyio.sleep(_PAUSE)
                continue
            for entry in await ledger.store.changes(after, limit=1000):
                print(entry.path, entry.stat.size, entry.hash or "-")
                after = entry.n
            sys.stdout.flush()


if __name__ == "__main__":
    anyio.run(follow, sys.argv[1])
