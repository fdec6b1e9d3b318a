"""treeledger with a failpoint: the process is killed, or stops, at the nth call of one of its functions.

    python failpoint.py MODULE:FUNCTION WHEN NTH ACTION [treeledger's arguments]

WHEN is `before` or `after` the call; ACTION `kill` (SIGKILL itself) or `stop` (SIGSTOP itself, until
somebody continues it). The code under test knows nothing of this: the function is wrapped where it is found.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import os
import signal
import sys
from collections.abc import Callable
from itertools import count
from typing import Any

ACTIONS = {"kill": signal.SIGKILL, "stop": signal.SIGSTOP}


def arm(where: str, when: str, nth: int, act: Callable[[], object]) -> None:
    """Wraps a function or method, sync, async or a generator (whose call is its whole run)."""
    module, _, path = where.partition(":")
    owner: Any = importlib.import_module(module)
    *parents, name = path.split(".")
    for parent in parents:
        owner = getattr(owner, parent)
    function = inspect.getattr_static(owner, name)
    calls = count(1)

    def reached() -> None:
        if next(calls) == nth:
            act()

    setattr(owner, name, _wrapped(function, when, reached))


def _wrapped(function: Any, when: str, reached: Callable[[], None]) -> Any:
    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def waiting(*arguments: Any, **options: Any) -> Any:
            if when == "before":
                reached()
            result = await function(*arguments, **options)
            if when == "after":
                reached()
            return result

        return waiting
    if inspect.isgeneratorfunction(function):

        @functools.wraps(function)
        def running(*arguments: Any, **options: Any) -> Any:
            if when == "before":
                reached()
            result = yield from function(*arguments, **options)
            if when == "after":
                reached()
            return result

        return running

    @functools.wraps(function)
    def calling(*arguments: Any, **options: Any) -> Any:
        if when == "before":
            reached()
        result = function(*arguments, **options)
        if when == "after":
            reached()
        return result

    return calling


def main() -> None:
    where, when, nth, action, *arguments = sys.argv[1:]
    arm(where, when, int(nth), lambda: os.kill(os.getpid(), ACTIONS[action]))
    from treeledger.cli.main import main as treeledger

    sys.argv = ["treeledger", *arguments]
    sys.exit(treeledger())


if __name__ == "__main__":
    main()
