"""How urgent the disk work of the running thread is to Linux (ioprio_set(2)); elsewhere nothing happens."""

from __future__ import annotations

import ctypes
import logging
import os
import platform
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Final, NamedTuple

log = logging.getLogger(__name__)
_THIS_THREAD: Final = (1, 0)  # IOPRIO_WHO_PROCESS, the caller
_CLASS_SHIFT: Final = 13
_BEST_EFFORT: Final = 2
_LEAST: Final = 7
VALUES: Final = {"low": _BEST_EFFORT << _CLASS_SHIFT | _LEAST, "idle": 3 << _CLASS_SHIFT}
_NUMBERS: Final = {  # of ioprio_set and ioprio_get, which the C library has no functions for
    "x86_64": (251, 252),
    "aarch64": (30, 31),
    "riscv64": (30, 31),
    "ppc64le": (273, 274),
    "s390x": (282, 283),
}


class _Calls(NamedTuple):
    """The system calls of this machine."""

    set: int
    get: int
    syscall: Callable[..., int]

    def current(self) -> int:
        return self.syscall(self.get, *_THIS_THREAD, 0)

    def change(self, value: int) -> bool:
        """False if the system refuses."""
        return self.syscall(self.set, *_THIS_THREAD, value) == 0


@contextmanager
def disk_priority(wanted: str) -> Iterator[None]:
    """The body reads as `wanted` ("normal", "low", "idle") says; afterwards it is as it was before."""
    calls = None if wanted == "normal" else _calls()
    before = -1 if calls is None else calls.current()
    if calls is None or before < 0 or not calls.change(VALUES[wanted]):
        if calls is not None:
            log.debug("the disk priority %s is refused: %s", wanted, os.strerror(ctypes.get_errno()))
        yield
        return
    try:
        yield
    finally:
        calls.change(before)


def current_priority() -> int | None:
    """What the kernel has noted for the running thread; None where it cannot be asked."""
    calls = _calls()
    value = -1 if calls is None else calls.current()
    return None if value < 0 else value


@cache
def _calls() -> _Calls | None:
    numbers = _NUMBERS.get(platform.machine())
    if numbers is None or not sys.platform.startswith("linux") or sys.maxsize < 2**32:
        return None
    syscall = ctypes.CDLL(None, use_errno=True).syscall
    syscall.restype = ctypes.c_long
    syscall.argtypes = [ctypes.c_long] * 4
    return _Calls(*numbers, syscall)
