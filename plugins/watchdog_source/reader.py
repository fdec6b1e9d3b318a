"""The thread that reads inotify: from raw events to hints, and never behind the kernel's queue."""

from __future__ import annotations

import errno
import os
import struct
import threading
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Final

from watchdog.observers.inotify_c import InotifyConstants as C
from watchdog.observers.inotify_c import InotifyFD

from treeledger.errors import TreeledgerError
from treeledger.ignoring import IGNORE_FILE_NAME, is_ignore_file
from treeledger.names import parent, shown, stored_from_bytes
from treeledger.plugins.watchdog_source.directories import Directory
from treeledger.plugins.watchdog_source.inbox import AT_ONCE, EVERYTHING, MOVED, SUBTREE, WRITTEN, Inbox
from treeledger.plugins.watchdog_source.renames import Renames
from treeledger.plugins.watchdog_source.tree import WatchedTree, watch_limit
from treeledger.plugins.watchdog_source.tree_rules import TreeRules
from treeledger.protocols import PartRef, SourceHealth

_READ_SIZE: Final = 256 * 1024  # bytes of one read(2)
_BACKLOG: Final = 64 * 1024 * 1024  # bytes of events kept while directories are walked
_OVERFLOW: Final = struct.pack("iIII", -1, C.IN_Q_OVERFLOW, 0, 0)
_GATHER: Final = 0.002  # seconds in which events gather, so that they are read by the hundred
_GATHER_FEW: Final = 0.0005  # as long as they are few: then somebody waits for each
_FEW: Final = 4096  # bytes of one read
_HINTS: Final[dict[int, int]] = {
    C.IN_CLOSE_WRITE: AT_ONCE | WRITTEN,
    C.IN_MODIFY: WRITTEN,
    C.IN_CREATE: WRITTEN,
    C.IN_ATTRIB: 0,
    C.IN_DELETE: AT_ONCE | WRITTEN,
    C.IN_MOVED_FROM: AT_ONCE,
    C.IN_MOVED_TO: AT_ONCE,
}
_MOVED: Final = C.IN_MOVED_FROM | C.IN_MOVED_TO
_ROOT_LOST: Final = {
    C.IN_UNMOUNT: "was unmounted",
    C.IN_MOVE_SELF: "was moved away",
    C.IN_DELETE_SELF: "was deleted",
    C.IN_IGNORED: "is gone",
}


class _Stopped(Exception):
    """The thread was asked to end in the middle of a walk."""


