"""Running a command's coroutine with an open ledger."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, TypeVar
from uuid import UUID

import anyio

from treeledger.cli.options import Options
from treeledger.cli.render import tell
from treeledger.model import Repository
from treeledger.unlocked import UnlockedLedger

if TYPE_CHECKING:
    from treeledger.ledger import Ledger

Open = TypeVar("Open", bound=UnlockedLedger)


def with_ledger(
    options: Options, body: Callable[[Ledger, Options], Awaitable[int]], *, patience: float = 0.0
) -> int:
    """Opens the ledger that the options name, runs the body, returns its exit code.

    A store that is away is waited for `patience` seconds.
    """
    from treeledger.ledger import Ledger

    opening = Ledger.open(store=options.store, config=options.config, patience=patience, processes=True)
    return anyio.run(_with, opening, options, body)


def with_unlocked(options: Options, body: Callable[[UnlockedLedger, Options], Awaitable[int]]) -> int:
    """As `with_ledger`, for what needs no engine lock; imports no engine."""
    return anyio.run(_with, UnlockedLedger.open(store=options.store, config=options.config), options, body)


async def _with(
    opening: AbstractAsyncContextManager[Open],
    options: Options,
    body: Callable[[Open, Options], Awaitable[int]],
) -> int:
    async with opening as ledger:
        if ledger.hint and not options.quiet:
            tell(ledger.hint)
        return await body(ledger, options)


async def names_of(ledger: UnlockedLedger) -> dict[UUID, Repository]:
    """The repositories by id."""
    return {repository.id: repository for repository in await ledger.repositories()}
