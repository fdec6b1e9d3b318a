"""What a store promises about the order in which contents are verified."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treeledger.model import FileRecord, HashState, RecordState
from treeledger.protocols import ScrubPlace, Store
from treeledger.testing.examples import examples
from treeledger.testing.store_shelf import Shelf, change, paths_of

START = datetime(2026, 1, 1, tzinfo=UTC)
LATER = START + timedelta(days=365)
GONE = (RecordState.MISSING, RecordState.DELETED, RecordState.IGNORED)
KNOWN = (HashState.DONE, HashState.VERIFY, HashState.CORRUPTED)
days = st.none() | st.integers(0, 3).map(lambda number: START + timedelta(days=number))
times = st.lists(st.tuples(days, days, st.sampled_from(KNOWN)), min_size=1, max_size=12)


async def pages(shelf: Shelf, limit: int = 2, before: datetime = LATER) -> list[FileRecord]:
    """Everything in the order of verification, read page by page."""
    found: list[FileRecord] = []
    after: ScrubPlace | None = None
    while page := await shelf.store.records_to_scrub(shelf.id, after=after, before=before, limit=limit):
        found += page
        after = ScrubPlace.of(page[-1])
    return found


def known(**given: Any) -> dict[str, Any]:
    return {"hash_state": HashState.DONE, "hash_algorithm": "sha256", "content_hash": "00"} | given


@pytest.mark.anyio
class ScrubContract:
    @given(times=times, limit=st.integers(1, 4))
    @examples(30)
    async def test_pages_follow_the_last_verification(
        self, store: Store, times: Sequence[tuple[datetime | None, datetime | None, HashState]], limit: int
    ) -> None:
        shelf = await Shelf.new(store)
        given = [
            known(last_verified=verified, read_at=read, hash_state=state) for verified, read, state in times
        ]
        await shelf.write(*(shelf.new_file(f"{n:02}", **fields) for n, fields in enumerate(given)))
        found = await pages(shelf, limit)
        assert sorted(paths_of(found)) == [f"{n:02}" for n in range(len(times))]
        assert all(ScrubPlace.of(a) < ScrubPlace.of(b) for a, b in pairwise(found))

    async def test_never_verified_first_then_the_oldest_corrupted_ones_by_their_last_reading(
        self, shelf: Shelf
    ) -> None:
        day = timedelta(days=1)
        await shelf.write(
            shelf.new_file("verified late", **known(last_verified=START + 3 * day, read_at=START + 3 * day)),
            shelf.new_file("verified early", **known(last_verified=START + day, read_at=START + day)),
            shelf.new_file("read late", **known(read_at=START + 9 * day)),
            shelf.new_file("read early", **known(read_at=START)),
            shelf.new_file("never read", **known(hash_state=HashState.VERIFY)),
            shelf.new_file("corrupted", **known(hash_state=HashState.CORRUPTED, read_at=START + 2 * day)),
        )
        order = ["never read", "read early", "read late", "verified early", "corrupted", "verified late"]
        assert paths_of(await pages(shelf)) == order
        assert paths_of(await pages(shelf, before=START + 2 * day)) == order[:4]

    async def test_only_present_records_with_a_known_content(self, shelf: Shelf) -> None:
        await shelf.write(
            shelf.new_file("good", **known()),
            shelf.new_file("pending"),
            shelf.new_file("failed", hash_state=HashState.FAILED),
            shelf.new_file("skipped", hash_state=HashState.SKIPPED),
            *(shelf.new_file(state.value, **known()) for state in GONE),
        )
        await shelf.write(*[change(await shelf.at(state.value), state=state) for state in GONE])
        assert paths_of(await pages(shelf)) == ["good"]

    async def test_a_neighbours_records_stay_out(self, shelf: Shelf, store: Store) -> None:
        neighbour = await Shelf.new(store)
        await neighbour.write(neighbour.new_file("theirs", **known()))
        await shelf.write(shelf.new_file("ours", **known()))
        assert paths_of(await pages(shelf)) == ["ours"]
