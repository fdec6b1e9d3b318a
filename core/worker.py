"""What workers do: look at paths, survey spans, read contents.

Functions of the module and plain data, so that threads and spawned processes can run them. Trees,
rules and hashers do not pickle; they are built here from references, and kept for the next call.
"""

from __future__ import annotations

import errno
import faulthandler
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import Any, Final, NamedTuple

from treeledger.errors import PluginError, RootOffline, TreeledgerError
from treeledger.fs import fault_of, problem_of
from treeledger.fs.disk_priority import disk_priority
from treeledger.ignoring import Rules
from treeledger.listing import Listing, listed
from treeledger.model import FileStat, Problem
from treeledger.names import parent, shown, stored_from_bytes
from treeledger.plugin_files import load_plugin_file
from treeledger.protocols import Hasher, LedgerReader, PartRef, Tree, Verdict
from treeledger.reading import Progress, Read, ReadLimits, read_files
from treeledger.survey import Surveyed, Task
from treeledger.survey import survey as survey_span
from treeledger.walk import Walk

_MOST_IDLE: Final = 32
_LONGEST_IGNORE_FILE: Final = 2**20  # bytes


class WorkSpec(NamedTuple):
    """One repository's parts, as plain data. `key` is unique to this combination.

    `root` is absolute, in stored form; `devices` pairs of device number and file system number;
    `own` the ledger's own files by path; `own_inodes` by file system and inode; `prompt` the file systems
    that tell writes apart, see `read_files`.
    """

    key: str
    root: str
    devices: tuple[tuple[int, int], ...]
    walker: PartRef
    filters: tuple[PartRef, ...]
    hashers: tuple[PartRef, ...]
    own: tuple[str, ...]
    own_inodes: tuple[tuple[int, int], ...] = ()
    prompt: tuple[int, ...] = ()
    ledger: tuple[PartRef, str] | None = None  # how its records are read, and of which repository
    disk_priority: str = "normal"  # of all that is done for it: "normal", "low" or "idle"


class Look(NamedTuple):
    """What is at a path now: a `stat`, or an ignoring `verdict`, or it is `gone`, or a `problem` says why
    nothing can be said.

    `gone`: nothing is there, or something that is no regular file (then `problem` may be a note);
    `parent_file_system` is that of the nearest directory above that is there, None if unknown. Beside
    a `stat`, a `verdict` is of a rule that keeps the file. `is_directory`: what is there is one.
    """

    path: str
    stat: FileStat | None = None
    verdict: Verdict | None = None
    problem: Problem | None = None
    gone: bool = False
    parent_file_system: int | None = None
    is_directory: bool = False


def look(spec: WorkSpec, paths: Sequence[str]) -> list[Look]:
    """Looks at each path now. The results are in the given order. Raises RootOffline."""
    absent: dict[str, int | None] = {}
    with _borrowed(spec) as parts:
        looks = {path: _look(parts, path, absent) for path in sorted(set(paths))}
    return [looks[path] for path in paths]


def survey(spec: WorkSpec, task: Task, ledger: LedgerReader | None = None) -> Surveyed:
    """Surveys a span, see `treeledger.survey`; by default with a reader of the ledger of its own.

    Files are only taken up in a process, which ends if one hangs. Raises RootOffline and StoreError.
    """
    with _borrowed(spec) as parts:
        walk = Walk(parts.tree, parts.rules, task.prefix, task.span)
        found = survey_span(walk, ledger or parts.ledger(spec), partial(_read_or_end, parts), task)
        found.notes += parts.rules.problems
        return found


def list_folders(spec: WorkSpec, folders: Sequence[str]) -> list[Listing]:
    """What is in each folder, one level deep, in the given order. Raises RootOffline."""
    with _borrowed(spec) as parts:
        return [listed(parts.tree, parts.rules, folder) for folder in folders]


def names(spec: WorkSpec, directories: Sequence[str], most: int) -> list[list[str] | None]:
    """The names in each directory that no rule ignores; none where there is no such directory.

    None for one that has more than `most`, or of which nothing can be said. Raises RootOffline.
    """
    with _borrowed(spec) as parts:
        return [_names(parts, directory, most) for directory in directories]


