"""An engine for one window: `treeledger watch` in a process of its own, which ends when the window does.

In a process, as an engine at full speed leaves a window that shares its interpreter no time for keys.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from subprocess import DEVNULL, PIPE
from tempfile import TemporaryFile
from typing import IO, Final

import anyio
from anyio.abc import Process

from treeledger.cli.options import Options
from treeledger.errors import EngineAway

_ENDING: Final = 6.0  # seconds; an engine that is told to stop needs five at most
_TOLD: Final = 2000  # bytes of its last words


class OwnEngine:
    """The process of an engine."""

    def __init__(self, process: Process, said: IO[bytes]) -> None:
        self._process = process
        self._said = said

    def check(self) -> None:
        """Raises EngineAway with its last words if it has ended."""
        code = self._process.returncode
        if code is None:
            return
        self._said.seek(0, 2)
        self._said.seek(max(0, self._said.tell() - _TOLD))
        words = self._said.read().decode(errors="replace").strip().removeprefix("treeledger: ")
        raise EngineAway(f"the engine of this window has ended: {words or f'exit code {code}'}")


@asynccontextmanager
async def own_engine(options: Options, targets: Sequence[str]) -> AsyncIterator[OwnEngine]:
    """Has the targets watched, all known repositories if there are none, until left."""
    with TemporaryFile() as said:
        process = await anyio.open_process(
            _command(options, targets), stdin=PIPE, stdout=DEVNULL, stderr=said, start_new_session=True
        )
        try:
            yield OwnEngine(process, said)
        finally:
            with anyio.CancelScope(shield=True):
                await _end(process)


async def _end(process: Process) -> None:
    assert process.stdin is not None
    await process.stdin.aclose()
    with anyio.move_on_after(_ENDING):
        await process.wait()
    if process.returncode is None:
        process.kill()
    await process.aclose()


def _command(options: Options, targets: Sequence[str]) -> list[str]:
    command = [sys.executable, "-m", "treeledger.cli.tethered", *given_globals(options)]
    return [*command, "--quiet", "watch", "--", *targets]


def given_globals(options: Options) -> list[str]:
    """The arguments by which another process finds the same ledger."""
    given = []
    if options.store is not None:
        given += ["--store", options.store]
    if options.config is not None:
        given += ["--config", options.config]
    return given
