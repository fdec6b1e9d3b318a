"""The walk: a tree as one stream of files in the byte order of their stored paths.

Depth first, the entries of a directory sorted by name, directories as `name/`; so the stream of file
paths is sorted as Python strings sort, and as a database sorts by code points. A directory that
cannot be listed completely is one Unknown, and nothing of it is guessed.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import islice, pairwise
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
_MARK: Final = 1000  # entries of a large directory, which may be cut between so many
_place: Final = itemgetter(0)


class Span(NamedTuple):
    """A range of places in the order of paths: from `low` on, up to but without `high` (None: to the end).

    The place of a file is its path, that of a directory its path with a "/" at the end.
    """

    low: str = ""
    high: str | None = None

    def holds(self, place: str) -> bool:
        return place >= self.low and (self.high is None or place < self.high)


ALL: Final = Span()


class _Directory(NamedTuple):
    """A directory to go into. `rules` gives the rules for what it holds; it may raise OSError."""

    path: str
    rules: Callable[[], DirectoryFilter]


_Step = list[Seen] | _Directory
_Subtree = tuple[str, Seen | None]  # its place in the order, path and slash; None: go into it


class Walk:
    """A walk through a span of what is at a prefix, in steps of a few files; it can be broken off.

    Directories on the way to both ends of the span are listed, too. Raises RootOffline.
    """

    def __init__(
        self,
        tree: Tree,
        rules: Rules,
        prefix: str = "",
        span: Span = ALL,
        *,
        most_in_memory: int = _MOST_IN_MEMORY,
    ) -> None:
        self._tree = tree
        self._rules = rules
        self._span = span
        self._most_in_memory = most_in_memory
        self._prefix = prefix
        self._notes: list[Problem] = []
        self._stack: list[_Level] = []

    def __iter__(self) -> Iterator[list[Seen]]:
        stack = self._stack = [self._start(self._prefix)]
        while stack:
            step = stack[-1].step()
            if step is None:
                stack.pop()
            elif isinstance(step, _Directory):
                stack.append(self._directory(step))
            else:
                yield step

    def take_notes(self) -> list[Problem]:
        notes, self._notes = self._notes, []
        return notes

    def rest(self, most: int) -> list[Span]:
        """What is left between two steps, as at most so many spans."""
        levels = [level for level in self._stack if not level.is_over()]
        if not levels:
            return []
        cut = levels[-1].next_place()
        places: list[str] = []
        for level in levels:  # what is left of the outermost directories is the most
            places = _spread(level.places_left(), most - 1 - len(places)) + places
        bounds = [cut, *(place for place in places if place > cut), self._span.high]
        return [Span(low or "", high) for low, high in pairwise(bounds)]

    def _start(self, prefix: str) -> _Level:
        """The level of the root, or of the one entry that the prefix names."""
        if not prefix:
            return self._directory(_Directory("", self._rules.root))
        try:
            rules: DirectoryFilter = self._rules.root()
            for directory in ancestors(prefix):
                name = directory.rpartition("/")[2]
                verdict = rules.check(name, True)
                if verdict is not None and verdict.ignored:
                    return _only(Ignored(prefix, verdict.rule, True))
                rules = rules.below(name)
            entry = self._tree.entry(prefix)
        except (FileNotFoundError, NotADirectoryError):
            return _NOTHING
        except OSError as error:
            return _only(Unknown(prefix, problem_of(prefix, error, directory=True), True))
        above = parent(prefix)
        return _Listed(rules, *self._classified(above + "/" if above else "", rules, [entry]))

    def _directory(self, directory: _Directory) -> _Level:
        """What one directory holds of the span; it is listed completely before the first step."""
        path = directory.path
        base = path + "/" if path else ""
        try:
            entries = list(islice(iter(self._tree.list(path)), self._most_in_memory))
            if len(entries) < self._most_in_memory:
                return self._listed(base, entries, directory.rules)
            return self._merged(base, directory.rules(), self._tree.list(path))
        except (FileNotFoundError, NotADirectoryError):
            return _NOTHING  # it vanished after its parent was listed
        except OSError as error:
            return _only(Unknown(path, problem_of(path, error, directory=True), True))
        except RootOffline:
            raise
        except Exception as error:  # of a plugin's walker or filter, or a MemoryError
            return _only(Unknown(path, fault_of(path, error), True))

    def _listed(self, base: str, entries: list[Entry], rules_of: Callable[[], DirectoryFilter]) -> _Level:
        names = [entry[0] for entry in entries]
        unique = frozenset(names)
        self._rules.listed(base, unique)
        rules = rules_of()
        if len(unique) < len(names):  # a directory may name one twice while it changes
            entries = list({entry.name: entry for entry in entries}.values())
        if found := collisions(unique):
            kept = [entry.name for entry in entries if entry.name in found and not _is_ignored(rules, entry)]
            self._notes += [note for note in collision_notes(base, kept) if self._span.holds(note.path)]
        return _Listed(rules, *self._classified(base, rules, self._of_span(base, entries)))

    def _of_span(self, base: str, entries: list[Entry]) -> list[Entry]:
        """Those entries of a directory that are of the span, or on the way to its beginning."""
        low, high = self._span
        if not low.startswith(base) and (high is None or not high.startswith(base)):
            return entries  # all below is
        return [entry for entry in entries if self._reaches(base + entry[0] + ("/" if entry[1] else ""))]

    def _reaches(self, place: str) -> bool:
        """Whether what is at a place, or some of what is below it, is of the span."""
        return self._span.holds(place) or (place[-1:] == "/" and self._span.low.startswith(place))

    def _merged(self, base: str, rules: DirectoryFilter, listing: Iterable[Entry]) -> _Level:
        """The level of a large directory, through a temporary file."""
        rest = iter(listing)
        runs: SortedRuns[Seen | None] = SortedRuns()
        places: list[str] = []
        while piece := list(islice(rest, self._most_in_memory)):
            files, subtrees = self._classified(base, rules, self._of_span(base, piece))
            run = [*((item.path, item) for item in files), *subtrees]
            runs.add(run)
            places += [place for place, _ in run[::_MARK]]
        return _Merged(rules, runs, sorted(places))

    def _classified(
        self, base: str, rules: DirectoryFilter, entries: Sequence[Entry]
    ) -> tuple[list[Seen], list[_Subtree]]:
        """Files and subtrees among the entries of a directory, each in order; the rest becomes notes."""
        others = [entry for entry in entries if entry[2] is None]
        ignored: list[Ignored] = []
        if _speaks(rules, entries, others) or self._rules.may_judge(entries):
            entries, ignored = self._spared(base, rules, entries)
            others = [entry for entry in entries if entry[2] is None]
        new = tuple.__new__
        files: list[Seen] = [
            new(File, (base + name, stat)) for name, _, stat, _ in entries if stat is not None
        ]
        files += [item for item in ignored if not item.subtree]
        subtrees: list[_Subtree] = [(item.path + "/", item) for item in ignored if item.subtree]
        for name, is_directory, _, problem in others:
            path = base + name
            if is_directory:
                subtrees.append((path + "/", Unknown(path, problem, True) if problem else None))
            elif problem is not None:
                if problem.code.is_note:
                    self._notes.append(problem)
                else:
                    files.append(Unknown(path, problem, False))
        files.sort(key=_place)
        subtrees.sort(key=_place)
        return files, subtrees

    def _spared(
        self, base: str, rules: DirectoryFilter, entries: Iterable[Entry]
    ) -> tuple[list[Entry], list[Ignored]]:
        """The entries that no rule ignores, and the others."""
        check, check_stat = rules.check, self._rules.check_stat
        spared: list[Entry] = []
        ignored: list[Ignored] = []
        for entry in entries:
            name, is_directory, stat, _ = entry
            path = base + name
            try:
                verdict = check(name, is_directory)
                if stat is not None and (verdict is None or not verdict.ignored):
                    verdict = check_stat(path, stat)
            except Exception as error:  # of a plugin's filter, or a MemoryError
                spared.append(Entry(name, is_directory, None, fault_of(path, error)))
                continue
            if verdict is not None and verdict.ignored:
                ignored.append(Ignored(path, verdict.rule, is_directory))
            else:
                spared.append(entry)
        return spared, ignored


class _Listed:
    """What is left of one directory: its files in slices between its subtrees."""

    __slots__ = ("_file", "_files", "_rules", "_subtree", "_subtrees")

    def __init__(self, rules: DirectoryFilter | None, files: list[Seen], subtrees: list[_Subtree]) -> None:
        self._rules = rules
        self._files = files
        self._subtrees = subtrees
        self._file = 0  # the next one
        self._subtree = 0

    def step(self) -> _Step | None:
        files, first = self._files, self._file
        if self._subtree == len(self._subtrees):
            self._file = len(files)
            return (files[first:] if first else files) or None
        place, item = self._subtrees[self._subtree]
        upto = self._file = bisect_left(files, place, first, key=_place)
        if upto > first:
            return files[first:upto]
        self._subtree += 1
        if item is not None:
            return [item]
        assert self._rules is not None
        return _below(self._rules, place)

    def is_over(self) -> bool:
        return self._file == len(self._files) and self._subtree == len(self._subtrees)

    def next_place(self) -> str:
        """Where it goes on; it is not over."""
        files = [item.path for item in self._files[self._file : self._file + 1]]
        return min(files + [place for place, _ in self._subtrees[self._subtree : self._subtree + 1]])

    def places_left(self) -> list[str]:
        """The places of the subtrees that are left, where it may be cut."""
        return [place for place, _ in self._subtrees[self._subtree :]]


class _Merged:
    """What is left of a directory that is read back from sorted runs; `places` are some of it, in order."""

    __slots__ = ("_next", "_places", "_rest", "_rules")

    def __init__(self, rules: DirectoryFilter, runs: SortedRuns[Seen | None], places: list[str]) -> None:
        self._rules = rules
        self._rest = runs.merged()
        self._next = next(self._rest, None)
        self._places = places

    def step(self) -> _Step | None:
        seen: list[Seen] = []
        while self._next is not None and len(seen) < _SLICE:
            place, item = self._next
            if item is None and seen:
                break
            self._next = next(self._rest, None)
            if item is None:
                return _below(self._rules, place)
            seen.append(item)
        return seen or None

    def is_over(self) -> bool:
        return self._next is None

    def next_place(self) -> str:
        """Where it goes on; it is not over."""
        assert self._next is not None
        return self._next[0]

    def places_left(self) -> list[str]:
        """Some of the places that are left, where it may be cut."""
        return self._places[bisect_left(self._places, self.next_place()) :]


_Level = _Listed | _Merged
_NOTHING: Final = _Listed(None, [], [])


def _below(rules: DirectoryFilter, place: str) -> _Directory:
    """The directory at a place, below one with these rules."""
    path = place[:-1]
    return _Directory(path, partial(rules.below, path.rpartition("/")[2]))


def _only(item: Seen) -> _Level:
    return _Listed(None, [item], [])


def _spread(places: Sequence[str], most: int) -> list[str]:
    """At most so many of some places, evenly."""
    if len(places) <= most:
        return list(places)
    return [places[(number + 1) * len(places) // (most + 1)] for number in range(max(0, most))]


def _speaks(rules: DirectoryFilter, entries: Iterable[Entry], others: Iterable[Entry]) -> bool:
    """Whether a rule may speak of any of these entries, some of which (`others`) may be directories."""
    try:
        names = [entry[0] for entry in entries]
        return rules.speaks(names + [entry[0] + "/" for entry in others if entry[1]])
    except Exception:  # of a plugin's filter: asked for each entry, it may fail for one only
        return True


def _is_ignored(rules: DirectoryFilter, entry: Entry) -> bool:
    verdict = rules.check(entry.name, entry.is_directory)
    return verdict is not None and verdict.ignored