def read(
    spec: WorkSpec,
    wanted: Sequence[tuple[str, FileStat]],
    limits: ReadLimits,
    progress: Progress | None = None,
) -> list[Read]:
    """Reads files, see `treeledger.reading.read_files`. Raises RootOffline."""
    with _borrowed(spec) as parts:
        return parts.read(wanted, limits, progress)


def verdicts(spec: WorkSpec, paths: Sequence[tuple[str, bool]]) -> list[Verdict | None]:
    """The rule that decides about each path. The flag: meant as a directory, if nothing is there to say.

    Raises RootOffline.
    """
    with _borrowed(spec) as parts:
        return [_verdict(parts, path, is_directory) for path, is_directory in paths]


def rules(spec: WorkSpec) -> tuple[list[Verdict], list[Problem]]:
    """Every rule in effect at the root, the one that wins last, and those that cannot be used.

    Raises RootOffline.
    """
    with _borrowed(spec) as parts:
        return parts.rules.in_effect(), parts.rules.problems


def release(key: str) -> None:
    """Closes what is kept for a spec and not in use, its root included: now its disk can be unmounted."""
    _kept.close(key)


def build_part(ref: PartRef, *arguments: Any) -> Any:
    """Builds a part from its reference. Raises PluginError, the part's own error being its cause."""
    location, attribute, options = ref
    try:
        module = load_plugin_file(Path(location)) if "/" in location else import_module(location)
        return getattr(module, attribute)(*arguments, **options)
    except TreeledgerError:
        raise
    except Exception as error:
        raise PluginError(f"plugin {location}: {attribute} cannot be built: {error}") from error


@dataclass(slots=True)
class _Parts:
    tree: Tree
    rules: Rules
    hashers: tuple[Hasher, ...]
    prompt: tuple[int, ...]
    reader: LedgerReader | None = None

    @classmethod
    def build(cls, spec: WorkSpec) -> _Parts:
        tree: Tree = build_part(spec.walker, spec.root, dict(spec.devices))
        filters = [build_part(ref) for ref in spec.filters]
        rules = Rules(filters, partial(ignore_file, tree), spec.own, spec.own_inodes)
        return cls(tree, rules, tuple(build_part(ref) for ref in spec.hashers), spec.prompt)

    def read(
        self, wanted: Sequence[tuple[str, FileStat]], limits: ReadLimits, progress: Progress | None = None
    ) -> list[Read]:
        return read_files(self.tree, self.hashers, wanted, limits, prompt=self.prompt, progress=progress)

    def ledger(self, spec: WorkSpec) -> LedgerReader:
        if self.reader is None:
            assert spec.ledger is not None, "this ledger is read by its store only"
            ref, repository_id = spec.ledger
            self.reader = build_part(ref, repository_id)
        return self.reader

    def forget(self) -> None:
        self.tree.forget()
        self.rules.forget()

    def close(self) -> None:
        self.tree.close()
        if self.reader is not None:
            self.reader.close()


