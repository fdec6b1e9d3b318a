"""The store `scratch:`, for a try: a ledger that is gone when the command ends."""

import tempfile
from pathlib import Path

from treeledger import impl
from treeledger.plugins.sqlite.store import SqliteStore


class ScratchStore(SqliteStore):
    def __init__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="treeledger-")
        super().__init__(Path(self.folder.name) / "ledger.db")
        self.url = "scratch:"

    async def aclose(self):
        await super().aclose()
        self.folder.cleanup()


@impl
def stores(options):
    return ScratchStore() if options.url.startswith("scratch:") else None
