"""All routes of an engine: the built-in ones, those of plugins, and the document about them."""

from __future__ import annotations

from collections.abc import Sequence

from treeledger.api.health import HEALTH_ROUTES
from treeledger.api.metrics import METRICS_ROUTES
from treeledger.api.openapi import openapi_route
from treeledger.api.routes import ROUTES
from treeledger.api.routes_events import EVENT_ROUTES
from treeledger.api.routes_work import WORK_ROUTES
from treeledger.api.routing import Route
from treeledger.daemon.log_routes import LOG_ROUTES
from treeledger.plugin_manager import PluginManager


def built_in() -> list[Route]:
    return [*HEALTH_ROUTES, *METRICS_ROUTES, *ROUTES, *EVENT_ROUTES, *WORK_ROUTES, *LOG_ROUTES]


def all_routes(plugins: PluginManager) -> Sequence[Route]:
    routes = [*built_in(), *plugins.api_routes()]
    return [*routes, openapi_route(routes)]
