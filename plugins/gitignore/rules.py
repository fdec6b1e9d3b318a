"""Lists of gitignore rules, compiled once: which rule is the last one that matches?"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from importlib import import_module
from types import ModuleType
from typing import Any, Final, NamedTuple

from pathspec.patterns.gitignore.base import GitIgnorePatternError

from treeledger.names import shown
from treeledger.plugins.gitignore.translate import EntryPattern, trimmed
from treeledger.protocols import Verdict

try:
    re2: ModuleType | None = import_module("re2")
except ImportError:
    re2 = None

Matches = Callable[[str], "Sequence[int] | None"]
"""The numbers of the expressions that match a text: all of them, or the last one only."""

_LONGEST: Final = 1 << 20  # characters of the expressions of one list
_MOST_SEARCHED: Final = 256
_LONGEST_SEARCHED: Final = 1 << 16
_MEMORY_PER_RULE: Final = 16 << 10
_LEAST_MEMORY: Final = 8 << 20
"""What re2 may use, in bytes, for the rules and for the states it has met; it starts afresh when full."""


class Line(NamedTuple):
    """One line of a list of rules. `place` says where it is: "preset synology", "sub/.treeledgerignore:3"."""

    text: str
    place: str


class RuleList(NamedTuple):
    """Rules of one folder, in order. `matches` takes `name`, or with `by_path` the path relative to that
    folder, with a "/" at the end for a directory. `may_match` takes many of these as lines, and is never
    wrong when it says that none of them matches."""

    verdicts: tuple[Verdict, ...]
    by_path: bool
    matches: Matches
    may_match: Callable[[str], bool]


def parse(lines: Iterable[Line]) -> tuple[RuleList | None, list[str]]:
    """The rules of some lines, None if there is none, and in words what is wrong with the bad ones."""
    verdicts: list[Verdict] = []
    expressions: list[str] = []
    faults: list[str] = []
    by_path = False
    for line in lines:
        text = trimmed(line.text)
        try:
            text.encode()
            expression, ignores = EntryPattern.pattern_to_regex(text)
        except GitIgnorePatternError as error:
            faults.append(f"{line.place}: {shown(text)} is no rule: {error}")
        except UnicodeEncodeError:
            faults.append(f"{line.place}: {shown(text)} is no valid text")
        else:
            if expression is not None and ignores is not None:
                expressions.append(expression)
                verdicts.append(Verdict(ignores, text, line.place))
                by_path |= "/" in text.removesuffix("/")
    if not verdicts:
        return None, faults
    try:
        matches = compiled(tuple(expressions))
    except TooMuch as error:
        return None, [*faults, str(error)]
    return RuleList(tuple(verdicts), by_path, matches, searched(tuple(expressions))), faults


class TooMuch(ValueError):
    """Rules that would cost more than they may."""


@lru_cache(maxsize=256)
def compiled(expressions: tuple[str, ...]) -> Matches:
    """A matcher by re2, or by `re` where that is missing. Raises TooMuch.

    `re` never stands in for a list that is too large for re2: whoever may write into a tree could have it
    search for years.
    """
    if sum(map(len, expressions)) > _LONGEST:
        raise TooMuch(f"{len(expressions):,} rules are too many to match; none of this list holds")
    return with_re(expressions) if re2 is None else _in_parts(re2, expressions)


def _in_parts(engine: ModuleType, expressions: Sequence[str]) -> Matches:
    """By re2, in as many parts as it takes. Raises TooMuch for a rule that alone is too large."""
    try:
        return with_re2(engine, expressions)
    except engine.error:
        if len(expressions) == 1:
            raise TooMuch("a rule is too long to match; none of this list holds") from None
    half = len(expressions) // 2
    first, last = _in_parts(engine, expressions[:half]), _in_parts(engine, expressions[half:])

    def matches(text: str) -> Sequence[int] | None:
        numbers = last(text)
        return [half + number for number in numbers] if numbers else first(text)

    return matches


def with_re2(engine: ModuleType, expressions: Sequence[str]) -> Matches:
    rules = engine.Set.FullMatchSet(_options(engine, expressions))
    for expression in expressions:
        rules.Add(expression)
    rules.Compile()
    matches: Matches = rules.Match
    return matches


@lru_cache(maxsize=256)
def searched(expressions: tuple[str, ...]) -> Callable[[str], bool]:
    """Whether any line of a text may match. Without re2, and for long lists, any may.

    A "." or "[^/]" also crosses from one line to the next, so it may say yes without need.
    """
    if re2 is None or len(expressions) > _MOST_SEARCHED or sum(map(len, expressions)) > _LONGEST_SEARCHED:
        return _anything
    try:
        rules = re2.Set.SearchSet(_options(re2, expressions))
        for expression in expressions:
            rules.Add(f"(?m){expression}")
        rules.Compile()
    except re2.error:
        return _anything
    search: Matches = rules.Match
    return lambda lines: bool(search(lines))


def _anything(lines: str) -> bool:
    return True


def _options(engine: ModuleType, expressions: Sequence[str]) -> Any:
    options = engine.Options()
    options.log_errors = False
    options.never_capture = True
    options.max_mem = max(_LEAST_MEMORY, len(expressions) * _MEMORY_PER_RULE)
    return options


def with_re(expressions: Sequence[str]) -> Matches:
    # Of alternatives the first that matches wins, so the last rule comes first.
    count = len(expressions)
    full_match = re.compile("|".join(f"({expression})" for expression in reversed(expressions))).fullmatch

    def matches(text: str) -> Sequence[int] | None:
        match = full_match(text)
        return None if match is None or match.lastindex is None else (count - match.lastindex,)

    return matches
