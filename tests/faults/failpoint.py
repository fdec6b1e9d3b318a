"""treeledger with a failpoint: something happens to the process at the nth call of one of its functions.

    python failpoint.py WHERE WHEN NTH ACTION [treeledger's arguments]

WHERE is `MODULE:FUNCTION`, or `sql:NAME` for a statement within a transaction by its name; WHEN is
`before` or `after` it; ACTION is `kill` (SIGKILL), `stop` (SIGSTOP, until somebody continues it), the
name of another signal, such as `SIGTERM`, `fill` (a MemoryError) or `hang` (the call never returns). In
the environment, with FAILPOINT_ARMED=FILE calls count only once the file exists, and
FAILPOINT_REACHED=FILE is made when it happens. The code under test knows nothing of this: what it calls
is wrapped where it is found.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import os
import signal
import sys
import threading
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

_NAMES = {"kill": "SIGKILL", "stop": "SIGSTOP"}
_STEPS = (  # where a session executes a statement, which is its last argument
    "treeledger.plugins.sqlite.session:Connection._step",
    "treeledger.plugins.postgres.session:PostgresSession._step",
)

Reached = Callable[[tuple[Any, ...]], None]


def arm(where: str, when: str, nth: int, act: Callable[[], object]) -> None:
    """Wraps a function or method, sync, async or a generator (whose call is its whole run)."""
    calls = count(1)
    kind, _, name = where.partition(":")

    def reached(arguments: tuple[Any, ...]) -> None:
        is_it = kind != "sql" or getattr(arguments[-1], "name", "script") == name
        if is_it and _is_armed() and next(calls) == nth:
            act()

    for place in _STEPS if kind == "sql" else (where,):
        _wrap(place, when, reached)


def _is_armed() -> bool:
    file = os.environ.get("FAILPOINT_ARMED")
    return file is None or os.path.exists(file)


def _wrap(where: str, when: str, reached: Reached) -> None:
    module, _, path = where.partition(":")
    owner: Any = importlib.import_module(module)
    *parents, name = path.split(".")
    for parent in parents:
        owner = getattr(owner, parent)
    function = inspect.getattr_static(owner, name)
    before: Reached = reached if when == "before" else lambda arguments: None
    after: Reached = reached if when == "after" else lambda arguments: None
    setattr(owner, name, _wrapped(function, before, after))


def _replace_imported(where: str) -> None:
    """Puts what wraps a function to wherever the function was imported before."""
    module, _, name = where.partition(":")
    wrapped = getattr(sys.modules[module], name)
    for importer in [one for name, one in sys.modules.items() if name.startswith("treeledger.")]:
        for name, value in list(vars(importer).items()):
            if value is wrapped.__wrapped__:
                setattr(importer, name, wrapped)


def _wrapped(function: Any, before: Reached, after: Reached) -> Any:
    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def waiting(*arguments: Any, **options: Any) -> Any:
            before(arguments)
            result = await function(*arguments, **options)
            after(arguments)
            return result

        return waiting
    if inspect.isgeneratorfunction(function):

        @functools.wraps(function)
        def running(*arguments: Any, **options: Any) -> Any:
            before(arguments)
            result = yield from function(*arguments, **options)
            after(arguments)
            return result

        return running

    @functools.wraps(function)
    def calling(*arguments: Any, **options: Any) -> Any:
        before(arguments)
        result = function(*arguments, **options)
        after(arguments)
        return result

    return calling


def _act(action: str) -> None:
    if "FAILPOINT_REACHED" in os.environ:
        Path(os.environ["FAILPOINT_REACHED"]).touch()
    if action == "fill":
        raise MemoryError
    if action == "hang":
        threading.Event().wait()
    os.kill(os.getpid(), signal.Signals[_NAMES.get(action, action)])


def main() -> None:
    where, when, nth, action, *arguments = sys.argv[1:]
    arm(where, when, int(nth), lambda: _act(action))
    if not where.startswith("sql:") and "." not in where.partition(":")[2]:
        _replace_imported(where)
    from treeledger.cli.main import main as treeledger

    sys.argv = ["treeledger", *arguments]
    sys.exit(treeledger())


if __name__ == "__main__":
    main()
