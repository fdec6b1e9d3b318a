"""The check that every write to a repository begins with."""

from __future__ import annotations

from datetime import datetime

from treeledger.errors import LeaseLost
from treeledger.model import Lease
from treeledger.plugins.sql.values import moment
from treeledger.plugins.sql.work import Work, ask


def hold_lease(lease: Lease) -> Work[datetime]:
    """Locks the repository until the transaction ends and returns the time. Raises LeaseLost."""
    rows = yield from ask("hold_lease", id=str(lease.repository_id), fence=lease.fence, owner=lease.owner)
    if not rows:
        raise lost(lease)
    return moment(rows[0][0])


def lost(lease: Lease) -> LeaseLost:
    return LeaseLost(
        f"{lease.owner} no longer has repository {lease.repository_id}: it was taken over or removed. "
        "Nothing of this step was written; whoever has it now goes on from what is in the ledger."
    )
