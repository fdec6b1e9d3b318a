"""A panel of the dashboard: the files that came last."""

from treeledger import impl
from treeledger.cells import elided
from treeledger.names import shown
from treeledger.protocols import Panel, Piece


class Newest(Panel):
    name = "newest"
    title = "The newest files"

    async def read(self, client):
        journal = await client.journal(limit=100)
        return [change.path for change in reversed(journal.items) if change.kind == "added"]

    def draw(self, data, width, height, now):
        paths = data or ["no file came lately"]
        return [(Piece(elided(shown(path), width)),) for path in paths[:height]]


@impl
def panels(tables):
    return [Newest()]