class Reader(InotifyFD):
    """Watches one root (absolute, stored form) and puts what it hears into an inbox.

    `armed` is set once the whole tree is watched, or the thread is over; then `Inbox.check` tells
    which. However the thread ends, it ends the inbox. `retry_after`: seconds between attempts to
    watch what could not be watched. Raises OSError if no inotify instance is free.
    """

    def __init__(self, root: str, filters: Sequence[PartRef], inbox: Inbox, retry_after: float) -> None:
        super().__init__()
        os.set_inheritable(self._inotify_fd, False)
        self.name = f"inotify {shown(root)}"
        self.armed = threading.Event()
        self._root = root
        self._filters = filters
        self._inbox = inbox
        self._retry_after = retry_after
        self._tree: WatchedTree | None = None
        self._backlog: deque[bytes] = deque()
        self._backlog_size = 0
        self._events = self._ignored = self._overflows = 0
        self._last_event: float | None = None
        self._retry_at = 0.0  # of time.monotonic
        self._gather = _GATHER_FEW
        self._renames = Renames()

    def health(self) -> SourceHealth:
        """From any thread."""
        tree = self._tree
        if tree is None:
            return SourceHealth(limit=watch_limit())
        watches = len(tree.directories)
        return SourceHealth(
            watches=watches,
            needed=watches + tree.gaps.directories(),
            limit=watch_limit(),
            last_event=None if self._last_event is None else datetime.fromtimestamp(self._last_event, UTC),
            degraded=tree.gaps.degraded(),
            unwatched=tree.gaps.paths(),
            events=self._events,
            ignored=self._ignored,
            overflows=self._overflows,
        )

    def run(self) -> None:
        try:
            self._read_on()
            self._inbox.end()
        except _Stopped:
            self._inbox.end()
        except BaseException as error:  # however this thread ends, whoever listens must learn of it
            self._inbox.put({"": EVERYTHING})
            self._inbox.end(self._reason(error))
        finally:
            self._release()
            self.armed.set()

    def _release(self) -> None:
        if self._tree is not None:
            self._tree.rules.descent.close()
        with self._lock:
            self._closed = True
            with suppress(OSError):  # somebody else closed a descriptor: then the thread ended for that
                self._close_resources()

    def on_thread_stop(self) -> None:
        with self._lock:
            if not self._closed:
                os.write(self._kill_w, b"!")

    def _reason(self, error: BaseException) -> Exception:
        if isinstance(error, TreeledgerError | OSError):
            return error
        died = OSError(f"the event source of {shown(self._root)} died: {error!r}")
        died.__cause__ = error
        return died

    # --- the thread --------------------------------------------------------------------------------

    def _read_on(self) -> None:
        rules = TreeRules(self._root, self._filters)
        self._tree = tree = WatchedTree(self._inotify_fd, self._root, rules, self._breathe)
        tree.arm("")
        self.armed.set()
        while self.should_keep_running():
            if self._backlog:
                events = self._backlog.popleft()
                self._backlog_size -= len(events)
            else:
                events = self._read(self._until_retry(tree))
            if events:
                self._heard(tree, events)
            if tree.gaps and time.monotonic() >= self._retry_at:
                self._put(dict.fromkeys(tree.fill_gaps(), EVERYTHING))
                self._retry_at = time.monotonic() + self._retry_after
            rules.descent.close()

    def _until_retry(self, tree: WatchedTree) -> float | None:
        """Seconds until gaps are tried again; None if there are none."""
        return max(0.001, self._retry_at - time.monotonic()) if tree.gaps else None

    def _read(self, seconds: float | None) -> bytes:
        """What the kernel has; nothing when the time is over or the thread is to end. Raises OSError."""
        assert self._poller is not None
        ready = self._poller.poll(None if seconds is None else seconds * 1000)
        if not any(descriptor == self._inotify_fd for descriptor, _ in ready):
            return b""
        if seconds != 0:
            time.sleep(self._gather)
        events = os.read(self._inotify_fd, _READ_SIZE)
        self._gather = _GATHER_FEW if len(events) <= _FEW else _GATHER
        if not events:  # inotify never reads as empty
            raise OSError(errno.EBADF, "its descriptor is not inotify's any more")
        return events

    def _breathe(self) -> None:
        """Between the steps of a walk: takes events out of the kernel's queue, which is short."""
        if not self.should_keep_running():
            raise _Stopped
        while events := self._read(0):
            self._backlog.append(events)
            self._backlog_size += len(events)
            if self._backlog_size > _BACKLOG:
                self._backlog = deque((_OVERFLOW,))
                self._backlog_size = len(_OVERFLOW)

    def _heard(self, tree: WatchedTree, events: bytes) -> None:
        hints: dict[str, int] = {}
        count = 0
        for wd, mask, cookie, name in self._parse_event_buffer(events):
            count += 1
            directory = tree.directories.get(wd)
            if directory is None:  # the queue's own event, or a late one of a watch that was given back
                if mask & C.IN_Q_OVERFLOW:
                    self._start_afresh(tree)
                    hints = {"": EVERYTHING}
                    break
            elif name and not mask & C.IN_ISDIR:
                path = directory.base + stored_from_bytes(name)
                hints[path] = hints.get(path, 0) | _HINTS.get(mask, 0)
            elif name:
                path = directory.base + stored_from_bytes(name)
                self._renamed(path, mask, cookie)
                self._directory_heard(tree, directory, path, mask, hints)
            else:
                self._watch_ended(tree, directory, mask, hints)
        self._events += count
        self._last_event = time.time()
        self._put(self._kept(tree, hints))

    def _start_afresh(self, tree: WatchedTree) -> None:
        """The queue overflowed: what still waits is older than what is found now, and tells nothing more."""
        self._overflows += 1
        self._backlog.clear()
        self._backlog_size = 0
        tree.rebuild()

    def _renamed(self, path: str, mask: int, cookie: int) -> None:
        if mask & C.IN_MOVED_FROM:
            self._renames.left(cookie, path)
        elif mask & C.IN_MOVED_TO:
            self._renames.arrived(cookie, path)

    def _directory_heard(
        self, tree: WatchedTree, above: Directory, path: str, mask: int, hints: dict[str, int]
    ) -> None:
        """Something happened to a subdirectory: what is at its path now is watched, and looked at."""
        if mask & C.IN_ATTRIB and path not in tree.gaps:
            return
        known = above.children.get(path[len(above.base) :])
        if known is not None and mask & (C.IN_DELETE | C.IN_MOVED_FROM):
            tree.drop(known)
        if known is None and tree.rules.ignores(path, True):
            self._ignored += 1
            return
        if mask & C.IN_CREATE:  # known if it was in the listing of the one above, which was made just before
            self._made(tree, path, hints)
            return
        # Even after a removal: another directory may be there already, or two were exchanged.
        tree.arm(path)
        hints[path] = hints.get(path, 0) | (MOVED if mask & _MOVED else EVERYTHING)

    def _made(self, tree: WatchedTree, path: str, hints: dict[str, int]) -> None:
        """A directory was made where none was: what is in it is told one by one, unless it is much."""
        came = tree.arm_new(path)
        if came is None:
            hints[path] = EVERYTHING
            return
        for one in (path, *came):
            hints[one] = hints.get(one, 0) | WRITTEN

    def _watch_ended(self, tree: WatchedTree, directory: Directory, mask: int, hints: dict[str, int]) -> None:
        """A watched directory was deleted or unmounted, or the root moved. Raises OSError for the root."""
        if directory.parent is None:
            lost = [words for bit, words in _ROOT_LOST.items() if mask & bit]
            if lost:
                raise OSError(f"{shown(self._root)} {lost[0]}; nothing below it is heard any more")
        elif mask & (C.IN_IGNORED | C.IN_UNMOUNT):
            tree.drop(directory)
            tree.arm(directory.path)  # what an unmounted file system had covered
            hints[directory.path] = EVERYTHING

    def _kept(self, tree: WatchedTree, hints: dict[str, int]) -> dict[str, int]:
        """The hints about what is not ignored. A changed ignore file makes its directory one."""
        for path in [path for path in hints if path.endswith(IGNORE_FILE_NAME)]:
            if is_ignore_file(path) and hints[path]:
                tree.rules.changed()
                tree.arm(parent(path))
                hints[parent(path)] = EVERYTHING
        ignores = tree.rules.ignores
        kept = {
            path: hint
            for path, hint in hints.items()
            if hint & SUBTREE or not ignores(path, False) or is_ignore_file(path)
        }
        self._ignored += len(hints) - len(kept)
        return kept

    def _put(self, hints: dict[str, int]) -> None:
        if hints:
            self._inbox.put(hints, self._renames.take())
