"""Settings from the environment: `TREELEDGER_` + table + key, below `[defaults]`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any, Final

import msgspec

from treeledger.config.layers import KeyPath, Layer, nested
from treeledger.config.reading import ValueType, read_text, read_value
from treeledger.config.settings import RepositorySettings
from treeledger.errors import ConfigurationError

CONFIG: Final = "TREELEDGER_CONFIG"
STORE: Final = "TREELEDGER_STORE"
STORE_FILE: Final = "TREELEDGER_STORE_FILE"

_PREFIX: Final = "TREELEDGER_"
# Read without the prefix too, as the field knows them.
_UNPREFIXED: Final = frozenset(
    (
        "RECONCILIATION_INTERVAL",
        "RECONCILIATION_BATCH_SIZE",
        "RECONCILIATION_MAX_CONCURRENCY",
        "RECONCILIATION_CALCULATE_HASHES",
        "FILE_WATCHER_DEBOUNCE",
    )
)


def environment_layers(environ: Mapping[str, str]) -> tuple[Layer, ...]:
    """One layer for each variable that is set and not empty. Raises ConfigurationError for a bad one."""
    return tuple(
        Layer(name, nested([(path, value)]))
        for path, annotation in _settings(RepositorySettings)
        for name, value in _found(_variable(path), annotation, environ)
    )


def unread_variables(environ: Mapping[str, str]) -> list[str]:
    """A sentence for each variable that looks like one of ours but is none."""
    known = [CONFIG, STORE, STORE_FILE, *(_variable(path) for path, _ in _settings(RepositorySettings))]
    short = [name.removeprefix(_PREFIX) for name in known]
    sentences = []
    for name in sorted(set(environ).difference(known)):
        if name.startswith(_PREFIX):
            near = get_close_matches(name.removeprefix(_PREFIX), short, n=1, cutoff=0.8)
            sentences += [f"{name} is not read; did you mean {_PREFIX}{word}?" for word in near]
    return sentences


def _variable(path: KeyPath) -> str:
    return _PREFIX + "_".join(path).upper()


def _settings(kind: type[msgspec.Struct], above: KeyPath = ()) -> Iterator[tuple[KeyPath, Any]]:
    for field in msgspec.structs.fields(kind):
        wanted = ValueType.of(field.type)
        path = (*above, field.encode_name)
        if wanted.is_table:
            yield from _settings(wanted.plain, path)
        else:
            yield path, field.type


def _found(variable: str, annotation: Any, environ: Mapping[str, str]) -> Iterator[tuple[str, object]]:
    short = variable.removeprefix(_PREFIX)
    for name in (variable, short) if short in _UNPREFIXED else (variable,):
        text = environ.get(name, "").strip()
        if text:
            try:
                value = read_text(annotation, text)
                read_value(annotation, value)
            except ValueError as error:
                raise ConfigurationError(f"{name} = {text!r}: {error}") from None
            yield name, value
            return
