"""Programs in processes that are forked from one that has imported treeledger already.

Tests that run hundreds of commands would else spend their time on importing the same modules again. A
forked process has of its own what a started one has: arguments, folder, environment, streams, session,
exit code. How the program starts from nothing is for those that are typed in a terminal: `tmux.Terminal`.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import pkgutil
import runpy
import select
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from importlib import import_module
from io import TextIOWrapper
from multiprocessing import process
from pathlib import Path
from typing import NamedTuple

_READ_AT_START = ("PYTHON", "LC_", "LANG", "LD_", "TZ")  # variables that an interpreter reads as it begins
_NEVER = ("treeledger.__main__", "treeledger.testing", "treeledger.tui")  # what no command imports
_INTEGER = 4  # bytes


class Program(NamedTuple):
    """What is to run: treeledger, or the script of this path, with what is its own."""

    arguments: Sequence[str | bytes | Path]
    cwd: Path
    environ: Mapping[str, str]
    script: Path | None = None
    session: bool = False  # of its own, as `start_new_session` of subprocess.Popen

    def encoded(self) -> bytes:
        arguments = [os.fsdecode(one) for one in self.arguments]
        script = str(self.script) if self.script else ""
        told = (arguments, str(self.cwd), dict(self.environ), script, self.session)
        return json.dumps(told).encode() + b"\n"


class Process:
    """As `subprocess.Popen`, of a process that is another's child."""

    def __init__(self, pid: int, connection: socket.socket) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._connection = connection  # tells the exit code; the pid is kept until it is closed

    def poll(self) -> int | None:
        with suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """The exit code, negative if a signal ended it. Raises TimeoutExpired after so many seconds."""
        if self.returncode is None:
            if not select.select([self._connection], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(str(self.pid), timeout or 0.0)
            self.returncode = _integer(self._connection)
            self._connection.close()
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


class _Server:
    """The process that others are forked from; it ends with this one."""

    def __init__(self, environ: Mapping[str, str]) -> None:
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
        atexit.register(self._end)

    def _end(self) -> None:
        self._socket.close()
        self._process.communicate()

    def start(self, program: Program, streams: Sequence[int]) -> Process:
        mine, its = socket.socketpair()
        with its:
            socket.send_fds(self._socket, [b"."], [its.fileno(), *streams])
        mine.sendall(program.encoded())
        return Process(_integer(mine), mine)


@cache
def _server(at_start: frozenset[tuple[str, str]]) -> _Server:
    kept = ("PATH", "HOME", "TMPDIR")
    return _Server({**{name: os.environ[name] for name in kept if name in os.environ}, **dict(at_start)})


def start(program: Program, out: int, err: int, read: int | None = None) -> Process:
    """Starts a program; `out` and `err` are descriptors of its streams. It has nothing to read by default."""
    at_start = {item for item in program.environ.items() if item[0].startswith(_READ_AT_START)}
    streams = (out, err) if read is None else (out, err, read)
    return _server(frozenset(at_start)).start(program, streams)


def run(program: Program, within: float) -> subprocess.CompletedProcess[bytes]:
    """Runs a program to its end. After `within` seconds it is killed, and TimeoutExpired raised."""
    (out, to_out), (err, to_err) = os.pipe(), os.pipe()
    with open(out, "rb") as printed, open(err, "rb") as complained:
        started = start(program, to_out, to_err)
        os.close(to_out)
        os.close(to_err)
        try:
            texts = _read([printed.fileno(), complained.fileno()], within)
            return subprocess.CompletedProcess(list(program.arguments), started.wait(within), *texts)
        except subprocess.TimeoutExpired:
            started.kill()
            started.wait()
            raise


def _read(descriptors: Sequence[int], within: float) -> list[bytes]:
    """All that comes from each until its end. Raises TimeoutExpired."""
    end = time.monotonic() + within
    texts = {descriptor: bytearray() for descriptor in descriptors}
    with selectors.DefaultSelector() as selector:
        for descriptor in descriptors:
            selector.register(descriptor, selectors.EVENT_READ)
        while selector.get_map():
            ready = selector.select(max(0.0, end - time.monotonic()))
            if not ready:
                raise subprocess.TimeoutExpired("treeledger", within)
            for key, _ in ready:
                piece = os.read(key.fd, 65536)
                texts[key.fd] += piece
                if not piece:
                    selector.unregister(key.fd)
    return [bytes(text) for text in texts.values()]


def _encoded(number: int) -> bytes:
    return number.to_bytes(_INTEGER, "big", signed=True)


def _integer(connection: socket.socket) -> int:
    """Raises EOFError if the server has ended."""
    if len(told := connection.recv(_INTEGER, socket.MSG_WAITALL)) < _INTEGER:
        raise EOFError
    return int.from_bytes(told, "big", signed=True)


# --- in the process that others are forked from ------------------------------------------------------


def serve(asked: socket.socket) -> str:
    """Forks a process for whoever asks. Returns in that process, with its script; ends if nobody asks."""
    _import_all()
    gc.freeze()
    with selectors.PollSelector() as selector:  # whose state is not shared with what is forked
        selector.register(asked, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fileobj is not asked:
                    _tell(selector, key)
                    continue
                _, given, _, _ = socket.recv_fds(asked, 1, 4)
                if not given:
                    sys.exit()
                connection = socket.socket(fileno=given[0])
                if pid := os.fork():
                    selector.register(os.pidfd_open(pid), selectors.EVENT_READ, _Child(pid, connection))
                    for stream in given[1:]:
                        os.close(stream)
                    continue
                for other in list(selector.get_map().values()):
                    _forget(selector, other)
                    if other.data is not None:
                        other.data.connection.close()
                return _become(connection, given[1:])


class _Child(NamedTuple):
    pid: int
    connection: socket.socket


def _tell(selector: selectors.BaseSelector, key: selectors.SelectorKey) -> None:
    """Tells how a process ended; or lets it go, once nobody will send it a signal any more."""
    child: _Child = key.data
    _forget(selector, key)
    if key.fileobj is child.connection:
        os.waitpid(child.pid, 0)
        return
    ended = os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert ended is not None
    code = ended.si_status if ended.si_code == os.CLD_EXITED else -ended.si_status
    with suppress(ConnectionError):
        child.connection.sendall(_encoded(code))
    selector.register(child.connection, selectors.EVENT_READ, child)


def _forget(selector: selectors.BaseSelector, key: selectors.SelectorKey) -> None:
    selector.unregister(key.fileobj)
    if isinstance(key.fileobj, socket.socket):
        key.fileobj.close()
    else:
        os.close(key.fd)


def _import_all() -> None:
    import treeledger

    for module in pkgutil.walk_packages(treeledger.__path__, "treeledger.", onerror=lambda _: None):
        if not module.name.startswith(_NEVER):
            with suppress(ImportError):  # of what is not installed
                import_module(module.name)
    assert len(os.listdir("/proc/self/task")) == 1, "a process with threads cannot be forked"


def _become(connection: socket.socket, streams: Sequence[int]) -> str:
    """This process is from now on what is asked for; its script."""
    with connection, connection.makefile("rb") as lines:
        arguments, cwd, environ, script, session = json.loads(lines.readline())
        if session:
            os.setsid()
        connection.sendall(_encoded(os.getpid()))  # which can be signalled from now on, as a group, too
    for descriptor, standard in zip(streams, (1, 2, 0), strict=False):
        os.dup2(descriptor, standard)
        os.close(descriptor)
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=sys.stdout.isatty())
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environ)
    process.ORIGINAL_DIR = cwd
    sys.path[0] = os.path.dirname(script) or cwd
    sys.argv[1:] = arguments
    return str(script)


if __name__ == "__main__":
    script = serve(socket.socket(fileno=int(sys.argv[1])))
    if script:
        runpy.run_path(script, run_name="__main__")
    else:
        runpy.run_module("treeledger", run_name="__main__", alter_sys=True)
