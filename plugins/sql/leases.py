"""The check that every write to a repository begins with."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from treeledger.errors import LeaseLost
from treeledger.model import Lease
from treeledger.plugins.sql.values import moment
from treeledger.plugins.sql.work import Params, Query, Row, Work, ask_together


def hold_lease(lease: Lease) -> Work[datetime]:
    """Locks the repository until the transaction ends and returns the time. Raises LeaseLost."""
    now, _ = yield from hold_lease_and_ask(lease, {})
    return now


def hold_lease_and_ask(
    lease: Lease, queries: Mapping[str, Params]
) -> Work[tuple[datetime, dict[str, tuple[Row, ...]]]]:
    """As `hold_lease`, and the rows of queries, by name, that are made under that lock. Raises LeaseLost."""
    identity = {"id": str(lease.repository_id), "fence": lease.fence, "owner": lease.owner}
    asked = [Query(name, params) for name, params in queries.items()]
    held, *answers = yield from ask_together(Query("hold_lease", identity), *asked)
    if not held:
        raise lost(lease)
    return moment(held[0][0]), dict(zip(queries, answers, strict=True))


def lost(lease: Lease) -> LeaseLost:
    return LeaseLost(
        f"{lease.owner} no longer has repository {lease.repository_id}: it was taken over or removed. "
        "Nothing of this step was written; whoever has it now goes on from what is in the ledger."
    )
