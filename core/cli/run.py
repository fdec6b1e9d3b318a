"""Running a command's coroutine with an open ledger."""

from __future__ import annotations

import gc
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final, TypeVar

import anyio

from treeledger.cli.options import Options
from treeledger.cli.render import tell
from treeledger.ledger import Ledger
from treeledger.model import Repository

T = TypeVar("T")

# Batches are thousands of tuples without cycles: collecting as often as by default costs a fifth of a scan.
_COLLECT: Final = (50_000, 20, 20)


def with_ledger(
    options: Options, body: Callable[[Ledger, Options], Awaitable[int]], *, patience: float = 0.0
) -> int:
    """Opens the ledger that the options name, runs the body, returns its exit code.

    A store that is away is waited for `patience` seconds.
    """
    gc.set_threshold(*_COLLECT)
    return anyio.run(partial(_with_ledger, options, body, patience))


async def _with_ledger(
    options: Options, body: Callable[[Ledger, Options], Awaitable[int]], patience: float
) -> int:
    opening = Ledger.open(store=options.store, config=options.config, processes=True, patience=patience)
    async with opening as ledger:
        if ledger.hint and not options.quiet:
            tell(ledger.hint)
        return await body(ledger, options)


async def names_of(ledger: Ledger) -> dict[object, Repository]:
    """The repositories by id."""
    return {repository.id: repository for repository in await ledger.repositories()}
