"""SHA-256, as `sha256sum` prints it."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from treeledger.hookspecs import impl
from treeledger.protocols import Digest, PartRef

if TYPE_CHECKING:
    from treeledger.config.tables import PluginTables


class Sha256:
    name = "sha256"

    def new(self) -> Digest:
        return hashlib.sha256(usedforsecurity=False)


@impl
def hashers(tables: PluginTables) -> dict[str, PartRef]:
    return {Sha256.name: PartRef(__name__, "Sha256", {})}
