"""`treeledger tui --web`: the dashboard in browsers, until Ctrl-C."""

from __future__ import annotations

import secrets
import socket
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from importlib import import_module
from typing import Any, Final
from urllib.parse import urlsplit

import anyio

from treeledger.api.guard import Guard
from treeledger.api.sockets import bind_tcp, checked_token, http_address
from treeledger.cli.options import Options
from treeledger.cli.own_engine import OwnEngine, given_globals
from treeledger.cli.run import with_unlocked
from treeledger.config.secrets import is_reference
from treeledger.errors import ConfigurationError, UsageError
from treeledger.unlocked import UnlockedLedger

HOST: Final = "127.0.0.1"
PORT: Final = 8137
_LOOK_EVERY: Final = 1.0  # seconds between two looks whether an engine of our own still runs


def run(options: Options) -> int:
    server, gate = _module("treeledger.tui.web.server"), _module("treeledger.tui.web.gate")
    try:
        return with_unlocked(options, partial(_serve, server, gate))
    except KeyboardInterrupt:  # which is how it ends
        return 0


def _module(name: str) -> Any:
    """By its name: the core imports no dashboard."""
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("aiohttp", "textual", "textual_serve"):
            raise
        raise ConfigurationError(
            "what serves the dashboard to browsers is not installed; nothing else needs it. Install it with: "
            f"{sys.executable} -m pip install 'treeledger[web]'"
        ) from None


async def _serve(server: Any, gate: Any, ledger: UnlockedLedger, options: Options) -> int:
    settings = ledger.configuration.api
    token = _token(options.given.token, settings.token)
    host, port = options.given.host or HOST, PORT if options.given.port is None else options.given.port
    written = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    listener, names = bind_tcp("--host and --port", written, has_token=token is not None)
    hosts = frozenset(name.lower() for name in (*settings.hosts, *names))
    async with AsyncExitStack() as stack:
        stack.callback(listener.close)
        own = await stack.enter_async_context(_engine(ledger, options))
        made = token or secrets.token_urlsafe()
        _say(options, listener, None if token else made, own)
        door = gate.Gate(Guard(False, hosts=hosts), made, listener.getsockname()[1])
        tasks = await stack.enter_async_context(anyio.create_task_group())
        tasks.start_soon(server.serve, listener, door, _window(options))
        while True:
            await anyio.sleep(_LOOK_EVERY)
            if own is not None:
                own.check()


def _token(given: str | None, configured: str | None) -> str | None:
    """The token that `--token` refers to, else that of [api]. Raises ConfigurationError."""
    if given is None:
        return checked_token("token of [api]", configured)
    if not is_reference(given):
        raise UsageError(
            "--token: whoever lists processes would see it; say where it is: env:NAME or file:PATH"
        )
    return checked_token("--token", given)


@asynccontextmanager
async def _engine(ledger: UnlockedLedger, options: Options) -> AsyncIterator[OwnEngine | None]:
    """None if one runs already, else an own one for all windows."""
    from treeledger.cli.tui import begun, is_watched_already

    if await is_watched_already(ledger, options):
        yield None
        return
    async with begun(ledger, options) as own:
        yield own


def _say(options: Options, listener: socket.socket, token: str | None, own: OwnEngine | None) -> None:
    address = http_address(listener)
    print(f"dashboard: {address}/" + (f"?token={token}" if token else "   asks for the token"), flush=True)
    if options.quiet:
        return
    if own is not None:
        print("No engine was running, so this one watches as long as it serves.")
    if (host := urlsplit(address).hostname) in ("0.0.0.0", "::"):
        print(f"It listens on every address of this machine ({host}), without encryption: see docs/tui.md.")
    print("Ctrl-C ends it, and every window.", flush=True)


def _window(options: Options) -> Sequence[str]:
    return [sys.executable, "-m", "treeledger.cli.window", *given_globals(options)]
