"""`treeledger tui`: the dashboard, on the engine that runs, or on one of its own."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from importlib import import_module
from typing import Any, Final

from treeledger.cli.options import Options
from treeledger.cli.own_engine import OwnEngine, own_engine
from treeledger.cli.run import with_unlocked
from treeledger.cli.targets import targets
from treeledger.errors import ConfigurationError, UsageError
from treeledger.panels import panels_of
from treeledger.unlocked import UnlockedLedger
from treeledger.working import listening_engine

_PLAIN: Final = ("dumb", "unknown")  # terminals that only print
_ESCAPE: Final = "50"  # milliseconds until esc is taken for a key, and not for the beginning of another one


def run(options: Options) -> int:
    if options.given.web:
        from treeledger.cli import browser

        return browser.run(options)
    for flag in ("host", "port", "token"):
        if getattr(options.given, flag) is not None:
            raise UsageError(f"--{flag} is for the dashboard in a browser: treeledger tui --web")
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError("the dashboard needs a terminal; for scripts there is: treeledger status --json")
    if os.environ.get("TERM") in _PLAIN:
        raise UsageError(
            f"the dashboard draws, which a terminal of the kind {os.environ['TERM']!r} cannot. If yours can: "
            "TERM=xterm-256color treeledger tui. If not: treeledger watch, treeledger status"
        )
    return with_unlocked(options, partial(_show, dashboard()))


def dashboard() -> Any:
    """The module that shows it, by name: the core imports no dashboard."""
    os.environ.setdefault("ESCDELAY", _ESCAPE)  # as other programs on terminals take it; 100 are usual
    try:
        return import_module("treeledger.tui.app")
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "textual":
            raise
        raise ConfigurationError(
            "what the dashboard is made with is not installed; nothing else needs it. Install it with: "
            f"{sys.executable} -m pip install 'treeledger[tui]'"
        ) from None


async def _show(module: Any, ledger: UnlockedLedger, options: Options) -> int:
    async with AsyncExitStack() as stack:
        own = None
        if not await is_watched_already(ledger, options):
            own = await stack.enter_async_context(begun(ledger, options))
        await show_window(module, ledger, own)
    return 0


@asynccontextmanager
async def begun(ledger: UnlockedLedger, options: Options) -> AsyncIterator[OwnEngine]:
    """An engine of this window, with what is named under care; one without any repository is fine, too."""
    if options.given.targets:
        await targets(ledger, options)
    async with own_engine(options) as own:
        yield own


async def show_window(module: Any, ledger: UnlockedLedger, own: OwnEngine | None) -> None:
    """The dashboard of the engine that runs, until a person leaves it; `own` is that of this window alone."""

    async def find() -> str | None:
        if own is not None:
            own.check()
        holder = await ledger.store.engine_holder(ledger.host)
        return None if holder is None else holder.address or None

    settings = ledger.configuration.tui
    look = module.Look(settings.theme, settings.keymap)
    panels = partial(panels_of, ledger.configuration)
    await module.show(find, is_own=own is not None, look=look, panels=panels)


async def is_watched_already(ledger: UnlockedLedger, options: Options) -> bool:
    """Whether an engine runs; it keeps from now on what is named."""
    from treeledger.client import Client
    from treeledger.engine_worker import EngineWorker

    holder = await listening_engine(ledger.store, ledger.host)
    if holder is None:
        return False
    async with Client.to_engine_of(holder) as client:
        if client is None:
            return False
        worker = EngineWorker(client, ledger)
        for target in await targets(ledger, options) if options.given.targets else ():
            await worker.watch(target.repository)
        return True
