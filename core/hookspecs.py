"""The hooks of treeledger, in the order of the pipeline.

pluggy runs when the program is put together, never per file: each hook returns objects that
implement a protocol of `treeledger.protocols`. A plugin is any module with functions marked `impl`
and named as below; `docs/plugins.md` shows one for every hook.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    from treeledger.api.routing import Route
    from treeledger.config.settings import RepositorySettings
    from treeledger.config.tables import PluginTables
    from treeledger.doctor import Check
    from treeledger.model import FileRecord, JournalEntry, Repository
    from treeledger.protocols import (
        Action,
        Collector,
        EventSource,
        Panel,
        PartRef,
        Receiver,
        Store,
        StoreOptions,
    )

spec = pluggy.HookspecMarker("treeledger")
impl = pluggy.HookimplMarker("treeledger")


@spec
def event_sources(tables: PluginTables) -> Sequence[EventSource]:  # type: ignore[empty-body]
    """Sources of observations. `source = "auto"` takes the first that suits; `trylast` ones come last."""


@spec
def walkers(tables: PluginTables) -> Mapping[str, PartRef]:  # type: ignore[empty-body]
    """Builders of trees by name: each `(root, devices, **options) -> Tree`, called inside the worker."""


@spec
def ignore_filters(tables: PluginTables, settings: RepositorySettings) -> Sequence[PartRef]:  # type: ignore[empty-body]
    """Filters for one repository: each `(**options) -> IgnoreFilter`; what one ignores is ignored."""


@spec
def hashers(tables: PluginTables) -> Mapping[str, PartRef]:  # type: ignore[empty-body]
    """Hash functions by name: each `(**options) -> Hasher`, built inside the worker that reads."""


@spec(firstresult=True)
def stores(options: StoreOptions) -> Store | None:
    """The store behind a URL, not opened yet; None for a URL that is another plugin's."""


@spec
def actions(tables: PluginTables) -> Sequence[Action]:  # type: ignore[empty-body]
    """Actions to run: one for each table of plugins.toml that is the plugin's own or names it in `use`."""


@spec
def recorded(repository: Repository, entries: Sequence[JournalEntry]) -> None:
    """Called in a worker thread after each committed batch. Best effort: nothing waits for it, or retries."""


@spec
def attention(tables: PluginTables) -> Sequence[Receiver]:  # type: ignore[empty-body]
    """Receivers of what waits for a person, for those tables that `notify` of `[attention]` may name."""


@spec
def explain(repository: Repository, path: str, record: FileRecord | None) -> Sequence[str]:  # type: ignore[empty-body]
    """Sentences about one path for `treeledger explain`."""


@spec
def doctor_checks(tables: PluginTables) -> Sequence[Check]:  # type: ignore[empty-body]
    """Checks for `treeledger doctor`: what was looked at, whether it is well, and what to do if not."""


@spec
def api_routes(tables: PluginTables) -> Sequence[Route]:  # type: ignore[empty-body]
    """Routes of the HTTP API below /api/plugins/NAME/; the handlers run in the engine's event loop."""


@spec
def metrics(tables: PluginTables) -> Sequence[Collector]:  # type: ignore[empty-body]
    """Collectors for `/metrics`, asked for once; each is asked for its numbers at every scrape."""


@spec
def panels(tables: PluginTables) -> Sequence[Panel[Any]]:  # type: ignore[empty-body]
    """Panels of the dashboard. Of installed plugins it is asked of those in the group `treeledger.tui`."""
