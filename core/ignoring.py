"""All ignore rules of one repository together: its filters, and the ledger's own files.

Rules are asked top-down. An ignored directory decides about everything below it, whatever a deeper rule
says, so that it need not be listed or watched. Not for use by several threads at once.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final

from treeledger.model import FileStat, Problem
from treeledger.names import parent
from treeledger.protocols import DirectoryFilter, Entry, IgnoreFilter, ReadText, Verdict

IGNORE_FILE_NAME: Final = ".treeledgerignore"
OWN_FILES: Final = "treeledger's own files"

_KEPT_DIRECTORIES: Final = 4096


def is_ignore_file(path: str) -> bool:
    """Whether a change of this path changes the rules for its folder."""
    return path.endswith(IGNORE_FILE_NAME) and path[: -len(IGNORE_FILE_NAME)][-1:] in ("", "/")


class DirectoryRules:
    """The rules for the entries of one directory that is not ignored."""

    __slots__ = ("_filters", "_own", "_own_names")

    def __init__(self, filters: tuple[DirectoryFilter, ...], own: tuple[str, ...]) -> None:
        self._filters = filters
        self._own = own  # starts of the paths of own files, relative to this directory
        self._own_names = tuple(start for start in own if "/" not in start)

    def check(self, name: str, is_directory: bool) -> Verdict | None:
        """The verdict that decides about an entry: one that ignores it, else one that keeps it, if any."""
        if self._own_names and name.startswith(self._own_names):
            return _own_verdict(next(start for start in self._own_names if name.startswith(start)))
        kept = None
        for rules in self._filters:
            verdict = rules.check(name, is_directory)
            if verdict is not None:
                if verdict.ignored:
                    return verdict
                kept = kept or verdict
        return kept

    def speaks(self, entries: Sequence[str]) -> bool:
        """Whether `check` may give a verdict on any of these entries, directories with a "/" at the end."""
        if self._own_names and any(entry.startswith(self._own_names) for entry in entries):
            return True
        return any(rules.speaks(entries) for rules in self._filters)

    def below(self, name: str) -> DirectoryRules:
        """The rules of a subdirectory that is not ignored. Reads its ignore file."""
        own = tuple(start[len(name) + 1 :] for start in self._own if start.startswith(name + "/"))
        return DirectoryRules(tuple(rules.below(name) for rules in self._filters), own)

    def rules(self) -> list[Verdict]:
        """Every rule in effect here, as the verdict it gives; in one filter the last that matches wins."""
        own = [_own_verdict(start) for start in self._own]
        return own + [verdict for rules in self._filters for verdict in rules.rules()]


class Rules:
    """Everything that is ignored in one tree.

    `own` is the ledger's own files as starts of stored paths relative to the root: "db/ledger.db" also
    covers "db/ledger.db-wal". `own_inodes` is the same by file system and inode, for other names of
    theirs. `read` gives the text of an ignore file of the tree.
    """

    def __init__(
        self,
        filters: Sequence[IgnoreFilter],
        read: ReadText,
        own: Sequence[str] = (),
        own_inodes: Iterable[tuple[int, int]] = (),
    ) -> None:
        self._filters = tuple(filters)
        self._read = read
        self._listed: tuple[str, Collection[str]] | None = None
        self._asked = tuple(one for one in filters if type(one).check_stat is not IgnoreFilter.check_stat)
        self._own = tuple(start.rstrip("/") for start in own if start.rstrip("/"))
        self._own_files = frozenset(own_inodes)
        self._own_inodes = frozenset(inode for _, inode in self._own_files)
        self._known: dict[str, DirectoryRules | Verdict] = {}

    @property
    def problems(self) -> list[Problem]:
        """Rules that cannot be used, of the configuration and of the ignore files read since the root's."""
        return [problem for filter in self._filters for problem in filter.problems]

    def root(self) -> DirectoryRules:
        """The rules at the root, its ignore file read now: where a walk begins."""
        return DirectoryRules(tuple(filter.root(self._text) for filter in self._filters), self._own)

    def listed(self, directory: str, names: Collection[str]) -> None:
        """Says what a directory (its path with a "/", or "") holds: no other name is looked for in it."""
        self._listed = (directory, names)

    def verdict(self, path: str, is_directory: bool = False) -> Verdict | None:
        """The verdict on one path: that of the outermost ignored directory above it, else its own.

        Ignore files are read once, until `forget`.
        """
        if not path:
            return None
        rules = self._directory(parent(path))
        return rules if isinstance(rules, Verdict) else rules.check(path.rpartition("/")[2], is_directory)

    def ignored(self, directory: str, names: Sequence[str]) -> Mapping[str, Verdict]:
        """Those of some files of one directory that are ignored by where they are, and why.

        Ignore files are read once, until `forget`.
        """
        rules = self._directory(directory)
        if isinstance(rules, Verdict):
            return dict.fromkeys(names, rules)
        if not rules.speaks(names):
            return {}
        found = ((name, rules.check(name, False)) for name in names)
        return {name: verdict for name, verdict in found if verdict is not None and verdict.ignored}

    def check_stat(self, path: str, stat: FileStat) -> Verdict | None:
        """The verdict that ignores a file by its stat; asked only for what no name rule ignores."""
        if stat.inode in self._own_inodes and (stat.file_system, stat.inode) in self._own_files:
            return Verdict(True, "another name of one", OWN_FILES)
        for filter in self._asked:
            verdict = filter.check_stat(path, stat)
            if verdict is not None and verdict.ignored:
                return verdict
        return None

    def forget(self) -> None:
        """Has `verdict` read ignore files again, after one of them changed."""
        self._known.clear()
        self._listed = None

    def in_effect(self) -> list[Verdict]:
        """Every rule at the root with its source, for `treeledger ignore list`."""
        return self.root().rules()

    def may_judge(self, entries: Iterable[Entry]) -> bool:
        """Whether `check_stat` may ignore any of these."""
        if self._asked or not self._own_inodes:
            return bool(self._asked)
        return not self._own_inodes.isdisjoint([stat[4] for _, _, stat, _ in entries if stat])

    def _text(self, path: str) -> str | None:
        """The text of an ignore file, as `read` gives it."""
        if self._listed is not None:
            directory, names = self._listed
            above, slash, name = path.rpartition("/")
            if above + slash == directory and name not in names:
                return None
        return self._read(path)

    def _directory(self, path: str) -> DirectoryRules | Verdict:
        """The rules of a directory, or the verdict that ignores it or one above it."""
        todo: list[str] = []
        while path and path not in self._known:
            todo.append(path)
            path = parent(path)
        if not path and "" not in self._known:
            self._keep("", self.root())
        rules = self._known[path]
        while todo and isinstance(rules, DirectoryRules):
            path = todo.pop()
            name = path.rpartition("/")[2]
            verdict = rules.check(name, True)
            rules = verdict if verdict is not None and verdict.ignored else rules.below(name)
            self._keep(path, rules)
        return rules

    def _keep(self, path: str, rules: DirectoryRules | Verdict) -> None:
        if len(self._known) >= _KEPT_DIRECTORIES:
            self._known.clear()
        self._known[path] = rules


def _own_verdict(start: str) -> Verdict:
    return Verdict(True, f"{start}*", OWN_FILES)
