"""An engine for dashboards: a daemon in a process of its own, which ends when they do.

In a process, as an engine at full speed leaves a window that shares its interpreter no time for keys.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from subprocess import DEVNULL, PIPE
from typing import Final

import anyio
from anyio.abc import Process
from anyio.streams.text import TextReceiveStream

from treeledger.cli.options import Options
from treeledger.errors import EngineAway

_ENDING: Final = 6.0  # seconds; an engine that is told to stop needs five at most
_TOLD: Final = 50  # lines of its log that are remembered


class OwnEngine:
    """The process of an engine."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._said: deque[str] = deque(maxlen=_TOLD)

    def check(self) -> None:
        """Raises EngineAway with its last words if it has ended."""
        code = self._process.returncode
        if code is not None:
            words = next((line for line in reversed(self._said) if line.strip()), f"exit code {code}")
            why = words.removeprefix("treeledger: ")
            raise EngineAway(f"the engine of this window has ended: {why}")

    async def listen(self) -> None:
        """Hears what its log says, which nobody else reads, until it ends."""
        assert self._process.stderr is not None
        rest = ""
        async for text in TextReceiveStream(self._process.stderr, errors="replace"):
            *lines, rest = (rest + text).split("\n")
            self._said += lines
        self._said.append(rest)


@asynccontextmanager
async def own_engine(options: Options) -> AsyncIterator[OwnEngine]:
    """Has all repositories of this host kept until left."""
    command = [sys.executable, "-m", "treeledger.cli.tethered", *given_globals(options)]
    process = await anyio.open_process(
        command, stdin=PIPE, stdout=DEVNULL, stderr=PIPE, start_new_session=True
    )
    engine = OwnEngine(process)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(engine.listen)
        try:
            yield engine
        finally:
            with anyio.CancelScope(shield=True):
                await _end(process)
            tasks.cancel_scope.cancel()


async def _end(process: Process) -> None:
    assert process.stdin is not None
    await process.stdin.aclose()
    with anyio.move_on_after(_ENDING):
        await process.wait()
    if process.returncode is None:
        process.kill()
    await process.aclose()


def given_globals(options: Options) -> list[str]:
    """The arguments by which another process finds the same ledger."""
    given = []
    if options.store is not None:
        given += ["--store", options.store]
    if options.config is not None:
        given += ["--config", options.config]
    return given
