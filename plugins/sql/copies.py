"""Contents that more than one file has: what of a held deletion is elsewhere, where good copies are.

No index leads from a content to its files (see `has_twin` in records.sql), so these look at every record, in
short transactions, one after another: whoever else reads or writes goes on meanwhile.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from contextlib import aclosing
from typing import Final
from uuid import UUID

from treeledger.model import HeldDeletion
from treeledger.plugins.sql.values import moment, record_from
from treeledger.plugins.sql.work import Part, Row, Work, ask
from treeledger.protocols import HeldFolder, RecordPlace

_ROUND: Final = 100_000  # contents that are looked for at a time, so that memory stays flat
_PAGE: Final = 5_000  # records that one transaction reads

_Wanted = dict[str, tuple[str, ...]]
"""By its hash, the folder of each file that has the content."""


class Copies(Part):
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

    async def copies_of(self, hashes: Collection[str], *, most: int) -> Mapping[str, Sequence[RecordPlace]]:
        ids: dict[str, list[int]] = {hash: [] for hash in hashes}
        if not ids:
            return {}
        async for rows in self._contents_there():
            for id, hash in rows:
                if hash in ids and len(ids[hash]) < most:
                    ids[hash].append(id)
        found = [id for some in ids.values() for id in some]
        places = {id: place for id in found if (place := await self.session.read(_place(id))) is not None}
        return {hash: [places[id] for id in some if id in places] for hash, some in ids.items() if some}

    async def _gather(self, hold: HeldDeletion, after: int, wanted: _Wanted) -> int | None:
        """One round of contents that are held; the id to go on after, None at the end."""
        while len(wanted) < _ROUND:
            rows = await self.session.read(_held(hold, after))
            for _, hash, folder in rows:
                wanted[hash] = (*wanted.get(hash, ()), folder)
            if len(rows) < _PAGE:
                return None
            after = rows[-1][0]
        return after

    async def _strike_out(self, wanted: _Wanted, counts: dict[str, int]) -> None:
        """Counts, and takes out, what a file that is there has as its content."""
        if not wanted:
            return
        async with aclosing(self._contents_there()) as pages:
            async for rows in pages:
                for _, hash in rows:
                    for folder in wanted.pop(hash, ()):
                        counts[folder] = counts.get(folder, 0) + 1
                if not wanted:
                    return

    async def _contents_there(self) -> AsyncGenerator[Sequence[Row], None]:
        """Ids and contents of the files that are there, in every repository under care, page by page."""
        for repository_id in await self.session.read(_under_care()):
            after = 0
            while rows := await self.session.read(_present(repository_id, after)):
                after = rows[-1][0]
                yield rows


def _folders(hold: HeldDeletion) -> Work[list[HeldFolder]]:
    rows = yield from ask("held_folders", repository_id=str(hold.repository_id), held_id=hold.id)
    return [
        HeldFolder(folder, files, int(bytes), bool(folder) and not is_left, moment(first), moment(last))
        for folder, files, bytes, first, last, is_left in rows
    ]


def _held(hold: HeldDeletion, after: int) -> Work[Sequence[Row]]:
    given = {"repository_id": str(hold.repository_id), "held_id": hold.id, "after": after, "limit": _PAGE}
    return (yield from ask("held_contents", **given))


def _under_care() -> Work[list[UUID | str]]:
    return [id for (id,) in (yield from ask("repositories_under_care"))]


def _present(repository_id: UUID | str, after: int) -> Work[Sequence[Row]]:
    given = {"repository_id": str(repository_id), "after": after, "limit": _PAGE}
    return (yield from ask("present_contents", **given))


def _place(id: int) -> Work[RecordPlace | None]:
    """None for one that is gone by now."""
    records = [record_from(row) for row in (yield from ask("record", id=id))]
    return RecordPlace(records[0].repository_id, records[0].path) if records else None
