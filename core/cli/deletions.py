"""`treeledger deletions`: what is held, and a person's word on it."""

from __future__ import annotations

import getpass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from treeledger.cli.options import Options
from treeledger.cli.render import print_json, table, when
from treeledger.cli.run import with_ledger, with_unlocked
from treeledger.errors import EngineLocked, UsageError
from treeledger.model import HeldDeletion, HoldStatus, Repository
from treeledger.names import shown
from treeledger.units import show_count
from treeledger.unlocked import UnlockedLedger

if TYPE_CHECKING:
    from treeledger.ledger import Ledger

_PAGE: Final = 1000


def run(options: Options) -> int:
    if options.given.action == "approve":
        return with_ledger(options, _approve)
    actions = {"list": _list, "show": _show, "reject": _reject}
    return with_unlocked(options, actions[options.given.action])


async def _list(ledger: UnlockedLedger, options: Options) -> int:
    statuses = tuple(HoldStatus) if options.given.all else (HoldStatus.OPEN,)
    holds = await ledger.store.holds(None, statuses=statuses)
    names = {repository.id: repository for repository in await ledger.repositories()}
    if options.json:
        for hold in holds:
            print_json(_hold_json(hold, names.get(hold.repository_id)))
        return 0
    if not holds:
        print("nothing is held")
        return 0
    now = datetime.now(UTC)
    rows = [
        (
            str(hold.id),
            when(hold.opened_at, now),
            shown(names[hold.repository_id].name) if hold.repository_id in names else "?",
            hold.status.value,
            hold.reason,
        )
        for hold in holds
    ]
    table(("Id", "Since", "Repository", "Status", "What"), rows)
    return 0


def _hold_json(hold: HeldDeletion, repository: Repository | None) -> dict[str, Any]:
    return {
        "id": hold.id,
        "repository": None if repository is None else repository.name,
        "status": hold.status.value,
        "gone": hold.gone,
        "live": hold.live,
        "reason": hold.reason,
        "opened_at": hold.opened_at,
        "decided_at": hold.decided_at,
        "decided_by": hold.decided_by,
    }


async def _hold(ledger: UnlockedLedger, id: int) -> HeldDeletion:
    for hold in await ledger.store.holds(None, statuses=tuple(HoldStatus)):
        if hold.id == id:
            return hold
    raise UsageError(f"there is no held deletion {id}; see: treeledger deletions list")


async def _show(ledger: UnlockedLedger, options: Options) -> int:
    hold = await _hold(ledger, options.given.id)
    if not options.json and not options.quiet:
        print(f"{shown(hold.reason)} ({hold.status.value})")
    after = 0
    while page := await ledger.store.gone_records(
        hold.repository_id, held_id=hold.id, since=None, limit=_PAGE, after=after
    ):
        after = page[-1].id
        for record in page:
            if options.json:
                print_json({"id": record.id, "path": record.path, "size": record.stat.size})
            else:
                print(shown(record.path))
    return 0


async def _approve(ledger: Ledger, options: Options) -> int:
    hold = await _decide(ledger, options, HoldStatus.APPROVED)
    repository = await ledger.repository(hold.repository_id)
    try:
        removed = await ledger.settle_deletions(repository)
        what = f"{show_count(removed)} records are deleted now; a file that returns is restored"
    except EngineLocked as error:
        what = f"the engine carries it out within seconds ({error})"
    _say(options, hold, f"approved: {what}")
    return 0


async def _reject(ledger: UnlockedLedger, options: Options) -> int:
    hold = await _decide(ledger, options, HoldStatus.REJECTED)
    _say(options, hold, "rejected: the records stay missing; you are asked again only if more files go")
    return 0


async def _decide(ledger: UnlockedLedger, options: Options, status: HoldStatus) -> HeldDeletion:
    hold = await _hold(ledger, options.given.id)
    if hold.status is HoldStatus.CLOSED:
        raise UsageError(f"held deletion {hold.id} is closed: its files came back or are deleted")
    return await ledger.store.set_hold(hold.id, status, by=getpass.getuser())


def _say(options: Options, hold: HeldDeletion, text: str) -> None:
    if options.json:
        print_json({"id": hold.id, "status": hold.status.value})
    elif not options.quiet:
        print(shown(text))
