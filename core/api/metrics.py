"""GET /metrics, for Prometheus and what reads its text format."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

import anyio.to_thread
from starlette.responses import Response

from treeledger.api.readings import Readings, read
from treeledger.api.routing import Asked, Right, Route
from treeledger.api.service import Service

if TYPE_CHECKING:
    from prometheus_client.core import Metric

    from treeledger.protocols import Collector

log = logging.getLogger(__name__)
CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


async def metrics(service: Service, asked: Asked) -> Response:
    readings = await read(service)
    collectors = service.ledger.plugins.metrics()
    return Response(await anyio.to_thread.run_sync(page, readings, collectors), media_type=CONTENT_TYPE)


def page(readings: Readings, collectors: Sequence[tuple[str, Collector]]) -> bytes:
    """The whole page. A collector of a plugin that fails, or names what is there already, is left out."""
    # Imported when the page is asked for first: it takes 20 times as long as all the rest here.
    from prometheus_client import PROCESS_COLLECTOR

    from treeledger.api.families import families

    own = [*families(readings), *PROCESS_COLLECTOR.collect()]
    taken = {family.name for family in own}
    text = _written(own)
    for plugin, collector in collectors:
        try:
            given = list(collector.collect())
            names = {family.name for family in given}
            if twice := names & taken:
                raise ValueError(f"{', '.join(sorted(twice))}: is the name of another metric")
            text += _written(given)
            taken |= names
        except Exception as error:  # the plugin's own code ran: anything may come out
            log.warning("metrics of the plugin %s are left out: %s: %s", plugin, type(error).__name__, error)
    return text


def _written(collected: Iterable[Metric]) -> bytes:
    from prometheus_client import generate_latest

    return generate_latest(_Collected(collected))


class _Collected:
    """What was collected already, as something to collect from."""

    def __init__(self, metrics: Iterable[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        return self._metrics


METRICS_ROUTES: Final = (
    Route(
        "GET",
        "/metrics",
        "what Prometheus scrapes",
        metrics,
        right=Right.READ,
        media=CONTENT_TYPE,
        tag="health",
    ),
)
