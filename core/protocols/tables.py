"""Tables: all that a ledger holds, as plain rows. What a copy of it to another store is made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol, TypeAlias, runtime_checkable

from treeledger.model import Holder
from treeledger.protocols.stores import Store

PlainRow: TypeAlias = tuple[Any, ...]  # of int, str and None


class Table(NamedTuple):
    """A table by its name and columns, of which the first `keys` tell its rows apart."""

    name: str
    columns: tuple[str, ...]
    keys: int

    def key_of(self, row: PlainRow) -> PlainRow:
        return row[: self.keys]


class Tables(Protocol):
    """The rows of one ledger, on a connection of its own. Nothing here is async: it is used in a thread.

    Rows are the same in every store: times are microseconds since 1970, flags 0 or 1, UUIDs text, JSON text
    with sorted keys, and the epoch of this very ledger is "". What belongs to a running engine (leases, its
    lock) is in no row. Every method raises StoreUnavailable.
    """

    def tables(self) -> Sequence[Table]:
        """All there are; whoever is referred to comes before those who refer to it."""

    def hold(self) -> None:
        """From now on everything is read as it is at this moment, whoever writes."""

    def counts(self) -> Mapping[str, int]:
        """How many rows each table has."""

    def counters(self) -> Mapping[str, int]:
        """Where the journal stands, and the last id that each sequence gave."""

    def rows(self, table: Table, after: PlainRow | None, limit: int) -> list[PlainRow]:
        """The next rows in the order of their keys (text by bytes), `limit` at most, [] at the end; `after`
        is a key, None the beginning."""

    def last(self, table: Table) -> PlainRow | None:
        """The greatest key."""

    def mark(self, epoch: str) -> None:
        """Notes that this is half a copy of the ledger with that epoch: nobody else opens it."""

    def load(self, table: Table, rows: Sequence[PlainRow]) -> None:
        """Adds rows, all or none. Raises StoreDataError if one cannot be stored."""

    def set_counters(self, counters: Mapping[str, int]) -> None: ...

    def clear(self) -> None:
        """Removes every row of every table."""

    def finish(self) -> None:
        """Takes the mark away: the copy is a ledger. Jobs that were running are free."""

    def close(self) -> None: ...


@runtime_checkable
class CopyableStore(Store, Protocol):
    """A store that can be copied from and to."""

    async def open(self, *, copy_of: str = "") -> None:
        """As `Store.open`; one that is half a copy opens only to those who name the epoch of its original.

        Raises StoreVersionError to others.
        """

    async def engines(self) -> list[Holder]:
        """Who holds the engine lock of any host."""

    def all_tables(self) -> Tables:
        """Its rows; raises StoreUnavailable. The store is open."""
