"""Folders listed one level deep: what they hold that no rule ignores."""

from __future__ import annotations

from typing import NamedTuple

from treeledger.fs import problem_of
from treeledger.ignoring import Rules
from treeledger.model import Problem
from treeledger.protocols import Tree, Verdict


class Listing(NamedTuple):
    """What is in a folder, by path. `is_gone`: it is no folder any more; `problem`: nothing can be said."""

    folder: str
    files: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()
    is_gone: bool = False
    problem: Problem | None = None


def listed(tree: Tree, rules: Rules, folder: str) -> Listing:
    """Lists a folder. Raises RootOffline; whatever concerns the folder is in the listing."""
    base = folder + "/" if folder else ""
    files, folders = [], []
    try:
        if folder and _ignores(rules.verdict(folder, True)):
            return Listing(folder)
        for entry in tree.list(folder):
            path = base + entry.name
            if entry.is_directory and entry.problem is not None:
                continue  # another file system, which is not entered
            if _ignores(rules.verdict(path, entry.is_directory)):
                continue
            if entry.is_directory:
                folders.append(path)
            elif entry.problem is None or not entry.problem.code.is_note:
                files.append(path)
    except (FileNotFoundError, NotADirectoryError):
        return Listing(folder, is_gone=True)
    except OSError as error:
        return Listing(folder, problem=problem_of(folder, error))
    return Listing(folder, tuple(files), tuple(folders))


def _ignores(verdict: Verdict | None) -> bool:
    return verdict is not None and verdict.ignored
