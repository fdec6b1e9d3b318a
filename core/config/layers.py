"""Settings in layers: what a later layer says wins, and each value knows where it comes from.

From below: the defaults of `treeledger.config.settings`, `[defaults]` of plugins.toml, the
environment, the repository's own table. One profile counts, the topmost that is named, and it lies
right below the layer that names it, so what is written out beside it wins.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import msgspec

from treeledger.config.settings import RepositorySettings

KeyPath = tuple[str, ...]

PROFILES: Final[Mapping[str, Mapping[str, Any]]] = {
    "small": {"reconciliation": {"interval": "12h", "batch_size": 200, "max_concurrency": 8}},
    "large": {"reconciliation": {"interval": "48h", "batch_size": 50, "max_concurrency": 2}},
    "high-change": {"file_watcher": {"debounce": "1s"}},
}
_SCHEDULED: Final = ("reconciliation", "scrub")  # tables with a `schedule`, over which an `interval` wins
_ADDED: Final = (("ignore", "patterns"), ("ignore", "presets"))


@dataclass(frozen=True, slots=True)
class Layer:
    """Plain values as they were written, and where. With `adds`, ignore rules join those below."""

    origin: str
    values: Mapping[str, Any]
    adds: bool = False


class Origin(NamedTuple):
    """A value and the layer that set it."""

    value: Any
    origin: str


def leaves(values: Mapping[str, Any], above: KeyPath = ()) -> Iterator[tuple[KeyPath, Any]]:
    """Every value of nested tables with its path."""
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from leaves(value, (*above, key))
        else:
            yield (*above, key), value


def nested(values: Iterable[tuple[KeyPath, Any]]) -> dict[str, Any]:
    """The tables that `leaves` took apart."""
    result: dict[str, Any] = {}
    for path, value in values:
        table = result
        for key in path[:-1]:
            table = table.setdefault(key, {})
        table[path[-1]] = value
    return result


def merge(layers: Sequence[Layer]) -> dict[KeyPath, Origin]:
    """What holds, by path; every setting is there, at least with its default."""
    result = {path: Origin(value, "default") for path, value in _defaults(RepositorySettings())}
    for layer in _with_profile(layers):
        flat = dict(leaves(layer.values))
        for table in _SCHEDULED:
            if (table, "schedule") in flat and (table, "interval") not in flat:
                result[table, "interval"] = Origin(None, layer.origin)  # one from below would win over it
        for path, value in flat.items():
            below = result.get(path)
            if layer.adds and path in _ADDED and below and below.value:
                origin = f"{below.origin}, {layer.origin}"
                result[path] = Origin([*below.value, *value], origin)
            else:
                result[path] = Origin(value, layer.origin)
    return result


def _with_profile(layers: Sequence[Layer]) -> list[Layer]:
    for index in reversed(range(len(layers))):
        name = layers[index].values.get("profile")
        if name is not None:
            profile = [Layer(f"profile {name}", PROFILES[name])] if name in PROFILES else []
            return [*layers[:index], *profile, *layers[index:]]
    return list(layers)


def _defaults(section: msgspec.Struct, above: KeyPath = ()) -> Iterator[tuple[KeyPath, Any]]:
    for name in section.__struct_fields__:
        value = getattr(section, name)
        if isinstance(value, msgspec.Struct):
            yield from _defaults(value, (*above, name))
        else:
            yield (*above, name), value
