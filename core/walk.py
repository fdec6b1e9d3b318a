"""The walk: a tree as one stream of files in the byte order of their stored paths.

Depth first, the entries of a directory sorted by name, directories as `name/`; so the stream of file
paths is sorted as Python strings sort, and as a database sorts by code points. A directory that
cannot be listed completely is one Unknown, and nothing of it is guessed.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import islice
from operator import itemgetter
from typing import TYPE_CHECKING, Final, NamedTuple

from treeledger.collisions import collision_notes, collisions
from treeledger.errors import RootOffline
from treeledger.fs import fault_of, problem_of
from treeledger.fs.runs import SortedRuns
from treeledger.model import File, Ignored, Problem, Seen, Unknown
from treeledger.names import ancestors, parent
from treeledger.protocols import DirectoryFilter, Entry, Tree

if TYPE_CHECKING:
    from treeledger.ignoring import Rules

_MOST_IN_MEMORY: Final = 50_000  # entries of one directory
_SLICE: Final = 1000  # entries read back at a time
_place: Final = itemgetter(0)


class WalkBatch(NamedTuple):
    """A piece of a walk: what was seen, in order, and notes about what is no file.

    A symlink or a FIFO is a note only: where a record was, the file is gone. The last batch notes
    ignore rules that cannot be used.
    """

    seen: list[Seen]
    notes: list[Problem]


class _Directory(NamedTuple):
    """A directory to go into. `rules` gives the rules for what it holds; it may raise OSError."""

    path: str
    rules: Callable[[], DirectoryFilter]


_Step = list[Seen] | _Directory
_Subtree = tuple[str, Seen | None]  # its place in the order, path and slash; None: go into it


def walk(
    tree: Tree,
    rules: Rules,
    prefix: str = "",
    *,
    batch_size: int = 1000,
    most_in_memory: int = _MOST_IN_MEMORY,
) -> Iterator[WalkBatch]:
    """Everything at a prefix (a directory, a file; "" is all) in batches of at most `batch_size`.

    What is not there yields nothing: that is a complete listing of nothing. Directories of more than
    `most_in_memory` entries are sorted through a temporary file, and without notes on names that collide.
    Raises RootOffline.
    """
    walker = _Walker(tree, rules, most_in_memory)
    stack = [walker.start(prefix)]
    seen: list[Seen] = []
    while stack:
        step = next(stack[-1], None)
        if step is None:
            stack.pop()
        elif isinstance(step, _Directory):
            stack.append(walker.directory(step))
        else:
            seen += step
            while len(seen) >= batch_size:
                yield WalkBatch(seen[:batch_size], walker.take_notes())
                del seen[:batch_size]
    walker.notes += rules.problems
    if seen or walker.notes:
        yield WalkBatch(seen, walker.take_notes())


class _Walker:
    def __init__(self, tree: Tree, rules: Rules, most_in_memory: int) -> None:
        self.notes: list[Problem] = []
        self._tree = tree
        self._rules = rules
        self._most_in_memory = most_in_memory

    def take_notes(self) -> list[Problem]:
        notes, self.notes = self.notes, []
        return notes

    def start(self, prefix: str) -> Iterator[_Step]:
        """The first step: into the root, or to the one entry that the prefix names."""
        if not prefix:
            yield _Directory("", self._rules.root)
            return
        try:
            rules: DirectoryFilter = self._rules.root()
            for directory in ancestors(prefix):
                name = directory.rpartition("/")[2]
                verdict = rules.check(name, True)
                if verdict is not None and verdict.ignored:
                    yield [Ignored(prefix, verdict.rule, True)]
                    return
                rules = rules.below(name)
            entry = self._tree.entry(prefix)
        except (FileNotFoundError, NotADirectoryError):
            return
        except OSError as error:
            yield [Unknown(prefix, problem_of(prefix, error, directory=True), True)]
            return
        above = parent(prefix)
        yield from _in_order(rules, *self._classified(above + "/" if above else "", rules, [entry]))

    def directory(self, directory: _Directory) -> Iterator[_Step]:
        """The steps through one directory; it is listed completely before the first of them."""
        path = directory.path
        try:
            steps = self._listed(path + "/" if path else "", directory.rules(), self._tree.list(path))
        except (FileNotFoundError, NotADirectoryError):
            return  # it vanished after its parent was listed
        except OSError as error:
            yield [Unknown(path, problem_of(path, error, directory=True), True)]
            return
        except RootOffline:
            raise
        except Exception as error:  # of a plugin's walker or filter, or a MemoryError
            yield [Unknown(path, fault_of(path, error), True)]
            return
        yield from steps

    def _listed(self, base: str, rules: DirectoryFilter, listing: Iterable[Entry]) -> Iterator[_Step]:
        rest = iter(listing)
        piece = list(islice(rest, self._most_in_memory))
        if len(piece) < self._most_in_memory:
            return _in_order(rules, *self._classified(base, rules, self._told_apart(base, rules, piece)))
        runs: SortedRuns[Seen | None] = SortedRuns()
        while piece:
            files, subtrees = self._classified(base, rules, piece)
            runs.add([*((item.path, item) for item in files), *subtrees])
            piece = list(islice(rest, self._most_in_memory))
        return _merged(rules, runs)

    def _classified(
        self, base: str, rules: DirectoryFilter, entries: Iterable[Entry]
    ) -> tuple[list[Seen], list[_Subtree]]:
        """Files and subtrees among the entries of a directory, each in order; the rest becomes notes."""
        files: list[Seen] = []
        subtrees: list[_Subtree] = []
        check, check_stat, new = rules.check, self._rules.check_stat, tuple.__new__
        for name, is_directory, stat, problem in entries:
            path = base + name
            try:
                verdict = check(name, is_directory)
                if stat is not None and (verdict is None or not verdict.ignored):
                    verdict = check_stat(path, stat)
            except Exception as error:  # of a plugin's filter, or a MemoryError
                verdict, stat, problem = None, None, fault_of(path, error)
            if verdict is not None and verdict.ignored:
                if is_directory:
                    subtrees.append((path + "/", Ignored(path, verdict.rule, True)))
                else:
                    files.append(Ignored(path, verdict.rule, False))
            elif stat is not None:
                files.append(new(File, (path, stat)))
            elif is_directory:
                subtrees.append((path + "/", Unknown(path, problem, True) if problem else None))
            elif problem is not None:
                if problem.code.is_note:
                    self.notes.append(problem)
                else:
                    files.append(Unknown(path, problem, False))
        files.sort(key=_place)
        subtrees.sort(key=_place)
        return files, subtrees

    def _told_apart(self, base: str, rules: DirectoryFilter, entries: list[Entry]) -> list[Entry]:
        """Notes names that other systems would take for one; drops what a directory named twice."""
        unique = {entry.name: entry for entry in entries}
        found = collisions([entry[0] for entry in entries])
        if found:
            kept = [name for name in found if not _is_ignored(rules, unique[name])]
            self.notes += collision_notes(base, kept)
        return entries if len(unique) == len(entries) else list(unique.values())


def _is_ignored(rules: DirectoryFilter, entry: Entry) -> bool:
    verdict = rules.check(entry.name, entry.is_directory)
    return verdict is not None and verdict.ignored


def _in_order(rules: DirectoryFilter, files: list[Seen], subtrees: Iterable[_Subtree]) -> Iterator[_Step]:
    """The files of one directory in slices between its subtrees."""
    done = 0
    for place, item in subtrees:
        upto = bisect_left(files, place, done, key=_place)
        if upto > done:
            yield files[done:upto]
            done = upto
        yield _below(rules, place) if item is None else [item]
    if done < len(files):
        yield files[done:] if done else files


def _merged(rules: DirectoryFilter, runs: SortedRuns[Seen | None]) -> Iterator[_Step]:
    """As `_in_order`, from sorted runs."""
    seen: list[Seen] = []
    for place, item in runs.merged():
        if item is not None:
            seen.append(item)
        if seen and (item is None or len(seen) == _SLICE):
            yield seen
            seen = []
        if item is None:
            yield _below(rules, place)
    if seen:
        yield seen


def _below(rules: DirectoryFilter, place: str) -> _Directory:
    path = place[:-1]
    return _Directory(path, partial(rules.below, path.rpartition("/")[2]))
