"""`treeledger repo`: add, list, remove, pause, resume, relocate."""

from __future__ import annotations

from typing import TYPE_CHECKING

from treeledger.cli.options import Options
from treeledger.cli.render import print_json
from treeledger.cli.run import with_ledger, with_unlocked
from treeledger.cli.status import run as run_status
from treeledger.cli.targets import new_settings, repository_of
from treeledger.model import Repository
from treeledger.names import shown
from treeledger.unlocked import UnlockedLedger
from treeledger.working import worker_for

if TYPE_CHECKING:
    from treeledger.ledger import Ledger


def run(options: Options) -> int:
    if options.given.action == "list":
        return run_status(options)
    if options.given.action == "relocate":
        return with_ledger(options, _relocate)
    actions = {"add": _add, "remove": _remove, "pause": _pause, "resume": _resume}
    return with_unlocked(options, actions[options.given.action])


async def _add(ledger: UnlockedLedger, options: Options) -> int:
    repository = await ledger.add_repository(
        options.given.dir, name=options.given.name, settings=new_settings(options)
    )
    _say(options, repository, f"added {repository.name}: {repository.root}")
    return 0


async def _remove(ledger: UnlockedLedger, options: Options) -> int:
    repository = await repository_of(ledger, options.given.repo)
    await ledger.remove_repository(repository.id, purge=options.given.purge)
    rest = "its records are gone too" if options.given.purge else "its records stay in the ledger"
    _say(options, repository, f"removed {repository.name}; {rest}, its files were not touched")
    return 0


async def _pause(ledger: UnlockedLedger, options: Options) -> int:
    found = await repository_of(ledger, options.given.repo)
    repository = await ledger.pause_repository(found.id, paused=True)
    _say(
        options, repository, f"paused {repository.name}; go on with: treeledger repo resume {repository.name}"
    )
    return 0


async def _resume(ledger: UnlockedLedger, options: Options) -> int:
    found = await repository_of(ledger, options.given.repo)
    repository = await ledger.pause_repository(found.id, paused=False)
    _say(options, repository, f"resumed {repository.name}")
    return 0


async def _relocate(ledger: Ledger, options: Options) -> int:
    repository = await repository_of(ledger, options.given.repo)
    async with worker_for(ledger) as worker:
        moved = await worker.relocate_repository(repository.id, options.given.dir)
    _say(options, moved, f"{moved.name} is at {moved.root} now; scan it with: treeledger scan {moved.name}")
    return 0


def _say(options: Options, repository: Repository, text: str) -> None:
    if options.json:
        print_json({"id": str(repository.id), "name": repository.name, "root": repository.root})
    elif not options.quiet:
        print(shown(text))
