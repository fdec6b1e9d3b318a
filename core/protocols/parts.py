"""Sync parts, built inside the worker that uses them: trees and walkers, ignore filters, hashers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

from treeledger.model import (
    FileStat,
    Problem,
)


class PartRef(NamedTuple):
    """Where a worker finds the class of a part, and its options: plain data, so that it pickles.

    `location` is a module's name, or the path of a plugin file; `attribute` the callable in it.
    """

    location: str
    attribute: str
    options: Mapping[str, Any]


class Entry(NamedTuple):
    """One name in a directory listing.

    `name` in stored form. For a directory `stat` is None; for a regular file its stat; for
    anything else, and for what could not be looked at, `problem` says so.
    """

    name: str
    is_directory: bool
    stat: FileStat | None
    problem: Problem | None


@runtime_checkable
class Tree(Protocol):
    """One directory tree: lists, looks and opens by stored path, never through a symlink.

    A tree keeps directory descriptors open between calls and is used by one thread at a time. It
    raises RootOffline if its root cannot be opened.
    """

    def list(self, path: str) -> Iterable[Entry]:
        """All entries of a directory, in no order; take them all before the next call to the tree.

        Raises OSError, possibly while it is read, if the directory cannot be listed completely.
        """

    def entry(self, path: str) -> Entry:
        """What a listing would say of this path now.

        Raises FileNotFoundError or NotADirectoryError if nothing is there, OSError if nothing can be
        said.
        """

    def open(self, path: str) -> int:
        """A descriptor to read a regular file from. Raises OSError; ELOOP for a symlink."""

    def file_system(self, path: str) -> int:
        """The number of the file system that holds a directory. Raises OSError."""

    def forget(self) -> None:
        """Forgets which directories are where: what follows goes by the names as they are then."""

    def close(self) -> None:
        """Releases every descriptor."""


class Verdict(NamedTuple):
    """A rule's word on a path: `ignored`, or kept by a negated rule. `source` says where the rule is."""

    ignored: bool
    rule: str
    source: str  # "built-in", "preset synology", "ignore.patterns", "sub/.treeledgerignore:3"


@runtime_checkable
class DirectoryFilter(Protocol):
    """The rules that hold for the entries of one directory."""

    def check(self, name: str, is_directory: bool) -> Verdict | None:
        """The rule that decides about an entry by its name; None where no rule speaks."""

    def speaks(self, entries: Sequence[str]) -> bool:
        """Whether a rule may speak of any of these entries, directories with a "/" at the end.

        False spares asking for each. A filter that inherits from this protocol and does not say otherwise
        is asked for each.
        """
        return True

    def below(self, name: str) -> DirectoryFilter:
        """The rules of a subdirectory that is not ignored, its own ignore file read."""

    def rules(self) -> Sequence[Verdict]:
        """Every rule that holds here, as the verdict it gives; the last that matches wins."""


@runtime_checkable
class IgnoreFilter(Protocol):
    """One filter over one tree. What any filter ignores is ignored, with all that lies below it."""

    @property
    def problems(self) -> Sequence[Problem]:
        """Rules that cannot be used, in the configuration (path "") and in the ignore files read since `root`
        was asked last: what was wrong before may be mended, or gone."""

    def root(self, read: ReadText) -> DirectoryFilter:
        """The rules at the root; `read` gives the text of an ignore file, or None where there is none."""

    def check_stat(self, path: str, stat: FileStat) -> Verdict | None:
        """The rule that decides by the stat, asked only for what no name rule ignores.

        A filter that inherits from this protocol and does not say otherwise is never asked.
        """
        return None


class ReadText(Protocol):
    """Gives the text of a regular file of the tree, with invalid bytes in stored form; None where none is.

    May raise OSError, which the filter turns into a problem.
    """

    def __call__(self, path: str, /) -> str | None: ...


class Digest(Protocol):
    def update(self, data: memoryview | bytes, /) -> object: ...

    def hexdigest(self) -> str: ...


@runtime_checkable
class Hasher(Protocol):
    """Core opens, checks and reads the file; a hasher only digests."""

    name: str

    def new(self) -> Digest: ...


@runtime_checkable
class Walker(Protocol):
    """Builds trees; sync and picklable by reference.

    Beside the options of its reference it is given `inode`, that of the root (another directory in its
    place is RootOffline), and `barred`, the paths of mounts that are not to be entered.
    """

    def __call__(self, root: str, devices: Mapping[int, int], **options: Any) -> Tree: ...
