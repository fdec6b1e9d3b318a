"""`treeledger import sha256sum`: hashes from a list, for files whose content was not read yet."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import BinaryIO, Final

from treeledger.checksums import read_line
from treeledger.cli.options import Options
from treeledger.cli.places import holds, relative, say
from treeledger.cli.render import print_json
from treeledger.cli.run import with_ledger
from treeledger.cli.targets import chosen
from treeledger.errors import UsageError
from treeledger.ledger import Ledger
from treeledger.model import Repository
from treeledger.names import shown, stored_from_bytes
from treeledger.units import show_number
from treeledger.working import Worker, worker_for

_BATCH: Final = 1000


@dataclass(slots=True)
class _Total:
    seeded: int = 0
    known: int = 0
    differing: int = 0
    unknown: int = 0


def run(options: Options) -> int:
    return with_ledger(options, _import)


async def _import(ledger: Ledger, options: Options) -> int:
    only = await chosen(ledger, options.given.repo)
    repositories = [only] if only is not None else await ledger.repositories()
    if not repositories:
        raise UsageError("there is no repository yet; begin with: treeledger scan DIR")
    total = _Total()
    with _opened(options.given.file) as file:
        sums = _List(file, repositories, options.given.base)
        async with worker_for(ledger) as worker:
            for repository in repositories:
                await _seed(worker, repository, sums, total)
        total.unknown += sums.count_elsewhere()
    _print_total(total, sums.unreadable, options)
    return 0


async def _seed(worker: Worker, repository: Repository, sums: _List, total: _Total) -> None:
    batches = sums.batches(repository)
    batch = next(batches, None)
    if batch is None:
        return
    async with worker.seeding(repository, "sha256") as seeder:
        while batch is not None:
            done = await seeder.seed(batch)
            total.seeded += done.seeded
            total.known += done.known
            total.differing += len(done.differing)
            total.unknown += done.unknown
            for path, listed, recorded in done.differing:
                where = shown(f"{repository.name}: {path}")
                print(f"differs: {where} is {recorded} on record, {listed} in the list", file=sys.stderr)
            batch = next(batches, None)


def _print_total(total: _Total, unreadable: int, options: Options) -> None:
    values = {name: getattr(total, name) for name in _Total.__slots__}
    if options.json:
        print_json(values | {"unreadable_lines": unreadable})
        return
    print(" ".join(f"{name}={number}" for name, number in values.items()))
    if unreadable:
        say(options, f"{show_number(unreadable, 'line is no sum', 'lines are no sums')}, and passed over")
    if total.differing:
        say(options, "nothing was overwritten; scan with --rehash to see which is right")


class _List:
    """A list of sums, read once for each repository, so that nothing of it is kept in memory."""

    def __init__(self, file: BinaryIO, repositories: Sequence[Repository], base: str | None) -> None:
        """`base`: the folder on disk that relative paths begin at; None: the only repository's root."""
        self._file = file
        self._repositories = repositories
        self._base = None if base is None else os.fsencode(os.path.abspath(os.path.expanduser(base)))
        self.unreadable = 0

    def batches(self, repository: Repository) -> Iterator[dict[str, str]]:
        """The digests of the files of one repository, by path, in pieces."""
        batch: dict[str, str] = {}
        for owner, path, digest in self._located():
            if owner is repository:
                batch[path] = digest
            if len(batch) >= _BATCH:
                yield batch
                batch = {}
        if batch:
            yield batch

    def count_elsewhere(self) -> int:
        """How many of the listed files lie in none of the repositories."""
        return sum(owner is None for owner, _, _ in self._located())

    def _located(self) -> Iterator[tuple[Repository | None, str, str]]:
        self._file.seek(0)
        self.unreadable = 0
        for line in self._file:
            checksum = read_line(line)
            if checksum is None:
                self.unreadable += bool(line.strip())
                continue
            owner, path = self._place(checksum.path)
            yield owner, path, checksum.digest

    def _place(self, name: bytes) -> tuple[Repository | None, str]:
        if not name.startswith(b"/") and self._base is None:
            if len(self._repositories) > 1:
                raise UsageError(
                    f"the list has relative paths, such as {shown(stored_from_bytes(name))};"
                    " say whose they are with --repo REPO, or where they begin with --base DIR"
                )
            path = stored_from_bytes(os.path.normpath(name))
            outside = path == ".." or path.startswith("../")
            return None if outside else self._repositories[0], path
        absolute = os.path.normpath(os.path.join(self._base or b"/", name))
        above, last = os.path.split(absolute)
        for one in (absolute, os.path.join(_real(above), last)):
            stored = stored_from_bytes(one)
            for repository in self._repositories:
                if holds(repository, stored):
                    return repository, relative(repository, stored)
        return None, ""


@lru_cache(maxsize=1024)
def _real(folder: bytes) -> bytes:
    return os.path.realpath(folder)


@contextmanager
def _opened(name: str) -> Iterator[BinaryIO]:
    """The list, from a file or standard input, to be read more than once. Raises UsageError."""
    if name == "-":
        with tempfile.TemporaryFile() as copy:
            shutil.copyfileobj(sys.stdin.buffer, copy)
            yield copy
        return
    try:
        with open(name, "rb") as file:
            yield file
    except OSError as error:
        raise UsageError(f"{name} cannot be read: {error.strerror}") from error
