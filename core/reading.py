"""Reading contents: a digest is given only for exactly the file that lstat saw.

Opened without following a link, fstat before and after the reading must both say what lstat said. A
file written to so lately that another write might leave its ctime as it is (it is racy) is read once
the clock of the file system has moved on.
"""

from __future__ import annotations

import errno
import os
import sys
import time
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Final, NamedTuple

from treeledger.errors import RootOffline
from treeledger.fs import problem_of, stat_of
from treeledger.model import FileStat, Problem, ProblemCode
from treeledger.protocols import Digest, Hasher, Tree

_CHUNK: Final = 2**20
_ONE_READ: Final = 2**16  # bytes; up to here a file is read into an object of its own
_SOMETHING_ELSE: Final = (errno.ELOOP, errno.ENXIO)  # a symlink, a socket
_HEXADECIMAL: Final = "0123456789abcdef"
_SHORTEST_DIGEST: Final = 8  # characters
_SECOND: Final = 1_000_000_000
_LONGEST_WAIT: Final = 2 * _SECOND + 20_000_000  # nanoseconds; a coarse clock of 2 s and a tick of ours
_COARSE_CLOCK: Final = 5 if sys.platform == "linux" else None  # CLOCK_REALTIME_COARSE
_TICK: Final = 10_000_000  # nanoseconds; of the clock of file times where it cannot be read


class Outcome(StrEnum):
    DONE = "done"
    CHANGED = "changed"  # not, or no longer, the file that was wanted: look at it again
    GONE = "gone"
    FAILED = "failed"
    TOO_LARGE = "too_large"
    TIMED_OUT = "timed_out"
    LATER = "later"  # not begun: the deadline was over, or it is not small


OVERTAKEN: Final = (Outcome.CHANGED, Outcome.GONE)  # the file is not, or no longer, what lstat saw


class ReadLimits(NamedTuple):
    """How much to read. None: no limit.

    `deadline`: no file is begun after this `time.monotonic()`. `timeout`: seconds for one file, checked
    every MiB. `max_size` in bytes: larger ones are never read; `small_only`: larger ones not now.
    `pace`: asked before every read for so many bytes, waits, and says how many may be read.
    """

    deadline: float | None = None
    max_size: int | None = None
    timeout: float | None = None
    small_only: int | None = None
    pace: Callable[[int], int] | None = None


class Progress:
    """How far the reading of some files is, for another thread that watches over it.

    `reading` is the file in hand and `since` (of `time.monotonic()`) when it last went on; `done` what
    became of others by path; `has_begun` and `is_running` are for whoever has a thread do it.
    """

    def __init__(self) -> None:
        self.reading: str | None = None
        self.since = 0.0
        self.done: dict[str, Read] = {}
        self.has_begun = self.is_running = False

    def goes_on(self, path: str | None) -> None:
        self.since = time.monotonic()
        self.reading = path


class Read(NamedTuple):
    """What became of one file. `digest` is of the first hasher, and with `extra` (name and digest of
    the others) given exactly for DONE; it belongs to `stat`."""

    path: str
    stat: FileStat
    outcome: Outcome
    digest: str | None = None
    extra: tuple[tuple[str, str], ...] = ()
    problem: Problem | None = None


def file_clock() -> int:
    """Nanoseconds of the clock that file times are taken from; it goes in ticks of some milliseconds."""
    return time.time_ns() - _TICK if _COARSE_CLOCK is None else time.clock_gettime_ns(_COARSE_CLOCK)


def read_files(
    tree: Tree,
    hashers: Sequence[Hasher],
    wanted: Sequence[tuple[str, FileStat]],
    limits: ReadLimits,
    *,
    prompt: Sequence[int] = (),
    clock: Callable[[], int] = file_clock,
    progress: Progress | None = None,
) -> list[Read]:
    """Reads files in the given order, racy ones last; the results are in the given order.

    `prompt` are the file systems that give a file another ctime for every write after it was looked at:
    there none is racy. Raises RootOffline; whatever concerns one file is its outcome.
    """
    progress = progress or Progress()
    reader = _Reader(tree, hashers, limits, clock, progress)
    now = clock()
    racy = []
    for path, stat in wanted:
        if stat.ctime_ns > now - _LONGEST_WAIT and settled_at(stat) > now and not _shows(stat, prompt):
            racy.append((path, stat))
        else:
            progress.done[path] = reader.read(path, stat)
    for path, stat in sorted(racy, key=lambda one: one[1].ctime_ns):
        progress.done[path] = reader.read_racy(path, stat)
    return [progress.done[path] for path, _ in wanted]


