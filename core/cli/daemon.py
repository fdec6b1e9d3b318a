"""`treeledger daemon`: every repository of this machine, unattended for months, until SIGTERM."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from math import inf
from typing import Final

import anyio

from treeledger.cli.main import leaf
from treeledger.cli.options import Options
from treeledger.cli.render import json_line
from treeledger.cli.unopened import configuration_of
from treeledger.daemon.daemon import Surroundings, keep_all
from treeledger.daemon.logs import Logs
from treeledger.daemon.notify import Notifier
from treeledger.engine.farewell import end_within
from treeledger.errors import TreeledgerError
from treeledger.ledger import Ledger
from treeledger.names import shown

log = logging.getLogger(__name__)
_CLOSING: Final = 2.0  # seconds that closing files and ending threads may take once all is written
_WAITING: Final = 5.0  # seconds between two words to the service manager while the ledger is waited for


def run(options: Options) -> int:
    return serve(options, "daemon")


def serve(options: Options, command: str) -> int:
    """Runs the daemon, which goes by the name of that command, until it is told to stop; its exit code."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until the engine can read its configuration again
    configuration = configuration_of(options)
    logs = Logs("debug" if options.verbose else "error" if options.quiet else None)
    notifier = Notifier.taken_from(os.environ)
    surroundings = Surroundings(command, logs, notifier, options.config, partial(_greet, options))
    with logs.installed(), suppress(KeyboardInterrupt):
        logs.apply(configuration)
        try:
            anyio.run(_daemon, options, surroundings)
        except Exception as error:
            if logs.path is not None:  # whoever reads standard error is told by `main`
                _say_why(leaf(error))
            raise
    return 0


def _say_why(error: BaseException) -> None:
    if isinstance(error, TreeledgerError):
        log.error("%s", error)
    else:
        log.critical("unexpected failure", exc_info=error)


async def _daemon(options: Options, surroundings: Surroundings) -> None:
    async with anyio.create_task_group() as tasks:
        waiting = anyio.CancelScope()
        tasks.start_soon(_wait, surroundings.notifier, waiting)
        opening = Ledger.open(store=options.store, config=options.config, patience=inf, processes=True)
        async with opening as ledger:
            waiting.cancel()
            if ledger.hint:
                log.warning("%s", ledger.hint)
            try:
                await keep_all(ledger, surroundings)
            except anyio.get_cancelled_exc_class():  # by a signal: see `main`
                end_within(_CLOSING)
                raise


async def _wait(notifier: Notifier, waiting: anyio.CancelScope) -> None:
    """Asks the service manager for patience."""
    with waiting:
        while True:
            notifier.starting("opening the ledger; if it is away, the log says why", 3 * _WAITING)
            await anyio.sleep(_WAITING)


def _greet(options: Options, ledger: Ledger, addresses: Sequence[str]) -> None:
    """Says where everything is; nobody need be there to read it."""
    log = ledger.configuration.log_file
    places = {"ledger": ledger.store.url, "api": list(addresses), "log": str(log) if log else None}
    with suppress(OSError):
        if options.json:
            print(json_line(places), flush=True)
        elif not options.quiet:
            print(f"ledger: {ledger.store.url}")
            for address in addresses:
                print(f"api: {address}")
            print(f"log: {shown(str(log)) if log else 'standard error'}", flush=True)