class _Kept:
    """Parts not in use now, those used last at the end. Any thread may take them, one at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: list[tuple[str, _Parts]] = []

    def take(self, key: str) -> _Parts | None:
        with self._lock:
            for number in reversed(range(len(self._idle))):
                if self._idle[number][0] == key:
                    return self._idle.pop(number)[1]
        return None

    def give(self, key: str, parts: _Parts) -> None:
        with self._lock:
            self._idle.append((key, parts))
            evicted = self._idle[:-_MOST_IDLE]
            del self._idle[:-_MOST_IDLE]
        for _, old in evicted:
            old.close()

    def close(self, key: str) -> None:
        while (parts := self.take(key)) is not None:
            parts.close()


_kept: Final = _Kept()


@contextmanager
def _borrowed(spec: WorkSpec) -> Iterator[_Parts]:
    """The parts of a spec for one call, with no memory of where directories and ignore files were."""
    parts = _kept.take(spec.key) or _Parts.build(spec)
    try:
        with disk_priority(spec.disk_priority):
            yield parts
    finally:
        parts.forget()
        _kept.give(spec.key, parts)


def _read_or_end(
    parts: _Parts, wanted: Sequence[tuple[str, FileStat]], limits: ReadLimits, patience: float
) -> list[Read]:
    """Reads files in a process, which ends if they take so many seconds: it cannot leave what hangs in it."""
    with open(os.devnull, "w") as nowhere:
        faulthandler.dump_traceback_later(patience, exit=True, file=nowhere)
        try:
            return parts.read(wanted, limits)
        finally:
            faulthandler.cancel_dump_traceback_later()


def ignore_file(tree: Tree, path: str) -> str | None:
    """The text of an ignore file, None where there is none. Raises OSError if it cannot be read whole."""
    try:
        entry = tree.entry(path)
        if entry.stat is None:
            raise OSError(errno.EINVAL, entry.problem.message if entry.problem else "it is a folder")
        with open(tree.open(path), "rb") as file:
            text = file.read(_LONGEST_IGNORE_FILE + 1)
    except (FileNotFoundError, NotADirectoryError):
        return None
    if len(text) > _LONGEST_IGNORE_FILE:
        raise OSError(errno.EFBIG, f"{shown(path)} is too long for an ignore file")
    return stored_from_bytes(text)


def _names(parts: _Parts, directory: str, most: int) -> list[str] | None:
    base = directory + "/" if directory else ""
    try:
        entries = list(islice(parts.tree.list(directory), most + 1))
        return (
            [e.name for e in entries if not _ignores(parts.rules.verdict(base + e.name, e.is_directory))]
            if len(entries) <= most
            else None
        )
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError:
        return None


def _look(parts: _Parts, path: str, absent: dict[str, int | None]) -> Look:
    """`absent`: the directories that were found absent in this batch, with the file system above them."""
    tree, rules = parts.tree, parts.rules
    try:
        verdict = rules.verdict(path)
        if _ignores(verdict):
            return Look(path, verdict=verdict)
        if parent(path) in absent:
            return Look(path, gone=True, parent_file_system=absent[parent(path)])
        entry = tree.entry(path)
        if entry.is_directory:
            verdict = rules.verdict(path, True)
        elif entry.stat is not None:
            verdict = rules.check_stat(path, entry.stat) or verdict
    except (FileNotFoundError, NotADirectoryError):
        return Look(path, gone=True, parent_file_system=_file_system_above(tree, path, absent))
    except OSError as error:
        return Look(path, problem=problem_of(path, error))
    except RootOffline:
        raise
    except Exception as error:  # of a plugin's walker or filter, or a MemoryError
        return Look(path, problem=fault_of(path, error))
    if _ignores(verdict):
        return Look(path, verdict=verdict)
    if entry.stat is not None:
        return Look(path, entry.stat, verdict)
    if entry.problem is not None and (entry.is_directory or not entry.problem.code.is_note):
        return Look(path, problem=entry.problem)
    above = _file_system_above(tree, path, absent)
    return Look(
        path,
        problem=entry.problem,
        gone=True,
        parent_file_system=above,
        is_directory=entry.is_directory,
    )


def _verdict(parts: _Parts, path: str, is_directory: bool) -> Verdict | None:
    stat = None
    try:
        _, is_directory, stat, _ = parts.tree.entry(path)
    except OSError:
        pass  # by its name alone
    verdict = parts.rules.verdict(path, is_directory)
    if stat is not None and not _ignores(verdict):
        verdict = parts.rules.check_stat(path, stat) or verdict
    return verdict


def _ignores(verdict: Verdict | None) -> bool:
    return verdict is not None and verdict.ignored


def _file_system_above(tree: Tree, path: str, absent: dict[str, int | None]) -> int | None:
    """The file system of the nearest directory above a path that is there; None if nothing can be said.

    Notes the directories that are not, so that of thousands of files in one only the first climbs.
    """
    found: int | None = None
    missing: list[str] = []
    while path:
        path = parent(path)
        if path in absent:
            found = absent[path]
            break
        try:
            found = tree.file_system(path)
            break
        except (FileNotFoundError, NotADirectoryError):
            missing.append(path)
        except OSError:
            break
    absent.update(dict.fromkeys(missing, found))
    return found
