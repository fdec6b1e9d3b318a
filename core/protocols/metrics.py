"""Metrics of plugins, beside those of the program."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from prometheus_client.core import Metric


@runtime_checkable
class Collector(Protocol):
    """As `prometheus_client` has it: a `Counter(..., registry=None)` is one, so is a class of yours.

    By custom names begin with `treeledger_`, units are base units, and labels have few values.
    """

    def collect(self) -> Iterable[Metric]:
        """The metrics as they are now. Called in a worker thread at every scrape; must not take long."""