def _shows(stat: FileStat, prompt: Sequence[int]) -> bool:
    """Whether the next write shows for sure, whenever it comes."""
    return stat.file_system in prompt and stat.ctime_ns % _SECOND != 0


def settled_at(stat: FileStat) -> int:
    """From when on, in nanoseconds of the clock of file times, a write must give another ctime than this.

    File systems cut times to a grain, of 100 ns to FAT's two seconds; trailing zeros show which.
    """
    ctime, grain = stat.ctime_ns, 1
    while grain < _SECOND and ctime % (grain * 10) == 0:
        grain *= 10
    return ctime + (grain * 2 if grain == _SECOND else grain)


class _Moved(Exception):
    """The file is not what lstat saw."""


class _OutOfTime(Exception):
    """The file took longer than it may."""


class _Reader:
    def __init__(
        self,
        tree: Tree,
        hashers: Sequence[Hasher],
        limits: ReadLimits,
        clock: Callable[[], int],
        progress: Progress,
    ) -> None:
        self._tree = tree
        self._clock = clock
        self._progress = progress
        self._new = [hasher.new for hasher in hashers]
        self._names = [hasher.name for hasher in hashers]
        self._others = self._names[1:]
        self._limits = limits
        self._buffer: memoryview | None = None

    def read(self, path: str, stat: FileStat, *, twice: bool = False) -> Read:
        """Reads one file, twice where only that can tell whether it was being written."""
        refused = self._refused(path, stat)
        if refused is not None:
            return refused
        self._progress.goes_on(path)
        try:
            found = self._digests(path, stat, twice)
        except _Moved as moved:
            return _not_done(path, stat, Outcome.CHANGED, ProblemCode.CHANGED_WHILE_READ, str(moved))
        except _OutOfTime as slow:
            return _not_done(path, stat, Outcome.TIMED_OUT, ProblemCode.HASH_TIMEOUT, str(slow))
        except (FileNotFoundError, NotADirectoryError):
            return Read(path, stat, Outcome.GONE)
        except OSError as error:
            if error.errno in _SOMETHING_ELSE:
                message = "no regular file is there any more"
                return _not_done(path, stat, Outcome.CHANGED, ProblemCode.CHANGED_WHILE_READ, message)
            return Read(path, stat, Outcome.FAILED, problem=problem_of(path, error))
        except RootOffline:
            raise
        except Exception as error:  # of a hasher, which is anybody's code, or a MemoryError
            message = f"it cannot be hashed: {error!r}"
            return _not_done(path, stat, Outcome.FAILED, ProblemCode.IO_ERROR, message)
        finally:
            self._progress.reading = None
        return Read(path, stat, Outcome.DONE, found[0], tuple(zip(self._others, found[1:], strict=True)))

    def read_racy(self, path: str, stat: FileStat) -> Read:
        """Waits until the file is settled; one whose ctime is far in the future never is."""
        refused = self._refused(path, stat)
        if refused is not None:
            return refused
        wait = settled_at(stat) - self._clock()
        if wait > _LONGEST_WAIT:
            return self.read(path, stat, twice=True)
        while wait > 0:
            deadline = self._limits.deadline
            if deadline is not None and time.monotonic() + wait / _SECOND > deadline:
                return Read(path, stat, Outcome.LATER)
            time.sleep((wait + 100_000) / _SECOND)
            wait = settled_at(stat) - self._clock()
        return self.read(path, stat)

    def _refused(self, path: str, stat: FileStat) -> Read | None:
        deadline, max_size, _, small_only, _ = self._limits
        if max_size is not None and stat.size > max_size:
            message = f"{stat.size:,} bytes; files over {max_size:,} are not hashed"
            return _not_done(path, stat, Outcome.TOO_LARGE, ProblemCode.TOO_LARGE, message)
        is_later = (deadline is not None and time.monotonic() >= deadline) or (
            small_only is not None and stat.size > small_only
        )
        return Read(path, stat, Outcome.LATER) if is_later else None

    def _digests(self, path: str, stat: FileStat, twice: bool) -> list[str]:
        descriptor = self._tree.open(path)
        try:
            _check(descriptor, stat, "changed before it was read")
            found = self._digested(descriptor, stat)
            if twice:
                os.lseek(descriptor, 0, os.SEEK_SET)
                if self._digested(descriptor, stat) != found:
                    raise _Moved("two readings differ")
            _check(descriptor, stat, "changed while it was read")
        finally:
            os.close(descriptor)
        return found

    def _digested(self, descriptor: int, stat: FileStat) -> list[str]:
        digests = [new() for new in self._new]
        size = stat.size
        if size > _ONE_READ:
            self._feed(descriptor, stat, digests)
        elif size:
            if self._limits.pace is not None:
                self._await(size)
            data = os.read(descriptor, size)
            if len(data) != size:
                raise _too_short(descriptor, stat)
            for digest in digests:
                digest.update(data)
        found = [digest.hexdigest() for digest in digests]
        for answer in found:
            if not _is_digest(answer):
                raise ValueError(
                    f"{self._names[found.index(answer)]} answered {answer!r}, which is no digest"
                )
        return found

    def _await(self, size: int) -> None:
        """Waits until so many bytes may be read at once."""
        while size > 0:
            size -= self._granted(size)

    def _granted(self, size: int) -> int:
        """Waits until some of so many bytes may be read; that is no time of the file's."""
        if self._limits.pace is None:
            return size
        path = self._progress.reading
        self._progress.goes_on(None)
        granted = self._limits.pace(size)
        self._progress.goes_on(path)
        return granted

    def _feed(self, descriptor: int, stat: FileStat, digests: Sequence[Digest]) -> None:
        """Digests a file in pieces, through one buffer."""
        if self._buffer is None:
            self._buffer = memoryview(bytearray(_CHUNK))
        buffer, timeout, size = self._buffer, self._limits.timeout, stat.size
        until = None if timeout is None else time.monotonic() + timeout
        done = 0
        while done < size:
            if done and until is not None and time.monotonic() > until:
                raise _OutOfTime(f"read {done:,} of {size:,} bytes within {timeout:g} seconds")
            asked = time.monotonic()
            wanted = self._granted(min(size - done, _CHUNK))
            until = until and until + time.monotonic() - asked
            self._progress.since = time.monotonic()
            count = os.readv(descriptor, (buffer[:wanted],))
            if not count:
                raise _too_short(descriptor, stat)
            done += count
            for digest in digests:
                digest.update(buffer[:count])


