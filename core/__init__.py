"""treeledger keeps a database ledger of your files true."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from treeledger.hookspecs import impl as impl
    from treeledger.ledger import Ledger as Ledger
    from treeledger.unlocked import SyncStatus as SyncStatus

__version__: Final = "0.1.0"
__all__ = ["Ledger", "SyncStatus", "__version__", "impl"]

_HOMES: Final = {
    "Ledger": "treeledger.ledger",
    "SyncStatus": "treeledger.unlocked",
    "impl": "treeledger.hookspecs",
}


def __getattr__(name: str) -> Any:
    """Imports the public names when they are first used: `treeledger --version` needs none of them."""
    if name not in _HOMES:
        raise AttributeError(f"module 'treeledger' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
