"""What every store promises. A plugin's author inherits the suite and says how to build a store:

    class TestMyStore(StoreContract):
        @pytest.fixture
        def build(self, tmp_path: Path) -> Callable[[], Store]:
            return lambda: MyStore(tmp_path / "ledger")

Each call gives another store, not opened yet, on the same ledger, which is empty when a test begins.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack

import pytest

from treeledger.protocols import Store
from treeledger.testing.store_add import AddContract
from treeledger.testing.store_apply import ApplyContract
from treeledger.testing.store_care import CareContract
from treeledger.testing.store_deletions import DeletionsContract
from treeledger.testing.store_finding import FindingContract
from treeledger.testing.store_jobs import JobsContract
from treeledger.testing.store_journal import JournalContract
from treeledger.testing.store_law import LawContract
from treeledger.testing.store_life import LifeContract
from treeledger.testing.store_marks import MarksContract
from treeledger.testing.store_moving import MovingContract
from treeledger.testing.store_reader import ReaderContract
from treeledger.testing.store_records import RecordsContract
from treeledger.testing.store_schedules import SchedulesContract
from treeledger.testing.store_scrub import ScrubContract
from treeledger.testing.store_shelf import Shelf
from treeledger.testing.store_tables import TablesContract
from treeledger.testing.store_tallies import TalliesContract
from treeledger.testing.store_waiting import WaitingContract


class StoreContract(
    LifeContract,
    CareContract,
    ApplyContract,
    AddContract,
    LawContract,
    MovingContract,
    RecordsContract,
    FindingContract,
    ReaderContract,
    ScrubContract,
    DeletionsContract,
    JournalContract,
    MarksContract,
    SchedulesContract,
    JobsContract,
    WaitingContract,
    TalliesContract,
    TablesContract,
):
    """Everything that `treeledger.protocols.Store` says, concern by concern."""

    @pytest.fixture
    def build(self) -> Callable[[], Store]:
        raise NotImplementedError("a subclass says how to build a store")

    @pytest.fixture
    def build_new(self, build: Callable[[], Store]) -> Callable[[], Store]:
        """As `build`, of a ledger that nobody has opened: for suites whose `build` gives one that was."""
        return build

    @pytest.fixture
    async def store(self, build: Callable[[], Store]) -> AsyncIterator[Store]:
        """An open store on an empty ledger."""
        async with AsyncExitStack() as stack:
            yield await _opened(build, stack)

    @pytest.fixture
    async def other(self, store: Store, build: Callable[[], Store]) -> AsyncIterator[Store]:
        """Another open store on the same ledger, as another process has it."""
        async with AsyncExitStack() as stack:
            yield await _opened(build, stack)

    @pytest.fixture
    async def shelf(self, store: Store) -> Shelf:
        """A repository without records, with its lease."""
        return await Shelf.new(store)


async def _opened(build: Callable[[], Store], stack: AsyncExitStack) -> Store:
    store = build()
    await store.open()
    stack.push_async_callback(store.aclose)
    return store