def _check(descriptor: int, stat: FileStat, message: str) -> None:
    """Raises _Moved if the open file is another one than lstat saw. (Most are equal without a conversion.)"""
    status = os.fstat(descriptor)
    size, mtime_ns, ctime_ns, file_system, inode, mode = stat
    is_same = (
        status.st_mtime_ns == mtime_ns
        and status.st_ctime_ns == ctime_ns
        and status.st_size == size
        and status.st_ino == inode
        and status.st_mode == mode
    )
    if not is_same and stat_of(status, file_system) != stat:
        raise _Moved(message)


def _is_digest(answer: object) -> bool:
    """Whether a hasher's answer is lower-case hexadecimal, of whole bytes."""
    return (
        isinstance(answer, str)
        and len(answer) >= _SHORTEST_DIGEST
        and len(answer) % 2 == 0
        and not answer.strip(_HEXADECIMAL)
    )


def _too_short(descriptor: int, stat: FileStat) -> Exception:
    """Why a file ended before its size: it was cut, or its file system does not keep to sizes."""
    _check(descriptor, stat, "cut while it was read")
    return OSError(errno.EIO, "the file ends before its size")


def hung(path: str, stat: FileStat, limits: ReadLimits, seconds: float) -> Read:
    """What becomes of a file whose reading has not gone on for so long that nobody waits any more."""
    message = f"no answer within {seconds:g} seconds, of its disk or of its hasher"
    if limits.timeout is not None:
        return _not_done(path, stat, Outcome.TIMED_OUT, ProblemCode.HASH_TIMEOUT, message)
    return _not_done(path, stat, Outcome.FAILED, ProblemCode.IO_ERROR, message)


def _not_done(path: str, stat: FileStat, outcome: Outcome, code: ProblemCode, message: str) -> Read:
    return Read(path, stat, outcome, problem=Problem(path, code, message))
