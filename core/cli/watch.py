"""`treeledger watch`: the main job in the foreground, one short line per change, until Ctrl-C."""

from __future__ import annotations

import errno
import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from math import inf
from typing import Final

import anyio

from treeledger.cli.answering import answer
from treeledger.cli.options import Options
from treeledger.cli.outlet import LogOutlet, Outlet
from treeledger.cli.printer import Printer
from treeledger.cli.run import with_ledger
from treeledger.cli.targets import targets
from treeledger.daemon.attention import Attention
from treeledger.daemon.logs import Ring
from treeledger.daemon.supervision import supervised
from treeledger.engine.farewell import end_within
from treeledger.errors import EngineAway, EngineLocked
from treeledger.journal import Reader
from treeledger.ledger import Ledger
from treeledger.model import Repository
from treeledger.working import listening_engine

_CLOSING: Final = 3.0  # seconds that closing files and ending threads may take once all is written
_AGAIN: Final = 0.5  # seconds


def run(options: Options) -> int:
    outlet = Outlet()
    code = 0
    with _logging_to(outlet):
        try:
            code = with_ledger(options, partial(_watch, outlet), patience=inf)
        except KeyboardInterrupt:
            pass
        finally:
            if not outlet.close():
                os._exit(code)  # the ledger is closed; whatever flushes would wait for the terminal
    return code


@contextmanager
def _logging_to(outlet: Outlet) -> Iterator[None]:
    """What was to be printed goes to the outlet, and the last records stay in memory, for a dashboard."""
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    printing = LogOutlet(outlet)
    printing.setLevel(level)
    root.handlers = [printing, Ring()]
    root.setLevel(min(level, logging.INFO))
    try:
        yield
    finally:
        root.handlers = handlers
        root.setLevel(level)


async def _watch(outlet: Outlet, ledger: Ledger, options: Options) -> int:
    found = await targets(ledger, options)
    repositories = [target.repository for target in found]
    printer = Printer(outlet, ledger, options, repositories)
    reader = Reader(ledger.store, await ledger.store.head(), None, patience=None)
    stop = ledger.hub.listen(printer.take)
    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_keep, ledger, printer, repositories if options.given.targets else None)
            tasks.start_soon(printer.follow, reader)
            await printer.unheard.wait()
            tasks.cancel_scope.cancel()
    except anyio.get_cancelled_exc_class():  # by a signal: see `main`
        printer.bid_farewell()
        end_within(_CLOSING)
        raise
    finally:
        stop()
        printer.close()
    if printer.failure is not None and printer.failure.errno != errno.EIO:  # which a closed terminal says
        raise printer.failure
    return 0


async def _keep(ledger: Ledger, printer: Printer, only: Sequence[Repository] | None) -> None:
    """Runs the engine; while another process runs it, watches along with that, and then takes its place."""
    ids = None if only is None else [repository.id for repository in only]
    is_first = True
    while True:
        await _go_along(ledger, printer, only)
        try:
            async with ledger.started(ids, command="watch") as engine:
                printer.greet(None)
                engine.start(partial(answer, ledger, engine, "watch"))
                waits = Attention(ledger, engine, actions=[action.name for action in engine.actions])
                engine.start(partial(supervised, "attention", waits.follow))
                await anyio.sleep_forever()
        except EngineLocked:
            if printer.through is None and not is_first:
                raise
        is_first = False
        await anyio.sleep(_AGAIN)  # another one was faster, and will answer soon


async def _go_along(ledger: Ledger, printer: Printer, only: Sequence[Repository] | None) -> None:
    """Until the engine ends that holds the ledger; returns at once if none does, or none answers."""
    holder = await listening_engine(ledger.store, ledger.host)
    if holder is None:
        return
    from treeledger.cli.along import watch_along
    from treeledger.client import Client

    async with Client.to_engine_of(holder) as client:
        if client is not None:
            printer.greet(holder)
            with suppress(EngineAway):
                await watch_along(ledger, client, holder, only, printer.take)
            printer.forget_states()
