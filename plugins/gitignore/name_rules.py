"""The ignore filter in the gitignore dialect: built-in list, presets, configuration, files in the tree."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from treeledger.ignoring import IGNORE_FILE_NAME
from treeledger.model import Problem, ProblemCode
from treeledger.plugins.gitignore.presets import BUILT_IN, preset
from treeledger.plugins.gitignore.rules import Line, RuleList, parse
from treeledger.protocols import IgnoreFilter, ReadText, Verdict

Level = tuple[RuleList, str]
"""Rules that hold in a directory, and the start of what they match there: the directory's path relative to
theirs, with a "/" at the end, for a list by path; else ""."""


class NameRules(IgnoreFilter):
    """An `IgnoreFilter` by names. The last rule that matches decides; deeper ignore files come later."""

    def __init__(
        self,
        *,
        builtin: bool = True,
        presets: Sequence[str] = (),
        patterns: Sequence[str] = (),
        files: bool = True,
    ) -> None:
        """Compiles the rules. Raises ConfigurationError for a preset that does not exist."""
        self._files = files
        self._problems: dict[str, Problem] = {}
        self._configured = self._parse("", _configured_lines(builtin, presets, patterns))

    @property
    def problems(self) -> list[Problem]:
        """One for the configuration (path ""), and one for each ignore file with bad rules."""
        return list(self._problems.values())

    def root(self, read: ReadText) -> NamedDirectory:
        self._problems = {path: problem for path, problem in self._problems.items() if not path}
        configured: tuple[Level, ...] = ((self._configured, ""),) if self._configured else ()
        return NamedDirectory(self, read, "", configured + self.own_rules(read, ""))

    def own_rules(self, read: ReadText, prefix: str) -> tuple[Level, ...]:
        """The rules of the ignore file in one directory, given by its path and "/"."""
        if not self._files:
            return ()
        path = prefix + IGNORE_FILE_NAME
        try:
            text = read(path)
        except OSError as error:
            reason = f"its rules do not hold: {error.strerror or error}"
            self._problems[path] = Problem(path, ProblemCode.UNREADABLE, reason)
            return ()
        rules = self._parse(path, _lines(path, text) if text else ())
        return ((rules, ""),) if rules else ()

    def _parse(self, path: str, lines: Iterable[Line]) -> RuleList | None:
        rules, faults = parse(lines)
        self._problems.pop(path, None)
        if faults:
            self._problems[path] = Problem(path, ProblemCode.BAD_IGNORE_RULE, "; ".join(faults))
        return rules


class NamedDirectory:
    """The rules for the entries of one directory; `levels` from the outermost to its own."""

    __slots__ = ("_filter", "_inner_first", "_levels", "_prefix", "_read")

    def __init__(self, filter: NameRules, read: ReadText, prefix: str, levels: tuple[Level, ...]) -> None:
        self._filter = filter
        self._read = read
        self._prefix = prefix
        self._levels = levels
        self._inner_first = [(rules.matches, start, rules.verdicts) for rules, start in reversed(levels)]

    def check(self, name: str, is_directory: bool) -> Verdict | None:
        entry = name + "/" if is_directory else name
        for matches, start, verdicts in self._inner_first:
            numbers = matches(start + entry)
            if numbers:
                return verdicts[max(numbers)]
        return None

    def speaks(self, entries: Sequence[str]) -> bool:
        for rules, start in self._levels:
            if rules.may_match("\n".join([start + entry for entry in entries] if start else entries)):
                return True
        return False

    def below(self, name: str) -> NamedDirectory:
        prefix = f"{self._prefix}{name}/"
        outer = tuple((rules, f"{start}{name}/" if rules.by_path else "") for rules, start in self._levels)
        return NamedDirectory(
            self._filter, self._read, prefix, outer + self._filter.own_rules(self._read, prefix)
        )

    def rules(self) -> list[Verdict]:
        return [verdict for rules, _ in self._levels for verdict in rules.verdicts]


def _configured_lines(builtin: bool, presets: Sequence[str], patterns: Sequence[str]) -> Iterator[Line]:
    if builtin:
        yield from (Line(text, "built-in") for text in BUILT_IN)
    for name in presets:
        yield from (Line(text, f"preset {name}") for text in preset(name))
    yield from (Line(text, "ignore.patterns") for text in patterns)


def _lines(path: str, text: str) -> Iterator[Line]:
    # As git takes them: only a line feed ends a line, and a byte order mark is not part of the first.
    for number, line in enumerate(text.removeprefix("\ufeff").split("\n"), 1):
        yield Line(line.removesuffix("\r"), f"{path}:{number}")
