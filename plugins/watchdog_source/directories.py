"""The watched directories of one tree: which descriptor stands for which path."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass(slots=True, eq=False)
class Directory:
    """A watched directory; `parent` is None for the root.

    `base` is its stored path and "/", so that a name may follow; "" for the root.
    """

    wd: int
    base: str
    name: str
    parent: Directory | None
    children: dict[str, Directory] = field(default_factory=dict)

    @property
    def path(self) -> str:
        return self.base[:-1]


class Directories:
    """A table by watch descriptor, and a tree by name. Every descriptor has one path and the reverse.

    Descriptors that lose their directory are returned, to be given back to the kernel.
    """

    def __init__(self) -> None:
        self._by_wd: dict[int, Directory] = {}
        self.root: Directory | None = None

    def __len__(self) -> int:
        return len(self._by_wd)

    def get(self, wd: int) -> Directory | None:
        return self._by_wd.get(wd)

    def descriptors(self) -> set[int]:
        return set(self._by_wd)

    def at(self, path: str) -> Directory | None:
        """The directory of a path, None if it is not watched."""
        directory = self.root
        for name in path.split("/") if path else ():
            if directory is None:
                break
            directory = directory.children.get(name)
        return directory

    def put(self, wd: int, parent: Directory | None, name: str) -> tuple[Directory | None, list[int]]:
        """The directory `name` in `parent`, now under this descriptor, and what that displaced.

        inotify gives one descriptor to one inode: if it stood elsewhere, the directory was moved. There is
        no place where `parent` has itself lost its place: then more moves are still to be heard.
        """
        known = self._by_wd.get(wd)
        if known is not None and known.parent is parent and known.name == name:
            return known, []
        freed = self.drop(known) if known is not None else []
        if parent is not None and self._by_wd.get(parent.wd) is not parent:
            return None, [*freed, wd]
        displaced = self.root if parent is None else parent.children.get(name)
        if displaced is not None:
            freed += self.drop(displaced)
        base = "" if parent is None else f"{parent.base}{name}/"
        directory = self._by_wd[wd] = Directory(wd, base, name, parent)
        if parent is None:
            self.root = directory
        else:
            parent.children[name] = directory
        return directory, [descriptor for descriptor in freed if descriptor != wd]

    def drop(self, directory: Directory) -> list[int]:
        """Forgets a directory and all below; returns their descriptors."""
        if directory.parent is None:
            self.root = None
        elif directory.parent.children.get(directory.name) is directory:
            del directory.parent.children[directory.name]
        dropped = [below.wd for below in _with_all_below(directory)]
        for wd in dropped:
            del self._by_wd[wd]
        return dropped


def _with_all_below(directory: Directory) -> Iterable[Directory]:
    pending = [directory]
    while pending:
        current = pending.pop()
        yield current
        pending.extend(current.children.values())
