"""The executable in a process of its own, as a shell has it: with a home, pipes and signals."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import warm

from benchmarks.measure import HeldUp

COMMAND = (sys.executable, "-m", "treeledger")
WITHIN = 60.0  # seconds that anything may take on a busy machine
_PAUSE = 0.01
_LOOK = 0.1  # seconds between two looks whether what a process prints is still to be read
_WITHOUT_ROOTS_RIGHTS = """
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH = 24, 1, 2
for capability in (CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH):
    if libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0):
        sys.exit("cannot drop a capability: " + os.strerror(ctypes.get_errno()))
os.execv(sys.argv[1], sys.argv[1:])
"""
_DECORATION = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")
_ERASED = re.compile(r"\x1b\[2K")


class Done(NamedTuple):
    """What a command did."""

    code: int
    out: bytes
    err: str

    @property
    def text(self) -> str:
        return self.out.decode()

    @property
    def json(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text.splitlines()]


def until(condition: Callable[[], object], what: str, within: float = WITHIN) -> float:
    """Waits for a condition, asked again and again; the seconds it took. Fails with what was wanted.

    It rests as long as the question took, so that what is waited for has its share of the machine.
    """
    begin = asked = time.monotonic()
    while not condition():
        now = time.monotonic()
        assert now < begin + within, f"not within {within:g} s: {what}"
        time.sleep(max(_PAUSE, now - asked))
        asked = time.monotonic()
    return time.monotonic() - begin


def state_of(pid: int) -> str:
    """The letter for what a process does, as in /proc/PID/stat: T if it is stopped; X if there is none."""
    with suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    return "X"


def is_running(pid: int) -> bool:
    """Whether a process has not ended yet, be it waited for or not."""
    return state_of(pid) not in "ZX"


def grown(root: Path) -> Path:
    """A tree of 6,000 small files, whose scan takes a second or two."""
    for folder in range(60):
        (root / str(folder)).mkdir(parents=True)
        for file in range(100):
            (root / f"{folder}/{file}").write_text(f"{folder} {file}" * 50)
    return root


class Executable:
    """treeledger with nothing configured, in the empty home `home`."""

    def __init__(self, home: Path, *, store: str | None = None) -> None:
        self.home = home
        self.store = store
        self.ledger = home / "state/treeledger/ledger.db"  # without `store`

    def environ(self, extra: Mapping[str, str] | None = None) -> dict[str, str]:
        """The environment of a person who has set nothing."""
        kept = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "TMPDIR")
        return {
            **{name: os.environ[name] for name in kept if name in os.environ},
            "LC_ALL": "C.UTF-8",
            "TERM": "xterm-256color",
            "PYTHONDONTWRITEBYTECODE": "1",
            "HOME": str(self.home),
            "XDG_STATE_HOME": str(self.home / "state"),
            "XDG_CONFIG_HOME": str(self.home / "config"),
            "XDG_CONFIG_DIRS": str(self.home / "none"),
            **({"TREELEDGER_STORE": self.store} if self.store else {}),
            **(extra or {}),
        }

    def __call__(
        self,
        *arguments: str | bytes | Path,
        code: int = 0,
        environ: Mapping[str, str] | None = None,
        without_roots_rights: bool = False,
    ) -> Done:
        """Runs a command in `home`; fails unless the exit code is `code`, or on a traceback."""
        if sys.platform == "linux" and not without_roots_rights:
            run = warm.run(warm.Program(arguments, self.home, self.environ(environ)), WITHIN)
        else:
            begin = (sys.executable, "-c", _WITHOUT_ROOTS_RIGHTS) if without_roots_rights else ()
            run = subprocess.run(
                [*begin, *COMMAND, *arguments],
                cwd=self.home,
                env=self.environ(environ),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=WITHIN,
                check=False,
            )
        done = Done(run.returncode, run.stdout, run.stderr.decode())
        assert "Traceback" not in done.err, done.err
        assert done.code == code, done
        return done

    def shell(self, script: str, **environ: str) -> Done:
        """Runs a shell script in which `treeledger` is the executable; `code` is that of the script."""
        words = " ".join(COMMAND)
        run = subprocess.run(
            ["bash", "-c", f'treeledger() {{ {words} "$@"; }}\n{script}'],
            cwd=self.home,
            env=self.environ(environ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=3 * WITHIN,
            check=False,
        )
        done = Done(run.returncode, run.stdout, run.stderr.decode())
        assert "Traceback" not in done.err, done.err
        return done

    @contextmanager
    def started(
        self, *arguments: str | Path, terminal: bool = True, reads: bool = True, **environ: str
    ) -> Iterator[Running]:
        """A command that runs on, by default on a terminal of its own; it is ended with the block.

        `reads`: what it prints is read at once, else only from `read` on.
        """
        running = Running(arguments, self.home, self.environ(environ), terminal)
        if reads:
            running.read()
        try:
            yield running
        finally:
            running.end()


def _begun(
    arguments: Sequence[str | Path], home: Path, environ: dict[str, str], stream: int, terminal: bool
) -> warm.Process | subprocess.Popen[bytes]:
    """treeledger in a session of its own, which prints to `stream`; that is its terminal if it has one."""
    if sys.platform == "linux":
        program = warm.Program(arguments, home, environ, session=True)
        return warm.start(program, stream, stream, stream if terminal else None)
    return subprocess.Popen(
        [*COMMAND, *arguments],
        cwd=home,
        env=environ,
        stdin=stream if terminal else subprocess.DEVNULL,
        stdout=stream,
        stderr=stream,
        start_new_session=True,
    )


class Running:
    """A process and what it printed so far, stdout and stderr together."""

    def __init__(
        self, arguments: Sequence[str | Path], home: Path, environ: dict[str, str], terminal: bool
    ) -> None:
        ours, theirs = pty.openpty() if terminal else os.pipe()
        self.process = _begun(arguments, home, environ, theirs, terminal)
        os.close(theirs)
        self._ours = ours
        self._raw = bytearray()
        self._is_heard = True
        self._reader: threading.Thread | None = None

    def read(self) -> None:
        """Begins to read what it prints."""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _join(self) -> None:
        if self._reader is not None:
            self._reader.join(WITHIN)

    def _read(self) -> None:
        with suppress(OSError):  # a terminal whose last user has gone says EIO
            while self._is_heard:
                if not select.select([self._ours], [], [], _LOOK)[0]:
                    continue
                if not (piece := os.read(self._ours, 65536)):
                    return
                self._raw += piece

    @property
    def raw(self) -> bytes:
        return bytes(self._raw)

    @property
    def text(self) -> str:
        """What was printed, without colours and the movements of the cursor. What came in the place of a
        line that was erased, as progress is, is a line of its own."""
        marked = _ERASED.sub("\0", self._raw.decode("utf-8", "replace"))
        plain = _DECORATION.sub("", marked).replace("\r", "")
        return re.sub(r"(?<=[^\n\0])\0", "\n", plain).replace("\0", "")

    def until(self, pattern: str, within: float = WITHIN) -> float:
        """Waits until it has printed something (a regular expression, of whole lines by `^` and `$`)."""

        def is_there() -> bool:
            has_ended = self.process.poll() is not None
            if has_ended:
                self._join()
            if re.search(pattern, self.text, re.MULTILINE):
                return True
            assert not has_ended, f"it ended before {pattern!r}"
            return False

        try:
            return until(is_there, pattern, within)
        except AssertionError as error:
            raise AssertionError(f"{error}\nIt printed:\n{self.text}") from None

    def stop(self, number: int = signal.SIGTERM, *, within: float = 5.0, group: bool = False) -> int:
        """Its exit code, once a signal has ended it; fails if that takes longer (seconds), not counting those
        in which it, or what it started, waits for a processor that others have."""
        others, held_up = HeldUp(self.process.pid, *self.children()), 0.0
        begin = time.monotonic()
        self.signal(number, group=group)
        while self.process.poll() is None:
            held_up = max(held_up, others.seconds)  # a thread that ends takes its account with it
            assert time.monotonic() < begin + WITHIN, f"not within {WITHIN:g} s: it ends"
            time.sleep(_PAUSE)
        took = time.monotonic() - begin - held_up
        code = self.wait()
        assert took < within, f"it took {took:.1f} s to end:\n{self.text}"
        return code

    def signal(self, number: int, *, group: bool = False) -> None:
        """Sends a signal to the process, or as a terminal does to all that belong to it."""
        (os.killpg if group else os.kill)(self.process.pid, number)

    def type(self, keys: str) -> None:
        """Types on its terminal."""
        os.write(self._ours, keys.encode())

    def children(self) -> list[int]:
        """The processes it started (Linux)."""
        found: list[int] = []
        for task in Path(f"/proc/{self.process.pid}/task").glob("*/children"):
            with suppress(FileNotFoundError, ProcessLookupError):  # of a thread that has ended
                found += map(int, task.read_text().split())
        return found

    def hang_up(self) -> None:
        """Stops reading what it prints, as `head` does once it has enough."""
        self._is_heard = False
        self._join()
        with open(os.devnull) as nothing:
            os.dup2(nothing.fileno(), self._ours)

    def wait(self, within: float = WITHIN) -> int:
        """Its exit code, once it has ended and all it printed is here."""
        code = self.process.wait(within)
        self._join()
        assert "Traceback" not in self.text, self.text
        return code

    def end(self) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self._join()
        os.close(self._ours)
