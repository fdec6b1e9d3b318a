"""Finds plugins, loads those that are needed, and asks them for their parts.

Plugins enter through entry points of the group `treeledger`, as files in `plugin_dirs`, or as the
`file` of their table in plugins.toml. Nothing is imported before it is asked for. A plugin that
fails is reported by name and the rest runs on, unless the configuration needs it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

import pluggy

from treeledger import hookspecs
from treeledger.config.configuration import Configuration
from treeledger.config.reading import Place, did_you_mean
from treeledger.config.secrets import mask
from treeledger.config.settings import RepositorySettings
from treeledger.doctor import Check
from treeledger.errors import ConfigurationError, PluginError
from treeledger.model import FileRecord, JournalEntry, Repository
from treeledger.plugin_answers import ANYTHING, WrongAnswer, list_of, one_of, references, unique
from treeledger.plugin_files import where
from treeledger.plugin_sources import DASHBOARD, ENGINE, Candidate, candidates, installed_names
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

if TYPE_CHECKING:
    from treeledger.api.routing import Route

_log: Final = logging.getLogger(__name__)
Part = TypeVar("Part")


@dataclass(frozen=True, slots=True)
class PluginStatus:
    """A plugin for `treeledger plugins list`. `hooks` is () while it is not loaded."""

    name: str
    origin: str  # "treeledger 0.1.0", or the file
    hooks: tuple[str, ...]
    enabled: bool
    error: str | None


class PluginManager:
    """The plugins of one configuration."""

    def __init__(self, configuration: Configuration, group: str = ENGINE) -> None:
        """`group` is that of the entry points which installed plugins are loaded from."""
        self._configuration = configuration
        self._group = group
        self._tables = configuration.plugins
        self._plugins = pluggy.PluginManager("treeledger")
        self._plugins.add_hookspecs(hookspecs)
        self._found: dict[str, Candidate] | None = None
        self._errors: dict[str, str] = {}
        self._collectors: list[tuple[str, Collector]] | None = None
        self.store_plugin: str | None = None  # that `store_for` has the store from

    # loading

    def load(self, only: Collection[str] | None = None) -> None:
        """Imports the named plugins, or all, that are not switched off.

        Raises PluginError for one that fails and is needed: it has a table, or the configuration
        names it.
        """
        for candidate in self._candidates().values():
            wanted = only is None or candidate.name in only
            if wanted and self._tables.enabled(candidate.name) and not self._known(candidate.name):
                self._register(candidate)

    def plugins(self) -> list[PluginStatus]:
        """Every plugin that was found, loaded or not, in the order in which they are asked."""
        return [
            PluginStatus(
                name=candidate.name,
                origin=candidate.origin,
                hooks=self._hooks(candidate.name),
                enabled=self._tables.enabled(candidate.name),
                error=self._errors.get(candidate.name),
            )
            for candidate in self._candidates().values()
        ]

    # parts

    def event_sources(self) -> list[EventSource]:
        """The event sources, first those that `source = "auto"` tries first. Raises PluginError."""
        return list(self._named("event_sources", EventSource).values())

    def actions(self) -> list[Action]:
        """The actions that have a table. Raises PluginError."""
        return list(self._named("actions", Action).values())

    def receivers(self) -> dict[str, Receiver]:
        """The receivers of what waits for a person, by name. Raises PluginError."""
        return self._named("attention", Receiver)

    def walkers(self) -> dict[str, PartRef]:
        """Where each walker is built. Raises PluginError."""
        return self._references("walkers")

    def hashers(self) -> dict[str, PartRef]:
        """Where each hasher is built. Raises PluginError."""
        return self._references("hashers")

    def ignore_filters(self, settings: RepositorySettings) -> list[PartRef]:
        """Where the filters of one repository are built. Raises PluginError."""
        answers = self._ask("ignore_filters", list_of(PartRef), tables=self._tables, settings=settings)
        return [part for _, parts in answers for part in parts]

    def store_for(self, options: StoreOptions) -> Store:
        """The store behind a URL, not opened yet; imports the plugin of that name first, else all.

        Raises ConfigurationError if no plugin knows the URL, PluginError if the one that should fails.
        """
        scheme = options.url.partition(":")[0].lower()
        named = {name for name in self._candidates() if scheme.startswith(name) or name.startswith(scheme)}
        for only in (named, None):
            self.load(only)
            answers: list[tuple[str, Store]] = self._ask(
                "stores", one_of(Store), required=named, options=options
            )
            if answers:
                self.store_plugin, store = answers[0]
                return store
            for name in named & self._errors.keys():
                raise PluginError(self._errors[name])
        raise ConfigurationError(
            f"no plugin has a store for {mask(options.url)}; write sqlite:PATH or postgresql://..."
        )

    def explain(self, repository: Repository, path: str, record: FileRecord | None) -> list[str]:
        """What plugins say about one path."""
        answers = self._ask("explain", list_of(str), repository=repository, path=path, record=record)
        return [sentence for _, sentences in answers for sentence in sentences]

    def doctor_checks(self) -> list[Check]:
        """What plugins looked at."""
        answers = self._ask("doctor_checks", list_of(Check), tables=self._tables)
        return [check for _, checks in answers for check in checks]

    def api_routes(self) -> list[Route]:
        """What plugins add to the HTTP API. A route that is not theirs to add is reported and left out."""
        from treeledger.api.plugin_routes import wrong_with
        from treeledger.api.routing import Route

        taken: list[Route] = []
        for plugin, routes in self._ask("api_routes", list_of(Route), tables=self._tables):
            for route in routes:
                if wrong := wrong_with(route, plugin, taken):
                    answer = WrongAnswer(f"api_routes gave {route.method} {route.path}, {wrong}; left out")
                    _log.warning("%s", self._failure(plugin, answer))
                else:
                    taken.append(route)
        return taken

    def metrics(self) -> list[tuple[str, Collector]]:
        """The collectors for `/metrics`, each with its plugin's name; they live as long as this manager."""
        if self._collectors is None:
            answers = self._ask("metrics", list_of(Collector), tables=self._tables)
            self._collectors = [(plugin, one) for plugin, given in answers for one in given]
        return self._collectors

    def panels(self) -> list[Panel[Any]]:
        """What plugins show in the dashboard."""
        answers = self._ask("panels", list_of(Panel), tables=self._tables)
        return [panel for _, given in answers for panel in given]

    @property
    def listens(self) -> bool:
        """Whether any loaded plugin wants to be told what was recorded."""
        return bool(self._plugins.hook.recorded.get_hookimpls())

    def recorded(self, repository: Repository, entries: Sequence[JournalEntry]) -> None:
        """Tells the plugins of a committed batch; called in a worker thread. Never raises."""
        for plugin, call in self._calls("recorded"):
            try:
                call({"repository": repository, "entries": entries})
            except ANYTHING as error:  # best effort: a broken listener must not stop the others
                _log.warning("%s", self._failure(plugin, error))

    def check(self, every: Collection[RepositorySettings]) -> None:
        """Raises ConfigurationError for a part that no plugin has, and for a table that nobody reads.

        Asks every plugin for its parts, so `load` comes first.
        """
        known = {
            "file_watcher.source": {"auto", *(source.name for source in self.event_sources())},
            "walker": set(self.walkers()),
            "reconciliation.hashers": set(self.hashers()),
        }
        for settings in every:
            named = {
                "file_watcher.source": (settings.file_watcher.source,),
                "walker": (settings.walker,),
                "reconciliation.hashers": settings.reconciliation.hashers,
            }
            self.ignore_filters(settings)
            for key, names in named.items():
                for name in names:
                    if name not in known[key]:
                        hint = did_you_mean(name, known[key])
                        raise ConfigurationError(f"{key} = {name!r}: no plugin has it{hint}")
        self.actions()
        from treeledger.api.routing import Route

        self._ask("api_routes", list_of(Route), tables=self._tables)
        self.metrics()
        self.panels()
        self._check_receivers()
        plugins = self._candidates().keys()
        if self._tables.unused(plugins):
            self._tables.check_used(plugins, elsewhere=installed_names(DASHBOARD) - plugins)

    def _check_receivers(self) -> None:
        known = self.receivers()
        for name in self._configuration.attention.notify:
            if name not in known:
                place = Place(self._configuration.label, table="attention")
                raise place.error(
                    f"notify: {name!r} is told nothing by any plugin{did_you_mean(name, known)}"
                )

    # what the above have in common

    def _candidates(self) -> dict[str, Candidate]:
        if self._found is None:
            self._found = candidates(self._configuration, self._group)
        return self._found

    def _known(self, name: str) -> bool:
        return name in self._errors or self._plugins.has_plugin(name)

    def _hooks(self, name: str) -> tuple[str, ...]:
        plugin = self._plugins.get_plugin(name)
        callers = self._plugins.get_hookcallers(plugin) if plugin is not None else None
        return tuple(caller.name for caller in callers or ())

    def _register(self, candidate: Candidate) -> None:
        try:
            self._plugins.register(candidate.load(), candidate.name)
            self._plugins.check_pending()
        except ANYTHING as error:  # the plugin's own code ran: anything may come out
            self._fail(candidate.name, error)

    def _fail(self, name: str, error: Exception | SystemExit, required: Collection[str] = ()) -> None:
        """Puts a plugin out of use; raises if the configuration needs it."""
        self._errors[name] = self._failure(name, error)
        if self._plugins.has_plugin(name):
            self._plugins.unregister(name=name)
        needed = {*required, *self._tables.needed(), *self._configuration.named_parts()}
        needed = needed if self._group == ENGINE else set()  # a dashboard shows what is left
        if name in needed and isinstance(error, ConfigurationError):
            raise error  # it names file, table and key
        if name in needed:
            advice = f"Repair it, or switch it off: enabled = false in [plugins.{name}]"
            raise PluginError(f"{self._errors[name]}. {advice}") from error
        _log.warning("%s", self._errors[name])

    def _failure(self, name: str, error: Exception | SystemExit) -> str:
        candidate = self._candidates()[name]
        text = mask(str(error)) or "no reason given"
        if isinstance(error, (pluggy.PluginValidationError, WrongAnswer)):
            return f"plugin {name!r} ({candidate.origin}): {text}"
        place = where(error)
        text = f"plugin {name!r} ({candidate.origin}): {type(error).__name__}: {text}"
        return f"{text}, {place}" if place else text

    def _calls(self, hook: str) -> Iterator[tuple[str, Callable[[Mapping[str, Any]], Any]]]:
        """Each plugin's part in a hook: `tryfirst` ones, then in registration order, then `trylast` ones."""
        implementations = getattr(self._plugins.hook, hook).get_hookimpls()
        for found in sorted(implementations, key=lambda found: found.trylast - found.tryfirst):
            yield found.plugin_name, partial(_call, found)

    def _ask(
        self, hook: str, check: Callable[[object], Part], *, required: Collection[str] = (), **given: Any
    ) -> list[tuple[str, Part]]:
        """What each plugin answers, checked; one that has nothing to say (None) is left out."""
        answers: list[tuple[str, Part]] = []
        for plugin, call in self._calls(hook):
            try:
                answer = call(given)
                if answer is not None:
                    answers.append((plugin, check(answer)))
            except WrongAnswer as error:
                self._fail(plugin, WrongAnswer(f"{hook} {error}"), required)
            except ANYTHING as error:  # the plugin's own code ran: anything may come out
                self._fail(plugin, error, required)
        return answers

    def _named(self, hook: str, kind: type[Any]) -> dict[str, Any]:
        answers = self._ask(hook, list_of(kind), tables=self._tables)
        return unique(hook, [(plugin, [(part.name, part) for part in parts]) for plugin, parts in answers])

    def _references(self, hook: str) -> dict[str, PartRef]:
        answers = self._ask(hook, references, tables=self._tables)
        return unique(hook, [(plugin, list(parts.items())) for plugin, parts in answers])


def _call(found: pluggy.HookImpl, given: Mapping[str, Any]) -> Any:
    return found.function(*(given[name] for name in found.argnames))
