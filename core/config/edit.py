"""Changes to plugins.toml that keep its comments: text in, text out.

`edit_file` checks a text before it replaces the file. Where the file cannot be written, show the user
what to paste.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any, Final

import tomlkit
from tomlkit.items import AoT, Array, InlineTable

from treeledger.config.configuration import Configuration, parse
from treeledger.config.discovery import is_trusted, trust
from treeledger.config.files import read_safely, replace_text
from treeledger.errors import ConfigurationError, Unwritable

_LONGEST_LINE: Final = 80  # characters of a list that is written in one line


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
    if not _set_items(ignore.get("patterns"), patterns):
        ignore["patterns"] = list(patterns)
    written: Array = ignore["patterns"]
    if len(written.as_string()) > _LONGEST_LINE and "\n" not in written.as_string():
        written.multiline(True)
    return tomlkit.dumps(document)


def switch_plugin(text: str, name: str, *, on: bool) -> str:
    """Switches a plugin on or off. One that had no table when it was switched off has none again after.

    Raises ConfigurationError for a file that is written in a way in which that cannot be done.
    """
    document = tomlkit.parse(text)
    tables: Any = document.get("plugins")
    table = None if tables is None else tables.get(name)
    if not on and table is not None:
        table["enabled"] = False
    elif not on:
        switched = tomlkit.inline_table()
        switched["enabled"] = False
        _table_in(document, "plugins")[name] = switched
    elif table is not None and "enabled" in table:
        if isinstance(table, InlineTable) and len(table) == 1:
            del tables[name]
        else:
            table["enabled"] = True
    edited = tomlkit.dumps(document)
    if not _is_switched(text, edited, name, on):
        what = "take enabled = false out of it" if on else "write enabled = false into it"
        raise ConfigurationError(
            f"[plugins.{name}] is written in a way in which it cannot be changed from here; {what} by hand"
        )
    return edited


def _is_switched(before: str, after: str, name: str, on: bool) -> bool:
    """Whether that, and nothing else, is what differs."""
    try:
        was, now = (tomllib.loads(text) for text in (before, after))
    except tomllib.TOMLDecodeError:
        return False
    old, new = (document.pop("plugins", {}) for document in (was, now))
    table, switched = dict(old.pop(name, {})), dict(new.pop(name, {}))
    table.pop("enabled", None)
    return (was, old) == (now, new) and switched.pop("enabled", True) is on and switched == table


def edit_file(
    path: Path, change: Callable[[str], str], environ: Mapping[str, str], paste: str = ""
) -> Configuration:
    """Changes the text of the file, which then says what is returned; one that was trusted still is.

    Raises ConfigurationError, having changed nothing, if the new text is no valid configuration, others can
    write the file, or somebody else wrote it meanwhile; Unwritable with `paste`, which a person may put
    there instead, if this program cannot.
    """
    before = _text(path)
    after = change(before)
    configuration = parse(after, path, environ)
    if _text(path) != before:
        raise ConfigurationError(
            f"{path} was changed by somebody else just now. Nothing was written. Look again, then try again"
        )
    was_trusted = is_trusted(path)
    try:
        replace_text(path, after)
        if was_trusted:
            trust(path)
    except OSError as error:
        why = f"{path} cannot be written ({error.strerror or error}); paste this into it:"
        raise Unwritable(f"{why}\n{paste}") from None
    return configuration


def _text(path: Path) -> str:
    try:
        return read_safely(path).decode()
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{path}: is not UTF-8 text (byte {error.start + 1})") from None


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


def _set_items(array: object, wanted: Sequence[str]) -> bool:
    """Has a list hold these texts; those that stay keep their lines, and the comments beside them.

    False where there is nothing to keep, or it is written in a shape that cannot be edited so, as with commas
    before the entries.
    """
    if not isinstance(array, Array) or (not array and "#" not in array.as_string()):
        return False
    steps = SequenceMatcher(None, [str(one) for one in array], wanted, autojunk=False).get_opcodes()
    for kind, low, high, first, last in reversed(steps):
        if kind != "equal":
            for place in reversed(range(low, high)):
                del array[place]
            for one in reversed(wanted[first:last]):
                array.insert(low, one)
    try:
        return bool(tomllib.loads(f"list = {array.as_string()}")["list"] == list(wanted))
    except tomllib.TOMLDecodeError:
        return False


def _item(value: Any) -> Any:
    """A mapping becomes an inline table, so that it cannot swallow the keys that follow."""
    if not isinstance(value, Mapping):
        return value
    table = tomlkit.inline_table()
    table.update({key: _item(part) for key, part in value.items()})
    return table
