"""The shared store: `postgresql://...`, one ledger for many machines."""

from __future__ import annotations

from treeledger.hookspecs import impl
from treeledger.protocols import Store, StoreOptions


@impl
def stores(options: StoreOptions) -> Store | None:
    """The ledger in a PostgreSQL database; None for a URL that is another store's."""
    if not options.url.startswith(("postgresql://", "postgres://")):
        return None
    from treeledger.plugins.postgres.store import PostgresStore

    return PostgresStore(options)
