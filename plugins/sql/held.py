"""What a held deletion is about, by the folders at the top, and what of it has copies elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final
from uuid import UUID

from treeledger.model import HeldDeletion
from treeledger.plugins.sql.values import moment
from treeledger.plugins.sql.work import Part, Row, Work, ask
from treeledger.protocols import HeldFolder

_ROUND: Final = 100_000  # contents that are looked for at a time, so that memory stays flat
_PAGE: Final = 5_000  # records that one short transaction reads

_Wanted = dict[str, tuple[str, ...]]
"""By its hash, the folder of each file that has the content."""


class Held(Part):
    async def held_folders(self, hold: HeldDeletion) -> list[HeldFolder]:
        return await self.session.read(_folders(hold))

    async def held_copies(self, hold: HeldDeletion) -> Mapping[str, int]:
        counts: dict[str, int] = {}
        after: int | None = 0
        while after is not None:
            wanted: _Wanted = {}
            after = await self._gather(hold, after, wanted)
            await self._strike_out(wanted, counts)
        return counts

    async def _gather(self, hold: HeldDeletion, after: int, wanted: _Wanted) -> int | None:
        """One round of contents that are held; the id to go on after, None at the end."""
        while len(wanted) < _ROUND:
            rows = await self.session.read(_contents(hold, after))
            for _, hash, folder in rows:
                wanted[hash] = (*wanted.get(hash, ()), folder)
            if len(rows) < _PAGE:
                return None
            after = rows[-1][0]
        return after

    async def _strike_out(self, wanted: _Wanted, counts: dict[str, int]) -> None:
        """Counts, and takes out, what a file that is there has as its content, in any repository."""
        for repository_id in await self.session.read(_under_care()):
            after = 0
            while wanted and (rows := await self.session.read(_present(repository_id, after))):
                after = rows[-1][0]
                for _, hash in rows:
                    for folder in wanted.pop(hash, ()):
                        counts[folder] = counts.get(folder, 0) + 1


def _folders(hold: HeldDeletion) -> Work[list[HeldFolder]]:
    rows = yield from ask("held_folders", repository_id=str(hold.repository_id), held_id=hold.id)
    return [
        HeldFolder(folder, files, int(bytes), bool(folder) and not is_left, moment(first), moment(last))
        for folder, files, bytes, first, last, is_left in rows
    ]


def _contents(hold: HeldDeletion, after: int) -> Work[Sequence[Row]]:
    repository_id = str(hold.repository_id)
    return (
        yield from ask(
            "held_contents", repository_id=repository_id, held_id=hold.id, after=after, limit=_PAGE
        )
    )


def _under_care() -> Work[list[UUID | str]]:
    return [id for (id,) in (yield from ask("repositories_under_care"))]


def _present(repository_id: UUID | str, after: int) -> Work[Sequence[Row]]:
    return (yield from ask("present_contents", repository_id=str(repository_id), after=after, limit=_PAGE))
