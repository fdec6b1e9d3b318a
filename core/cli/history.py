"""`treeledger operations` and `treeledger problems`: what ran, and what is wrong with single files."""

from __future__ import annotations

from datetime import UTC, datetime

from treeledger import wire
from treeledger.cli.options import Options
from treeledger.cli.places import say
from treeledger.cli.render import print_json, table, when
from treeledger.cli.run import names_of, with_unlocked
from treeledger.cli.targets import chosen
from treeledger.errors import UsageError
from treeledger.model import Counts, KnownProblem, Repository, SyncOperation
from treeledger.names import shown
from treeledger.units import show_count, show_duration
from treeledger.unlocked import UnlockedLedger


def run(options: Options) -> int:
    actions = {"operations": _operations, "problems": _problems}
    if options.given.n < 1:
        raise UsageError("-n: write a number from 1 on")
    return with_unlocked(options, actions[options.given.action])


async def _operations(ledger: UnlockedLedger, options: Options) -> int:
    repository = await chosen(ledger, options.given.repo)
    names = await names_of(ledger)
    id = None if repository is None else repository.id
    operations = await ledger.store.operations(id, limit=options.given.n)
    if options.json:
        for operation in operations:
            name = wire.name_of(operation.repository_id, names)
            print_json(wire.Operation.of(operation, name).fields())
    elif operations:
        now = datetime.now(UTC)
        headers = ("Id", "Repository", "Type", "Started", "Duration", "Files", "Changes", "Hashed", "Status")
        rows = [
            _operation_row(operation, names.get(operation.repository_id), now) for operation in operations
        ]
        table(headers, rows, right=(0, 4, 5, 7))
    else:
        say(options, "no operations")
    return 0


def _operation_row(operation: SyncOperation, repository: Repository | None, now: datetime) -> tuple[str, ...]:
    duration = operation.duration_ms
    status = operation.status.value
    if operation.error_message:
        status += f": {operation.error_message}"
    return (
        str(operation.id),
        shown(_name(repository)),
        operation.type.value,
        when(operation.start_time, now),
        "" if duration is None else show_duration(duration / 1000),
        show_count(operation.counts.files_scanned),
        _changes(operation.counts),
        show_count(operation.counts.files_hashed),
        shown(status),
    )


def _changes(counts: Counts) -> str:
    """`+12 ~3 -1`, and `>2` for files that moved, `!4` for those with problems."""
    marks = (
        ("+", counts.files_added),
        ("~", counts.files_updated),
        (">", counts.files_moved),
        ("-", counts.files_removed),
        ("!", counts.problems),
    )
    return " ".join(f"{mark}{show_count(count)}" for mark, count in marks if count) or "none"


async def _problems(ledger: UnlockedLedger, options: Options) -> int:
    repository = await chosen(ledger, options.given.repo)
    names = await names_of(ledger)
    known = await ledger.store.problems(
        None if repository is None else repository.id, notes=options.given.notes, limit=options.given.n
    )
    if options.json:
        for one in known:
            print_json(wire.Problem.of(one, wire.name_of(one.repository_id, names)).fields())
    elif known:
        now = datetime.now(UTC)
        rows = [_problem_row(one, names.get(one.repository_id), len(names) > 1, now) for one in known]
        table(("Problem", "First", "Last", "Path", "What"), rows)
        if len(known) == options.given.n:
            say(options, f"perhaps more: only {show_count(len(known))} were asked for (-n)")
    else:
        say(options, "no problems" if options.given.notes else "no problems (--notes also shows notes)")
    return 0


def _problem_row(
    known: KnownProblem, repository: Repository | None, several: bool, now: datetime
) -> tuple[str, ...]:
    path, code, message = known.problem
    where = f"{_name(repository)}: {path or '.'}" if several else path or "."
    first, last = when(known.first_seen, now), when(known.last_seen, now)
    return code.value, first, last, shown(where), shown(message)


def _name(repository: Repository | None) -> str:
    return "(removed)" if repository is None else repository.name
