"""`treeledger files`: the records."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from typing import Final

from treeledger.cli.listing import Sums, Write, as_csv, as_json, as_paths, as_text
from treeledger.cli.options import Options
from treeledger.cli.places import holds, relative, say
from treeledger.cli.run import with_unlocked
from treeledger.cli.targets import chosen
from treeledger.errors import UsageError
from treeledger.fs.runs import SortedRuns
from treeledger.globs import compile_globs
from treeledger.model import FileRecord, RecordState, Repository
from treeledger.names import stored_from_os
from treeledger.protocols import FileQuery
from treeledger.units import parse_since, show_count, show_number, show_size
from treeledger.unlocked import UnlockedLedger

_PAGE: Final = 2_000
_PAGE_THEN: Final = 20_000  # records in the past are found by reading the journal, anew for each page
_RUN: Final = 10_000

Found = tuple[Repository, FileRecord]


def run(options: Options) -> int:
    return with_unlocked(options, _files)


async def _files(ledger: UnlockedLedger, options: Options) -> int:
    wanted = _Wanted.of(options)
    only = await chosen(ledger, options.given.repo)
    repositories = [only] if only is not None else await ledger.repositories()
    found = _found(ledger, repositories, wanted)
    write = _form(options, several=len(repositories) > 1)
    if wanted.duplicates:
        count = await _print_duplicates(found, write, options)
    else:
        count = 0
        async for repository, record in found:
            write(repository, record)
            count += 1
    if isinstance(write, Sums) and write.left_out:
        say(options, f"{show_count(write.left_out)} without a sha256 are left out")
    if not count:
        say(options, "no files")
    return 0


@dataclass(frozen=True, slots=True)
class _Wanted:
    """Which records are asked for."""

    globs: tuple[str, ...]
    states: tuple[RecordState, ...]
    duplicates: bool
    at: datetime | None

    @classmethod
    def of(cls, options: Options) -> _Wanted:
        """Raises UsageError for options that exclude each other, or a time that is none."""
        given = options.given
        forms = [options.json, given.null, given.format != "text"]
        if sum(forms) > 1:
            raise UsageError("--json, --format and -0 exclude each other")
        if given.duplicates and (given.at or given.state != "present"):
            raise UsageError("--duplicates is about files that are there now: without --at and --state")
        try:
            at = parse_since(given.at, datetime.now(UTC)) if given.at else None
        except ValueError as error:
            raise UsageError(f"--at: {error}") from None
        states = tuple(RecordState) if given.state == "all" else (RecordState(given.state),)
        return cls(tuple(map(stored_from_os, given.globs)), states, given.duplicates, at)


def _form(options: Options, *, several: bool) -> Write:
    if options.json:
        return as_json()
    if options.given.null:
        return as_paths(several)
    match options.given.format:
        case "csv":
            return as_csv()
        case "sha256sum":
            return Sums(several)
        case _:
            return as_text(several)


async def _found(
    ledger: UnlockedLedger, repositories: Sequence[Repository], wanted: _Wanted
) -> AsyncIterator[Found]:
    for repository in repositories:
        texts = _patterns(repository, repositories, wanted.globs)
        if wanted.globs and not texts:
            continue
        globs = compile_globs(texts)
        query = FileQuery(
            repository.id,
            globs.prefix,
            wanted.states,
            wanted.duplicates,
            wanted.at,
            parts=globs.parts,
            limit=_PAGE if wanted.at is None else _PAGE_THEN,
        )
        async for record in ledger.files(query):
            if globs.matches(record.path):
                yield repository, record


def _patterns(repository: Repository, every: Sequence[Repository], globs: Sequence[str]) -> list[str]:
    """The patterns as this repository understands them: absolute paths on disk mean what lies there."""
    patterns = []
    for glob in globs:
        owner = next((one for one in every if one.root != "/" and holds(one, glob)), None)
        if owner is None:
            patterns.append(glob)
        elif owner is repository:
            patterns.append("/" + relative(repository, glob))
    return patterns


async def _print_duplicates(found: AsyncIterator[Found], write: Write, options: Options) -> int:
    """Prints records by content; returns how many. They are sorted outside memory."""
    runs: SortedRuns[Found] = SortedRuns()
    run: list[tuple[str, Found]] = []
    async for repository, record in found:
        key = f"{record.hash_algorithm}:{record.content_hash}\0{repository.name}\0{record.path}"
        run.append((key, (repository, record)))
        if len(run) >= _RUN:
            runs.add(run)
            run = []
    runs.add(run)
    files = groups = spare = 0
    is_text = not (options.json or options.given.null or options.given.format != "text")
    for _, group in groupby(runs.merged(), key=lambda pair: pair[0].partition("\0")[0]):
        if groups and is_text:
            print()
        groups += 1
        for number, (_, (repository, record)) in enumerate(group):
            write(repository, record)
            files += 1
            spare += record.stat.size if number else 0
    if groups:
        counts = f"{show_number(files, 'file')} with {show_number(groups, 'content')}"
        say(options, f"{counts}; {show_size(spare)} more than once")
    return files
