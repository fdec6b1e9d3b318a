"""`treeledger scan`: one scan, then exit."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from typing import Final

from treeledger.cli.options import Options
from treeledger.cli.progress import ScanBar
from treeledger.cli.render import print_json, tell
from treeledger.cli.run import with_ledger
from treeledger.cli.targets import by_repository, targets
from treeledger.errors import RootOffline
from treeledger.ledger import Ledger
from treeledger.model import HoldStatus, ProblemCode, Repository, SyncOperation
from treeledger.names import shown, within
from treeledger.units import show_number
from treeledger.working import Worker, worker_for

PARTLY: Final = 3
_MOST: Final = 1000  # problems that are counted


def run(options: Options) -> int:
    try:
        return with_ledger(options, _scan)
    except KeyboardInterrupt:
        tell("interrupted; what was found so far is recorded. Scan again for the rest")
        raise


async def _scan(ledger: Ledger, options: Options) -> int:
    code = 0
    # Asked before a new folder is added, an engine has no time to scan that by itself.
    async with nullcontext(ledger) if options.given.dry_run else worker_for(ledger) as worker:
        for repository, prefixes in by_repository(await targets(ledger, options)):
            try:
                code = max(code, await _scan_one(ledger, worker, repository, prefixes, options))
            except RootOffline as error:  # the others may be there
                tell(str(error))
                code = max(code, error.exit_code)
    return code


async def _scan_one(
    ledger: Ledger, worker: Worker, repository: Repository, prefixes: Sequence[str], options: Options
) -> int:
    if options.given.dry_run:
        await _dry_run(ledger, repository, prefixes, options)
        return 0
    with ScanBar(repository, hidden=options.quiet or options.json) as bar:
        operation = await worker.scan(
            repository,
            prefixes,
            rehash=options.given.rehash,
            wait=not options.given.no_wait,
            told=bar.told,
        )
    _print_counts(repository, operation, options)
    return PARTLY if await _is_partial(ledger, repository, prefixes) else 0


def _print_counts(repository: Repository, operation: SyncOperation, options: Options) -> None:
    counts = operation.counts
    values = {
        "scanned": counts.files_scanned,
        "added": counts.files_added,
        "updated": counts.files_updated,
        "moved": counts.files_moved,
        "removed": counts.files_removed,
        "hashed": counts.files_hashed,
    }
    seconds = (operation.duration_ms or 0) / 1000
    if options.json:
        extra = {"bytes_hashed": counts.bytes_hashed, "problems": counts.problems, "operation": operation.id}
        print_json({"repository": repository.name, **values, **extra, "duration": seconds})
    else:
        words = " ".join(f"{name}={number}" for name, number in values.items())
        print(f"{shown(repository.name)}: {words} duration={seconds:.2f}s")


async def _is_partial(ledger: Ledger, repository: Repository, prefixes: Sequence[str]) -> bool:
    """Whether something is unreadable, now or since an earlier scan, or is held; says so."""
    held = await ledger.store.holds(repository.id, statuses=(HoldStatus.OPEN,))
    for hold in held:
        tell(
            f"{repository.name}: {hold.reason}. Nothing was deleted. If they are really gone, run:"
            f" treeledger deletions approve {hold.id}; else mount or restore them and scan again"
        )
    known = await ledger.store.problems(repository.id, notes=False, limit=_MOST)
    codes = [
        one.problem.code for one in known if any(within(prefix, one.problem.path) for prefix in prefixes)
    ]
    if codes:
        met = show_number(len(codes), "file or folder", "files or folders")
        what = f"problems with {met}" if ProblemCode.CORRUPTED in codes else f"{met} could not be read"
        more = " at least" if len(codes) == _MOST else ""
        tell(f"{repository.name}: {what}{more}; records are kept. See: treeledger problems")
    return bool(held or codes)


async def _dry_run(ledger: Ledger, repository: Repository, prefixes: Sequence[str], options: Options) -> None:
    foreseen = await ledger.foresee(repository, prefixes)
    for kind, path in foreseen.changes:
        if options.json:
            print_json({"repository": repository.name, "would": kind, "path": path})
        elif not options.quiet:
            print(f"{kind:<9} {shown(path)}")
    if not options.json:
        words = " ".join(f"{name}={number}" for name, number in foreseen.counts.items())
        print(f"{shown(repository.name)}: {words} (nothing was changed)")
