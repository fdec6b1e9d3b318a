"""Two writers of one repository: the one that was refused says so, and names the other."""

from __future__ import annotations

from treeledger.model import Lease, Problem, ProblemCode
from treeledger.protocols import Store


async def report_rival(store: Store, lease: Lease) -> None:
    """Notes who has the repository instead of the owner of a lost lease, if anybody else does.

    The owner lives, for it is the caller: so this was no takeover from one that died. A full scan that
    begins after the last such refusal and completes ends the problem: its engine had the repository alone.
    """
    for repository in await store.repositories():
        if repository.id == lease.repository_id and repository.owner not in (None, lease.owner):
            message = (
                f"two engines write it: {lease.owner} was refused, because {repository.owner} has taken it."
                " Nothing was overwritten. Stop one of them, or give each its own host name in plugins.toml"
            )
            await store.report_problems(repository.id, [Problem("", ProblemCode.TWO_WRITERS, message)])
