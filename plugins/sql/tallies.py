"""How much is left to do, and how much is wrong."""

from __future__ import annotations

from treeledger.model import Cursor, HashState, ProblemCode
from treeledger.plugins.sql.values import uuid_from
from treeledger.plugins.sql.work import Part, Query, Work, ask_together
from treeledger.protocols import MOST_COUNTED, Tally


class Tallies(Part):
    async def tally(self) -> Tally:
        return await self.session.read(_tally())


def _tally() -> Work[Tally]:
    unread, dirty, problems, cursors = yield from ask_together(
        Query("tally_unread", {"most": MOST_COUNTED}),
        Query("tally_dirty", {}),
        Query("tally_problems", {}),
        Query("tally_cursors", {}),
    )
    return Tally(
        unread={(uuid_from(id), HashState(state)): count for id, state, count in unread if count},
        dirty={uuid_from(id): count for id, count in dirty},
        problems={(uuid_from(id), ProblemCode(code)): count for id, code, count in problems},
        cursors={action: Cursor(epoch, n) for action, epoch, n in cursors},
    )
