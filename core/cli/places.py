"""What the PATH argument of a command means: a path on disk, or `REPO:path`."""

from __future__ import annotations

import os.path
import sys
from collections.abc import Sequence

from treeledger.cli.options import Options
from treeledger.errors import RepositoryNotFound
from treeledger.model import Repository
from treeledger.names import shown, stored_from_os, within
from treeledger.repositories import Target
from treeledger.unlocked import UnlockedLedger


async def place_of(ledger: UnlockedLedger, argument: str) -> Target:
    """The repository that holds a path, and the path in it. A link at the end of it is not followed.

    Raises RepositoryNotFound if no repository of this host holds it.
    """
    repositories = await ledger.repositories()
    place = _place(argument, repositories, ledger.host)
    if place is not None:
        return place
    known = ", ".join(f"{repository.name} ({repository.root})" for repository in repositories) or "none yet"
    raise RepositoryNotFound(f"{argument} is in no repository; there are: {shown(known)}")


def _place(argument: str, repositories: Sequence[Repository], host: str) -> Target | None:
    name, colon, rest = argument.partition(":")
    if colon and not os.path.lexists(argument):
        for repository in repositories:
            if repository.name == name:
                return Target(repository, stored_from_os(os.path.normpath("/" + rest).lstrip("/")))
    path = os.path.abspath(os.path.expanduser(argument))
    above, last = os.path.split(path)
    for one in dict.fromkeys((path, os.path.join(os.path.realpath(above), last))):
        stored = stored_from_os(one)
        for repository in repositories:
            if repository.host == host and holds(repository, stored):
                return Target(repository, relative(repository, stored))
    return None


def holds(repository: Repository, path: str) -> bool:
    """Whether an absolute path (stored form) is a repository's root or lies below it."""
    return within(repository.root.rstrip("/"), path)


def relative(repository: Repository, path: str) -> str:
    """The path below the root of the repository that holds it."""
    return path[len(repository.root.rstrip("/")) :].lstrip("/")


def on_disk(repository: Repository, path: str) -> str:
    """The absolute path (stored form) of a path in a repository."""
    return f"{repository.root.rstrip('/')}/{path}" if path else repository.root


def say(options: Options, text: str) -> None:
    """Tells a person something that is no result: on stderr, in text mode, unless quiet."""
    if not (options.json or options.quiet):
        print(shown(text), file=sys.stderr)
