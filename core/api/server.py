"""Serves the API of a running engine.

Nothing of a web server is imported, and no route looked up, before somebody connects: an engine that nobody
asks stays small.
"""

from __future__ import annotations

import logging
import resource
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import anyio
import anyio.to_thread

from treeledger.api.guard import Guard
from treeledger.api.service import Service
from treeledger.api.sockets import Bound, bound_sockets
from treeledger.config.settings import ApiSettings
from treeledger.engine.groups import ungrouped
from treeledger.plugin_manager import PluginManager

if TYPE_CHECKING:
    from treeledger.api.routing import Route

log = logging.getLogger(__name__)
_AGAIN: Final = 30.0  # seconds
_FILES: Final = 8192  # that a process may open where nothing limits it

Routes = Callable[[PluginManager], "Sequence[Route]"]
Application = Any  # of ASGI


def all_routes(plugins: PluginManager) -> Sequence[Route]:
    """As `treeledger.api.catalog.all_routes`, which is imported when it is called."""
    from treeledger.api import catalog

    return catalog.all_routes(plugins)


@asynccontextmanager
async def serving(
    service: Service, settings: ApiSettings, state: Path, *, routes: Routes = all_routes
) -> AsyncIterator[list[str]]:
    """Listens from the start and answers until left; gives the addresses, that of the Unix socket first.

    Ends within two seconds, streams that are open with it. `state`: the folder for the Unix socket, if the
    system has none for what runs. Raises ConfigurationError.
    """
    raise_file_limit()
    table = cache(lambda: routes(service.ledger.plugins))

    def application(guard: Guard) -> Application:
        from treeledger.api.app import build

        return build(service, table(), guard)

    with bound_sockets(settings, state) as bound, ungrouped():
        async with anyio.create_task_group() as tasks:
            for one in bound:
                tasks.start_soon(_serve, one, application)
            try:
                yield [one.address for one in bound]
            finally:
                tasks.cancel_scope.cancel()


async def _serve(bound: Bound, application: Callable[[Guard], Application]) -> None:
    while True:
        await anyio.wait_readable(bound.socket)
        try:
            # Importing takes a while, in which the engine goes on.
            connections = await anyio.to_thread.run_sync(_connections)
            built = await anyio.to_thread.run_sync(application, bound.guard)
        except (
            Exception
        ):  # out of memory or of files, a broken installation: no reason for the engine to stop
            log.exception("%s cannot be answered at; I try again in %g s", bound.address, _AGAIN)
            await anyio.sleep(_AGAIN)
            continue
        await connections.serve(bound.socket, built)


def _connections() -> Any:
    from treeledger.api import connections

    return connections


def raise_file_limit() -> None:
    """Lets this process open as many files as the system allows it: each reader is one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = max(soft, _FILES) if hard == resource.RLIM_INFINITY else hard  # macOS takes no infinity
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
