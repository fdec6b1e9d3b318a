"""Commands in processes that are forked from one that has imported treeledger already.

A test that runs twenty commands would else spend its time on importing the same modules twenty times. A
forked process has of its own what a started one has: arguments, folder, environment, streams, exit code.
How the program starts from nothing is for those that run on: `Executable.started` starts an interpreter.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import pkgutil
import runpy
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from multiprocessing import process
from pathlib import Path

_READ_AT_START = ("PYTHON", "LC_", "LANG", "LD_", "TZ")  # variables that an interpreter reads as it begins
_NEVER = ("treeledger.__main__", "treeledger.testing", "treeledger.tui")  # what no command imports


class Server:
    """The process that others are forked from, with an environment; it ends with this one."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._at_start = _read_at_start(environ)
        self._socket, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with its:
            self._process = subprocess.Popen(
                [sys.executable, __file__, str(its.fileno())],
                env=dict(environ),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,  # as those have that are forked; it says nothing itself
                pass_fds=[its.fileno()],
                start_new_session=True,
            )
        atexit.register(self.end)

    def end(self) -> None:
        self._socket.close()
        self._process.communicate()

    def can_run(self, environ: Mapping[str, str]) -> bool:
        """Whether an interpreter that begins with this environment is like this one."""
        return _read_at_start(environ) == self._at_start

    def run(
        self, arguments: Sequence[str], cwd: Path, environ: Mapping[str, str], within: float
    ) -> subprocess.CompletedProcess[bytes]:
        """Runs treeledger to its end. After `within` seconds it is killed, and TimeoutExpired raised."""
        (out, to_out), (err, to_err) = os.pipe(), os.pipe()
        mine, its = socket.socketpair()
        with mine, open(out, "rb") as printed, open(err, "rb") as complained:
            socket.send_fds(self._socket, [b"."], [its.fileno(), to_out, to_err])
            its.close()
            os.close(to_out)
            os.close(to_err)
            with mine.makefile("rw") as line:
                line.write(json.dumps((list(arguments), str(cwd), dict(environ))) + "\n")
                line.flush()
                pid = int(line.readline())
                try:
                    texts = _read([printed.fileno(), complained.fileno()], within)
                except TimeoutError:
                    os.kill(pid, signal.SIGKILL)
                    raise subprocess.TimeoutExpired(list(arguments), within) from None
                return subprocess.CompletedProcess(list(arguments), int(line.readline()), *texts)


def _read_at_start(environ: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environ.items() if name.startswith(_READ_AT_START)}


def _read(descriptors: Sequence[int], within: float) -> list[bytes]:
    """All that comes from each until its end. Raises TimeoutError."""
    end = time.monotonic() + within
    texts = {descriptor: bytearray() for descriptor in descriptors}
    with selectors.DefaultSelector() as selector:
        for descriptor in descriptors:
            selector.register(descriptor, selectors.EVENT_READ)
        while selector.get_map():
            ready = selector.select(end - time.monotonic())
            if not ready:
                raise TimeoutError
            for key, _ in ready:
                piece = os.read(key.fd, 65536)
                texts[key.fd] += piece
                if not piece:
                    selector.unregister(key.fd)
    return [bytes(text) for text in texts.values()]


# --- in the process that others are forked from ------------------------------------------------------


def serve(asked: socket.socket) -> None:
    """Forks a process for whoever asks. Returns in what is to be treeledger, and where nobody asks."""
    _import_all()
    gc.freeze()
    while True:
        _, given, _, _ = socket.recv_fds(asked, 1, 3)
        _reap()
        if not given:
            sys.exit()
        if os.fork() == 0:
            asked.close()
            return _watch_over(*given)
        for descriptor in given:
            os.close(descriptor)


def _import_all() -> None:
    import treeledger

    for module in pkgutil.walk_packages(treeledger.__path__, "treeledger.", onerror=lambda _: None):
        if not module.name.startswith(_NEVER):
            with suppress(ImportError):  # of what is not installed
                import_module(module.name)
    assert len(os.listdir("/proc/self/task")) == 1, "a process with threads cannot be forked"


def _reap() -> None:
    """Lets those go that have watched over a command to its end."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _watch_over(answers: int, out: int, err: int) -> None:
    """Returns in a process of its own, which has become what was asked for; the first tells how it ends."""
    with socket.socket(fileno=answers) as connection, connection.makefile("rw") as line:
        arguments, cwd, environ = json.loads(line.readline())
        pid = os.fork()
        if pid:
            os.close(out)
            os.close(err)
            print(pid, file=line, flush=True)
            code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            with suppress(BrokenPipeError):
                print(code, file=line, flush=True)
            os._exit(0)
    for descriptor, standard in ((out, 1), (err, 2)):
        os.dup2(descriptor, standard)
        os.close(descriptor)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environ)
    sys.argv[1:] = arguments
    sys.path[0] = process.ORIGINAL_DIR = cwd  # as `python -m` has it


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))
    runpy.run_module("treeledger", run_name="__main__", alter_sys=True)
