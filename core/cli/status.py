"""`treeledger status`: repositories and their health, whoever keeps them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from treeledger import wire
from treeledger.cli.options import Options
from treeledger.cli.render import print_json, table, when
from treeledger.cli.run import with_unlocked
from treeledger.cli.upcoming import print_schedules
from treeledger.model import Holder, HoldStatus, Repository
from treeledger.names import shown
from treeledger.units import show_count, show_number, show_size
from treeledger.unlocked import SyncStatus, UnlockedLedger

_GLYPHS: Final = {
    "watching": "●",
    "scanning": "◐",
    "held": "■",
    "degraded": "▲",
    "offline": "○",
    "paused": "‖",
    "stopped": "·",
}
_TROUBLED: Final = ("degraded", "offline")


def run(options: Options) -> int:
    return with_unlocked(options, _status)


async def _status(ledger: UnlockedLedger, options: Options) -> int:
    repositories = await ledger.repositories()
    statuses = [(one, status) for one, status, _ in await ledger.statuses(repositories)]
    holder = await ledger.store.engine_holder(ledger.host)
    if options.json:
        schedules = await ledger.store.schedules(None)
        for repository, status in statuses:
            own = [
                wire.Schedule.of(one, repository.name)
                for one in schedules
                if one.repository_id == repository.id
            ]
            fields = wire.Repository.of(repository, status, holder).fields()
            print_json({**fields, "schedules": [schedule.fields() for schedule in own]})
        return 0
    now = datetime.now(UTC)
    table(
        ("Name", "State", "Files", "Size", "Last scan", "Next scan", "Folder"),
        [_row(repository, status, ledger.host, now) for repository, status in statuses],
        right=(2, 3),
    )
    if options.verbose:
        print_schedules(repositories, await ledger.store.schedules(None), now)
    if not options.quiet:
        _reasons(statuses)
        await _footer(ledger, repositories, holder)
    return 0


def _row(repository: Repository, status: SyncStatus, host: str, now: datetime) -> tuple[str, ...]:
    where = repository.root if repository.host == host else f"{repository.root} on {repository.host}"
    return (
        shown(repository.name),
        f"{_GLYPHS.get(status.state, '·')} {status.state}",
        show_count(status.total_files),
        show_size(status.total_bytes),
        when(status.last_scan_time, now),
        when(status.next_reconciliation, now) if status.next_reconciliation else "-",
        shown(where),
    )


def _reasons(statuses: list[tuple[Repository, SyncStatus]]) -> None:
    """Why repositories are in trouble; of what is held the footer tells."""
    for repository, status in statuses:
        if status.state in _TROUBLED:
            print(shown(f"{repository.name} is {status.state}: {status.message}"))


async def _footer(ledger: UnlockedLedger, repositories: list[Repository], holder: Holder | None) -> None:
    if not repositories:
        print("No repository yet. Begin with: treeledger watch DIR")
    print(f"ledger: {shown(ledger.store.url)}")
    if holder is not None:
        since = when(holder.since, datetime.now(UTC))
        print(f"engine: {shown(holder.command)}, pid {holder.pid}, since {since}")
    else:
        print("engine: none is running; treeledger watch starts one")
    holds = await ledger.store.holds(None, statuses=(HoldStatus.OPEN,))
    if holds:
        held = show_number(len(holds), "held deletion waits", "held deletions wait")
        print(f"{held} for your decision: treeledger deletions list")
