"""The walker `gentle`: the built-in one, with a rest before each folder, for a disk that others need too."""

import time

from treeledger import impl
from treeledger.plugins.walker import LocalTree
from treeledger.protocols import PartRef


class GentleTree(LocalTree):
    def __init__(self, root, devices, *, rest=0.005, **options):
        super().__init__(root, devices, **options)
        self.rest = rest

    def list(self, path):
        time.sleep(self.rest)
        return super().list(path)


@impl
def walkers(tables):
    return {"gentle": PartRef(__file__, "GentleTree", {"rest": 0.01})}
