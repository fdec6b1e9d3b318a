"""Ignore rules in their order, patterns that are edited, and what they would change. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from typing import Final, NamedTuple

from rich.cells import cell_len

from treeledger.answers import PathRule, RepositoryRule
from treeledger.names import shown
from treeledger.tui import texts
from treeledger.tui.columns import Column, heading, row_line
from treeledger.tui.texts import Line, Piece, Tone
from treeledger.wire_ignore import IgnorePreview, RuleEffect

_COLUMNS: Final = (
    Column("Rule", 14, grows=True),
    Column("Does", 5),
    Column("From", 20, rank=1),
)
_CONFIGURED: Final = "ignore.patterns"  # the source of patterns, whoever they are of
_EXAMPLES: Final = 3
_MOST_DIFFERENCES: Final = 12
_HINT: Final = (
    "Enter edits the patterns above: one in a line, as in a .gitignore, and the last that matches decides."
    " What they would hide or reveal is told here while you type. Nothing holds before ctrl+s writes it."
)


class Rule(NamedTuple):
    """A rule with the place that it is from."""

    rule: str
    origin: str
    ignored: bool


def with_origins(
    rules: Iterable[RepositoryRule], for_all: Sequence[str], own: Sequence[str], name: str
) -> tuple[Rule, ...]:
    """The rules of a repository in their order; of patterns, whether they are those of all or its own."""
    written = iter([*((one.strip(), "[defaults]") for one in for_all), *((one.strip(), name) for one in own)])
    found = []
    for one in rules:
        origin = one.source
        if origin == _CONFIGURED:
            origin = next((place for text, place in written if text == one.rule.strip()), _CONFIGURED)
        found.append(Rule(one.rule, origin, one.ignored))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class RuleTable:
    """In the order in which they hold."""

    rules: Sequence[Rule]

    def __len__(self) -> int:
        return len(self.rules)

    def key(self, place: int) -> int:
        return place

    def heading(self, width: int) -> Line:
        return heading(_COLUMNS, width)

    def line(self, place: int, width: int, *, marked: bool) -> Line:
        one = self.rules[place]
        does = Piece("hides", Tone.DIM) if one.ignored else Piece("keeps", Tone.GOOD)
        cells = (Piece(shown(one.rule)), does, Piece(shown(one.origin), Tone.DIM))
        return row_line(_COLUMNS, cells, width, marked=marked)


def differences(before: Sequence[str], after: Sequence[str]) -> list[str]:
    """Lines that come and go, in their order: `+ new`, `- old`."""
    found: list[str] = []
    for kind, low, high, first, last in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if kind != "equal":
            found += [f"- {shown(one)}" for one in before[low:high]]
            found += [f"+ {shown(one)}" for one in after[first:last]]
    more = len(found) - _MOST_DIFFERENCES
    return found if more <= 0 else [*found[:_MOST_DIFFERENCES], f"and {more} more"]


@dataclass(frozen=True, slots=True)
class Found:
    """What a preview has found so far, its portions put together. `expected`: how many records there are.

    `is_over`: it has ended; `is_cut`: before all was looked at; `trouble`: why it could not go on.
    """

    hides: tuple[RuleEffect, ...] = ()
    reveals: tuple[RuleEffect, ...] = ()
    records: int = 0
    files: int = 0
    expected: int = 0
    is_over: bool = False
    is_cut: bool = False
    trouble: str = ""

    def added(self, portion: IgnorePreview, repository: str = "") -> Found:
        """With a portion; where several are judged, its paths begin with their repository."""
        return replace(
            self,
            hides=_together(self.hides, portion.hides, repository),
            reveals=_together(self.reveals, portion.reveals, repository),
            records=self.records + portion.records,
            files=self.files + portion.files,
        )


def _together(
    some: Sequence[RuleEffect], more: Sequence[RuleEffect], repository: str
) -> tuple[RuleEffect, ...]:
    """The effects of each rule as one, the rule of the most files first."""
    by_rule = {(one.rule, one.source): one for one in some}
    for one in more:
        known = by_rule.get((one.rule, one.source))
        named = [f"{repository}/{path}" if repository else path for path in one.examples]
        by_rule[one.rule, one.source] = RuleEffect(
            rule=one.rule,
            source=one.source,
            files=one.files + (0 if known is None else known.files),
            bytes=one.bytes + (0 if known is None else known.bytes),
            examples=[*([] if known is None else known.examples), *named][:_EXAMPLES],
        )
    return tuple(sorted(by_rule.values(), key=lambda one: (-one.files, one.rule)))


def progress_text(found: Found | None) -> str:
    """How far a preview is."""
    if found is None or found.trouble:
        return ""
    if found.is_over and not found.is_cut:
        return "all looked at"
    far = f"{texts.amount(found.records)} of {texts.amount(found.expected)} records"
    if found.files or not found.records:
        far = f"{texts.amount(found.files)} files on the disk"
    return f"{far}, then it was left" if found.is_cut else f"{far} …"


def summary(found: Found) -> list[str]:
    """What would be hidden and revealed, in two lines."""
    return [f"hides {_total(found.hides, found)}", f"reveals {_total(found.reveals, found)}"]


def _total(effects: Sequence[RuleEffect], found: Found) -> str:
    files, size = sum(one.files for one in effects), sum(one.bytes for one in effects)
    if not files:
        return "nothing"
    least = "at least " if found.is_cut else ""
    return f"{least}{texts.amount(files)} {'file' if files == 1 else 'files'}, {texts.size(size)}"


def effect_lines(found: Found | None, room: tuple[int, int]) -> list[Line]:
    """What would be hidden and revealed, by rules, in a room of cells and lines."""
    width, height = room
    if found is None:
        return [(Piece(line, Tone.DIM),) for line in texts.wrapped(_HINT, max(1, width), max(1, height))]
    lines: list[Line] = [(Piece(line, Tone.BAD),) for line in _trouble(found, width, height)]
    left = max(0, height - len(lines) - 2)
    for_hides = min(len(found.hides), max(left - len(found.reveals), (left + 1) // 2))
    lines += _side("hides", Tone.WARN, found.hides, found, (width, for_hides))
    lines += _side("reveals", Tone.GOOD, found.reveals, found, (width, left - for_hides))
    return lines if not found.trouble or found.records or found.files else lines[:-2]


def _trouble(found: Found, width: int, height: int) -> list[str]:
    return texts.wrapped(found.trouble, max(1, width), max(1, height - 2)) if found.trouble else []


def _side(
    verb: str, tone: Tone, effects: Sequence[RuleEffect], found: Found, room: tuple[int, int]
) -> Iterator[Line]:
    width, most = room
    if not effects:
        yield Piece(f"{verb:<8}"), Piece("nothing" if found.is_over else "nothing so far", Tone.DIM)
        return
    so_far = "" if found.is_over else "  so far"
    yield Piece(f"{verb:<8}", tone), Piece(_total(effects, found), Tone.STRONG), Piece(so_far, Tone.DIM)
    for one in effects[:most]:
        yield _effect(one, width)


def _effect(one: RuleEffect, width: int) -> Line:
    """A rule, how much it is, and paths."""
    rule = texts.fitted(shown(one.rule), min(20, max(8, width // 4)))
    amount = f"{texts.amount(one.files):>9}  {texts.size(one.bytes):>7}  "
    room = width - 4 - len(amount) - cell_len(rule)
    paths = _examples([shown(path) for path in one.examples], max(0, room))
    return Piece("  "), Piece(rule), Piece(f"  {amount}", Tone.DIM), Piece(paths, Tone.DIM)


def _examples(paths: Sequence[str], width: int) -> str:
    """As many paths as there is room for; the first one elided, if it has to be."""
    text = texts.elided(paths[0], width) if paths else ""
    for path in paths[1:]:
        if cell_len(f"{text}, {path}") > width:
            break
        text = f"{text}, {path}"
    return text


def answer_line(one: PathRule | None, width: int) -> Line:
    """Which rule decides about a path now."""
    if one is None:
        return (Piece("relative to the root; a folder ends with a slash", Tone.DIM),)
    if one.rule is None:
        return (Piece("recorded: no rule speaks of it", Tone.GOOD),)
    verb, tone = ("hidden", Tone.WARN) if one.ignored else ("recorded", Tone.GOOD)
    text = f" by {shown(one.rule)}  of {shown(one.source or '')}"
    return Piece(verb, tone), Piece(texts.elided(text, max(0, width - len(verb))))
