"""Readers of a ledger that do not work, for worker processes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NoReturn

from treeledger.errors import StoreUnavailable
from treeledger.protocols import FilePlace


class Away:
    def __init__(self, repository_id: str) -> None:
        pass

    def keys(self, low: str, high: str | None, limit: int) -> NoReturn:
        raise StoreUnavailable("not for workers")

    def known(self, files: Sequence[FilePlace]) -> NoReturn:
        raise StoreUnavailable("not for workers")

    def close(self) -> None: ...
