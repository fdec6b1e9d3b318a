"""Changes to plugins.toml that keep its comments: text in, text out.

`save` checks a text before it replaces the file. Where the file cannot be written, show the user
the text.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping, Sequence
from pathlib import Path
from typing import Any

import tomlkit
from tomlkit.items import AoT, Array, InlineTable

from treeledger.config.configuration import parse
from treeledger.config.files import replace_text
from treeledger.errors import ConfigurationError


def add_repository(text: str, name: str, root: str, values: Mapping[str, Any] | None = None) -> str:
    """Declares a repository; `values` are further keys of its table, tables in it as mappings."""
    document = tomlkit.parse(text)
    table = tomlkit.table()
    for key, value in {"name": name, "root": root, **(values or {})}.items():
        table[key] = _item(value)
    declared = document.get("repositories")
    if isinstance(declared, AoT):
        if len(declared):
            declared[-1].add(tomlkit.nl())
        declared.append(table)
    elif isinstance(declared, Array):
        inline = tomlkit.inline_table()
        inline.update(table.unwrap())
        declared.append(inline)
    else:
        if text.strip():
            document.add(tomlkit.nl())
        tables = tomlkit.aot()
        tables.append(table)
        document["repositories"] = tables
    return tomlkit.dumps(document)


def repository_block(name: str, root: str, values: Mapping[str, Any] | None = None) -> str:
    """The lines that declare a repository, to paste where the file cannot be written."""
    return add_repository("", name, root, values)


def set_repository(text: str, name: str, values: Mapping[str, Any]) -> str:
    """Sets keys of a declared repository (`paused`, `root`, ...); None takes a key away.

    Raises ConfigurationError if the file declares no such repository.
    """
    document = tomlkit.parse(text)
    table = _repository(document, name)
    for key, value in values.items():
        if value is not None:
            table[key] = _item(value)
        elif key in table:
            del table[key]
    return tomlkit.dumps(document)


def remove_repository(text: str, name: str) -> str:
    """Takes a declared repository out of the file. Raises ConfigurationError if it is not there."""
    document = tomlkit.parse(text)
    declared: Any = document.get("repositories")
    declared.remove(_repository(document, name))
    return tomlkit.dumps(document)


def set_patterns(text: str, patterns: Sequence[str], repository: str | None = None) -> str:
    """Sets `ignore.patterns` of a repository, without one those of `[defaults]`.

    Raises ConfigurationError if the file declares no such repository.
    """
    document = tomlkit.parse(text)
    if repository is None:
        ignore = _table_in(_table_in(document, "defaults"), "ignore")
    else:
        above = _repository(document, repository)
        if "ignore" not in above:
            above["ignore"] = tomlkit.inline_table()
        ignore = above["ignore"]
    ignore["patterns"] = list(patterns)
    return tomlkit.dumps(document)


def save(path: Path, text: str, environ: Mapping[str, str]) -> None:
    """Replaces the file, keeping mode and owner. Raises ConfigurationError if the text is no valid
    configuration, OSError if the file cannot be written."""
    parse(text, path, environ)
    replace_text(path, text)


def _repository(document: Mapping[str, Any], name: str) -> MutableMapping[str, Any]:
    for table in document.get("repositories", ()):
        if table.get("name") == name:
            found: MutableMapping[str, Any] = table
            return found
    raise ConfigurationError(f"the configuration file declares no repository {name!r}")


def _table_in(above: MutableMapping[str, Any], key: str) -> MutableMapping[str, Any]:
    if key not in above:
        above[key] = tomlkit.inline_table() if isinstance(above, InlineTable) else tomlkit.table()
    below: MutableMapping[str, Any] = above[key]
    return below


def _item(value: Any) -> Any:
    """A mapping becomes an inline table, so that it cannot swallow the keys that follow."""
    if not isinstance(value, Mapping):
        return value
    table = tomlkit.inline_table()
    table.update({key: _item(part) for key, part in value.items()})
    return table
