"""Actions: what is done about changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable
from uuid import UUID

from treeledger.model import (
    Job,
    JournalEntry,
    NewJob,
    Repository,
)


@runtime_checkable
class Action(Protocol):
    """Does something about changes. It reads the journal with a durable cursor and works through jobs.

    `name` is that of its table in plugins.toml, and of its cursor and jobs. An action may also have

    - `repositories: tuple[str, ...]`, the names of those whose changes it is given, from its table's
      key; all, if it is () or there is none;
    - `ordered: bool`, if true its jobs run in the order in which they were planned, and none before
      an earlier one is done or dead; else one that failed is overtaken.
    """

    name: str

    def plan(self, entries: Sequence[JournalEntry], known: Mapping[UUID, Repository]) -> Sequence[NewJob]:
        """The jobs that these entries call for; committed together with the cursor's step.

        Called in the event loop, so quick. `known` are the repositories by id; one that was removed
        may be lacking. If it raises, it is asked again later: nothing is left out.
        """

    async def run(self, job: Job) -> None:
        """Does one job; it may be done again, if the engine dies before that is noted.

        Raises PermanentFailure if trying again is no use, RetryLater to say when, anything else to
        have it tried again later.
        """
