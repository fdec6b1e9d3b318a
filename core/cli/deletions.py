"""`treeledger deletions`: what is held, and a person's word on it."""

from __future__ import annotations

import getpass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from treeledger import wire
from treeledger.answers import HeldFile
from treeledger.cli.options import Options
from treeledger.cli.places import say
from treeledger.cli.render import print_json, table, when
from treeledger.cli.run import names_of, with_ledger, with_unlocked
from treeledger.errors import EngineAway, EngineLocked
from treeledger.holds import decide, held_deletion
from treeledger.model import HeldDeletion, HoldStatus
from treeledger.names import shown
from treeledger.units import show_number
from treeledger.unlocked import UnlockedLedger
from treeledger.working import worker_for

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
    names = await names_of(ledger)
    if options.json:
        for hold in holds:
            name = wire.name_of(hold.repository_id, names)
            print_json(wire.HeldDeletion.of(hold, name).fields())
        return 0
    if not holds:
        say(options, "no held deletions")
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


async def _show(ledger: UnlockedLedger, options: Options) -> int:
    hold = await held_deletion(ledger.store, options.given.id)
    if not options.json and not options.quiet:
        print(f"{shown(hold.reason)} ({hold.status.value})")
    after = 0
    while page := await ledger.store.gone_records(
        hold.repository_id, held_id=hold.id, since=None, limit=_PAGE, after=after
    ):
        after = page[-1].id
        for record in page:
            if options.json:
                print_json(HeldFile.of(record).fields())
            else:
                print(shown(record.path))
    return 0


async def _approve(ledger: Ledger, options: Options) -> int:
    async with worker_for(ledger) as worker:  # asked first, an engine does not get ahead of us
        hold = await decide(ledger.store, options.given.id, HoldStatus.APPROVED, by=getpass.getuser())
        try:
            removed = await worker.settle_deletions(await ledger.repository(hold.repository_id))
        except (EngineLocked, EngineAway) as error:
            what = f"the engine carries it out within seconds ({error})"
        else:
            records = show_number(removed, "record is", "records are")
            what = f"{records} deleted now; a file that returns is restored"
    _say(options, hold, f"approved: {what}")
    return 0


async def _reject(ledger: UnlockedLedger, options: Options) -> int:
    hold = await decide(ledger.store, options.given.id, HoldStatus.REJECTED, by=getpass.getuser())
    _say(options, hold, "rejected: the records stay missing; you are asked again only if more files go")
    return 0


def _say(options: Options, hold: HeldDeletion, text: str) -> None:
    if options.json:
        print_json({"id": hold.id, "status": hold.status.value})
    elif not options.quiet:
        print(shown(text))
