"""The pool of worker processes, and what is left of it when one of them is killed."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from concurrent.futures.process import BrokenProcessPool

import anyio
import anyio.to_thread
import pytest
from executable import until

from treeledger.engine.processes import Processes

pytestmark = pytest.mark.anyio


def die_with_the_lock() -> None:
    """Is killed as the kernel may do it: amid an answer, with the lock that all answers take."""
    frame = sys._getframe()
    while "result_queue" not in frame.f_locals:
        assert frame.f_back is not None
        frame = frame.f_back
    frame.f_locals["result_queue"]._wlock.acquire()
    os.kill(os.getpid(), signal.SIGKILL)


def workers() -> set[int | None]:
    return {one.pid for one in multiprocessing.active_children()}


async def test_of_a_pool_of_which_one_was_killed_nothing_is_left() -> None:
    threads, before = set(threading.enumerate()), workers()
    processes = Processes(3)
    futures = [processes.submit(os.getpid) for _ in range(3)]
    for future in futures:
        assert future is not None
        await anyio.to_thread.run_sync(future.result)
    assert len(workers() - before) >= 2
    broken = [processes.submit(what) for what in (die_with_the_lock, os.getpid, os.getpid)]
    assert broken[0] is not None
    with pytest.raises(BrokenProcessPool) as failed:
        await anyio.to_thread.run_sync(broken[0].result)
    processes.give_up(failed.value)

    def is_over() -> bool:
        pool = [
            one for one in set(threading.enumerate()) - threads if "ExecutorManager" in type(one).__name__
        ]
        return workers() <= before and not pool

    await anyio.to_thread.run_sync(until, is_over, "no process is left, and no thread that waits for one", 30)
