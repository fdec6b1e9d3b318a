"""Watching along: what the engine of another process tells, as if it ran here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing, suppress
from functools import partial
from typing import Final

import anyio

from treeledger.client import Client, Happened
from treeledger.engine import hub
from treeledger.engine.hub import Finished, RepositoryState, StateChanged
from treeledger.engine.patience import patiently, unsaid
from treeledger.engine_worker import EngineWorker, operation_from
from treeledger.errors import EngineAway
from treeledger.ledger import Ledger
from treeledger.model import Holder, OperationType, Repository
from treeledger.wire import Operation
from treeledger.wire_events import Progress, State, counts_from

_EVERY: Final = 1.0  # seconds between looks whether the engine is still there
Take = Callable[[hub.Event], None]
Told = StateChanged | hub.Progress | Finished


async def watch_along(
    ledger: Ledger, client: Client, holder: Holder, only: Sequence[Repository] | None, take: Take
) -> None:
    """Passes on what the engine tells until it ends, of some repositories, which it keeps from now on, or
    of all."""
    worker = EngineWorker(client, ledger)
    for repository in only or ():
        await worker.watch(repository)
    ids = None if only is None else {repository.id for repository in only}

    def take_wanted(told: Told) -> None:
        if ids is None or told.repository.id in ids:
            take(told)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_pass_on, ledger, client, take_wanted)
        while await patiently(lambda: _is_there(ledger, holder), None, unsaid()):  # noqa: ASYNC110
            await anyio.sleep(_EVERY)
        tasks.cancel_scope.cancel()


async def _is_there(ledger: Ledger, holder: Holder) -> bool:
    now = await ledger.store.engine_holder(holder.host)
    return now is not None and now.owner == holder.owner


async def _pass_on(ledger: Ledger, client: Client, take: Callable[[Told], None]) -> None:
    """What happens to each repository; first, and whenever something may have been missed, how it is."""
    names: dict[str, Repository] = {}
    async with aclosing(client.events()) as events:
        async for event in events:
            if event.name in ("connected", "afresh"):
                names = await _named(ledger)
                await patiently(partial(_tell_states, client, names, take), None, unsaid())
            name = getattr(event.data, "repository", None)
            if name is not None and name not in names:
                names = await _named(ledger)
            told = _event(event, names)
            if told is not None:
                take(told)


async def _tell_states(client: Client, names: Mapping[str, Repository], take: Callable[[Told], None]) -> None:
    """As the engine knows them: what the store says of it is some seconds old."""
    with suppress(EngineAway):  # it is told again when the line stands
        async for one in client.repositories():
            if one.name in names:
                take(StateChanged(names[one.name], RepositoryState(one.state), one.message))


async def _named(ledger: Ledger) -> dict[str, Repository]:
    listed = await patiently(ledger.repositories, None, unsaid())
    return {repository.name: repository for repository in listed if repository.host == ledger.host}


def _event(event: Happened, names: Mapping[str, Repository]) -> Told | None:
    """As the hub tells it; None for what is of no use here."""
    match event.name, event.data:
        case "state", State(repository=name, state=state, message=message) if name in names:
            return StateChanged(names[name], RepositoryState(state), message)
        case "progress", Progress(repository=name) as form if name in names:
            type, counts = OperationType(form.type), counts_from(form)
            return hub.Progress(names[name], type, counts, form.expected, form.seconds)
        case "finished", Operation(repository=name) as form if name in names:
            return Finished(names[name], operation_from(form, names[name].id))
        case _:
            return None
