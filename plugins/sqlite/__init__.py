"""The embedded store: `sqlite:PATH`."""

from __future__ import annotations

from treeledger.hookspecs import impl
from treeledger.plugins.sqlite.place import path_of
from treeledger.protocols import Store, StoreOptions


@impl
def stores(options: StoreOptions) -> Store | None:
    """The ledger in one SQLite file; None for a URL that is another store's."""
    path = path_of(options.url)
    if path is None:
        return None
    from treeledger.plugins.sqlite.store import SqliteStore

    return SqliteStore(path, may_migrate=options.options.get("auto_migrate") is not False)
