"""SQL in files: each query named and commented, written once for both dialects.

    -- name: operations
    -- Newest first.
    SELECT {operation} FROM sync_operations
    WHERE id > 0
      AND repository_id = :repository_id  -- if repository_id
    ORDER BY id DESC LIMIT :limit

`:name` is a parameter, `{name}` a fragment (`-- fragment: name`), and a line that ends in `-- if x`
or `-- unless x` is there only where the parameter x is given: not None, False or empty. A dialect
adds queries and fragments of its own and translates the finished text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any, Final, NamedTuple

_HEADER: Final = re.compile(r"^-- (name|fragment): (\w+)\n", re.MULTILINE)
_CONDITION: Final = re.compile(r"\s+-- (if|unless) (\w+)$")
_FRAGMENT: Final = re.compile(r"\{(\w+)\}")


class _Line(NamedTuple):
    text: str
    condition: str | None  # the parameter that decides
    wanted: bool  # whether it must be given


class Template:
    """One query: its lines, and the finished SQL for every set of parameters that was asked for."""

    def __init__(self, lines: Sequence[_Line], translate: Callable[[str], str]) -> None:
        self._lines = lines
        self._conditions = sorted({line.condition for line in lines if line.condition})
        self._translate = translate
        self._finished: dict[tuple[bool, ...], str] = {}

    def sql(self, params: Mapping[str, Any]) -> str:
        given = tuple(_is_given(params.get(name)) for name in self._conditions)
        if given not in self._finished:
            self._finished[given] = self._translate(
                self._finish(dict(zip(self._conditions, given, strict=True)))
            )
        return self._finished[given]

    def _finish(self, given: Mapping[str, bool]) -> str:
        kept = (
            line.text
            for line in self._lines
            if line.condition is None or given[line.condition] is line.wanted
        )
        return "\n".join(kept)


def _is_given(value: object) -> bool:
    return value is not None and value is not False and value != "" and value != [] and value != ()


def _line(text: str, fragments: Mapping[str, str]) -> _Line:
    """A line with its fragments filled in; a condition holds for all that they bring."""
    match = _CONDITION.search(text)
    sql = _FRAGMENT.sub(lambda found: fragments[found[1]], text[: match.start()] if match else text)
    return _Line(sql, match[2], match[1] == "if") if match else _Line(sql, None, True)


@cache
def load(packages: Sequence[str], translate: Callable[[str], str]) -> Mapping[str, Template]:
    """The queries of all .sql files of the packages by name. No name may occur twice."""
    queries: dict[str, list[str]] = {}
    fragments: dict[str, str] = {}
    for kind, name, body in _parts(packages):
        assert name not in (queries if kind == "name" else fragments), f"two are named {name}"
        lines = [line for line in body.splitlines() if line and not line.startswith("--")]
        if kind == "name":
            queries[name] = lines
        else:
            fragments[name] = "\n".join(lines)
    return {
        name: Template([_line(text, fragments) for text in lines], translate)
        for name, lines in queries.items()
    }


def _parts(packages: Sequence[str]) -> Iterator[tuple[str, str, str]]:
    for package in packages:
        for resource in files(package).iterdir():
            if resource.name.endswith(".sql"):
                pieces = _HEADER.split(resource.read_text("utf-8"))
                yield from zip(pieces[1::3], pieces[2::3], pieces[3::3], strict=True)
