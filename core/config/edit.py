"""Changes to plugins.toml that keep its comments: text in, text out.

`edit_file` checks a text before it replaces the file. Where the file cannot be written, show the user
what to paste.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any, Final

import tomlkit
from tomlkit.items import Array, InlineTable, Table

from treeledger.config.configuration import Configuration, parse
from treeledger.config.discovery import is_trusted, trust
from treeledger.config.files import read_safely, replace_text
from treeledger.errors import ConfigurationError, Unwritable

_LONGEST_LINE: Final = 80  # characters of a list that is written in one line
_TEXT_OR_COMMENT: Final = re.compile(
    r'"""(?:\\.|[^\\])*?"{3,5}|\'\'\'.*?\'{3,5}|"(?:\\.|[^"\\])*"|\'[^\']*\'|#[^\n]*', re.DOTALL
)
_UNIX_END: Final = re.compile(r"(?<!\r)\n")


def set_patterns(text: str, patterns: Sequence[str], repository: str | None = None) -> str:
    """Sets `ignore.patterns` of a repository, without one those of `[defaults]`.

    Raises ConfigurationError if the file declares no such repository, or is written in a way in which that
    cannot be done.
    """
    document = tomlkit.parse(text)
    if repository is None:
        ignore = _table_in(_table_in(document, "defaults"), "ignore")
    else:
        above = _repository(document, repository)
        if "ignore" not in above:
            above["ignore"] = tomlkit.inline_table()
        ignore = above["ignore"]
    kept = _with_items(ignore.get("patterns"), patterns)
    ignore["patterns"] = list(patterns) if kept is None else kept
    written: Array = ignore["patterns"]
    if len(written.as_string()) > _LONGEST_LINE and "\n" not in written.as_string():
        written.multiline(True)
    edited = tomlkit.dumps(document)
    if not _has_patterns(text, edited, patterns, repository):
        whose = "[defaults]" if repository is None else f"the repository {repository}"
        raise ConfigurationError(
            f"the patterns of {whose} are written in a way in which they cannot be changed from here; write "
            f"them by hand: patterns = {json.dumps(list(patterns), ensure_ascii=False)}"
        )
    return edited


def _has_patterns(before: str, after: str, patterns: Sequence[str], repository: str | None) -> bool:
    """Whether those patterns, and nothing else, are what differs."""
    try:
        was, now = (tomllib.loads(text) for text in (before, after))
    except tomllib.TOMLDecodeError:
        return False
    above = was.setdefault("defaults", {}) if repository is None else _repository(was, repository)
    above.setdefault("ignore", {})["patterns"] = list(patterns)
    return was == now


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
    edited = _without_empty(document, "plugins")
    if not _is_switched(text, edited, name, on):
        what = "take enabled = false out of it" if on else "write enabled = false into it"
        raise ConfigurationError(
            f"[plugins.{name}] is written in a way in which it cannot be changed from here; {what} by hand"
        )
    return edited


def _without_empty(document: tomlkit.TOMLDocument, key: str) -> str:
    """The text without a table that says nothing, not even in a comment."""
    table = document.get(key)
    if not isinstance(table, Table) or table or "#" in table.as_string():
        return tomlkit.dumps(document)
    del document[key]
    text = tomlkit.dumps(document).rstrip("\n")
    return f"{text}\n" if text else ""


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

    `change` is given the text of a configuration that is right, as far as can be told without its plugins.

    Raises ConfigurationError, having changed nothing, if the text is no valid configuration, before or
    after, others can write the file, or somebody else wrote it meanwhile; Unwritable with `paste`, which a
    person may put there instead, if this program cannot. If only the trust cannot be kept, it is written, and
    ConfigurationError says so.
    """
    before = _text(path)
    parse(before, path, environ)
    after = _ended_alike(before, change(before))
    configuration = parse(after, path, environ)
    if _text(path) != before:
        raise ConfigurationError(
            f"{path} was changed by somebody else just now. Nothing was written. Look again, then try again"
        )
    was_trusted = is_trusted(path)
    try:
        replace_text(path, after)
    except OSError as error:
        why = f"{path} cannot be written ({error.strerror or error}); paste this into it:"
        raise Unwritable(f"{why}\n{paste}") from None
    if was_trusted:
        _trust_again(path)
    return configuration


def _trust_again(path: Path) -> None:
    try:
        trust(path)
    except OSError as error:
        raise ConfigurationError(
            f"{path} was written, but that it is trusted cannot be kept ({error.strerror or error}); until "
            "you say so again it is not read in its folder: treeledger config trust"
        ) from None


def _ended_alike(before: str, after: str) -> str:
    """The text with lines that end as those of the text before, if they all ended as on Windows."""
    if _UNIX_END.search(before) or "\r\n" not in before:
        return after
    return _UNIX_END.sub("\r\n", after)


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


def _with_items(array: object, wanted: Sequence[str]) -> Array | None:
    """The list with these texts; those that stay keep their lines, and the comments beside them.

    None where there is nothing to keep, or it is written in a shape that cannot be edited so, as with commas
    before the entries.
    """
    if not isinstance(array, Array) or (not array and "#" not in array.as_string()):
        return None
    written = array.as_string()
    tried = (_edited(text, wanted) for text in (written, _with_last_comma(written)))
    return next((one for one in tried if one is not None), None)


def _edited(array: str, wanted: Sequence[str]) -> Array | None:
    kept: Any = tomlkit.parse(f"list = {array}")["list"]
    steps = SequenceMatcher(None, [str(one) for one in kept], wanted, autojunk=False).get_opcodes()
    for kind, low, high, first, last in reversed(steps):
        if kind != "equal":
            for place in reversed(range(low, high)):
                del kept[place]
            for one in reversed(wanted[first:last]):
                kept.insert(low, one)
    try:
        is_right = tomllib.loads(f"list = {kept.as_string()}")["list"] == list(wanted)
    except tomllib.TOMLDecodeError:
        return None
    return kept if is_right else None


def _with_last_comma(array: str) -> str:
    """A list of texts over several lines with a comma after the last one: without it tomlkit puts what is
    added behind a comment that follows, with a comma that belongs to the comment."""
    *_, end = [0, *(one.end() for one in _TEXT_OR_COMMENT.finditer(array) if one[0][0] != "#")]
    rest = _TEXT_OR_COMMENT.sub("", array[end:])
    return array if not end or "\n" not in array or "," in rest else f"{array[:end]},{array[end:]}"
