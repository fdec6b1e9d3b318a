"""The resources of the API over one ledger, a module for each, and all their routes."""

from __future__ import annotations

from typing import Final

from treeledger.api.routes import (
    corrupted,
    deletions,
    duplicates,
    files,
    history,
    ignore,
    overview,
    queue,
    repositories,
    setup,
    sync,
)
from treeledger.api.routing import Route

ROUTES: Final[tuple[Route, ...]] = (
    *overview.ROUTES,
    *repositories.ROUTES,
    *sync.ROUTES,
    *files.ROUTES,
    *duplicates.ROUTES,
    *deletions.ROUTES,
    *queue.ROUTES,
    *history.ROUTES,
    *corrupted.ROUTES,
    *ignore.ROUTES,
    *setup.ROUTES,
)
