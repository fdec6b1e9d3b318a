"""Plugins as rows, and one of them in full: where it is from, what it does, its options, its health. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from rich.cells import cell_len

from treeledger import wire
from treeledger.answers import Setting
from treeledger.names import shown
from treeledger.tui import texts
from treeledger.tui.columns import Column, heading, row_line, width_of
from treeledger.tui.texts import Line, Piece, Tone

_COLUMNS: Final = (
    Column("Name", 12),
    Column("State", 16),
    Column("From", 18, rank=2),
    Column("Hooks", 14, rank=1, grows=True),
)
_OWN: Final = "treeledger "
_TABLE: Final = "plugins."


@dataclass(frozen=True, slots=True)
class PluginTable:
    """By name."""

    plugins: Sequence[wire.Plugin]

    def __len__(self) -> int:
        return len(self.plugins)

    def key(self, place: int) -> str:
        return self.plugins[place].name

    def heading(self, width: int) -> Line:
        return heading(_COLUMNS, width)

    def line(self, place: int, width: int, *, marked: bool) -> Line:
        one = self.plugins[place]
        cells = (
            Piece(shown(one.name)),
            state(one),
            Piece(_from(one), Tone.DIM),
            Piece(_hooks(one.hooks, width_of("Hooks", _COLUMNS, width)), Tone.DIM),
        )
        return row_line(_COLUMNS, cells, width, marked=marked)


def state(one: wire.Plugin) -> Piece:
    """A glyph and words: now, and from the next start on where that differs."""
    if one.enabled and not one.enabled_next:
        return Piece("◐ off next start", Tone.WARN)
    if one.enabled_next and not one.enabled:
        return Piece("◐ on next start", Tone.WARN)
    if one.error is not None:
        return Piece("▲ failed", Tone.BAD)
    return Piece("● on", Tone.GOOD) if one.enabled else Piece("○ off", Tone.DIM)


def _from(one: wire.Plugin) -> str:
    """Built in with its version, a file, or the distribution that was installed."""
    if one.origin.startswith(_OWN):
        return f"built in {shown(one.origin.removeprefix(_OWN))}"
    return f"file {shown(one.origin.rpartition('/')[2])}" if "/" in one.origin else shown(one.origin)


def _hooks(names: Sequence[str], width: int) -> str:
    """As many hooks as there is room for, and how many more there are."""
    for count in range(len(names), 0, -1):
        more = f" +{len(names) - count}" if count < len(names) else ""
        text = shown(", ".join(names[:count])) + more
        if len(text) <= width:
            return text
    return f"{len(names)} of them" if names else "–"


def title(plugins: Sequence[wire.Plugin]) -> str:
    """How many there are, and how they are."""
    failed = sum(one.error is not None for one in plugins)
    count = sum(one.enabled and one.error is None for one in plugins)
    return f"Plugins: {count} of {len(plugins)} on" + (f", {failed} failed" if failed else "")


def plugin_lines(one: wire.Plugin | None, settings: Sequence[Setting], room: tuple[int, int]) -> list[Line]:
    """A plugin in full, in a room of cells and lines."""
    if one is None:
        return []
    width, height = room
    lines: list[Line] = []
    if one.error is not None:
        lines += texts.labelled("failed", one.error, width, 3, Tone.BAD)
    if one.enabled is not one.enabled_next:
        verb = "on" if one.enabled_next else "off"
        said = f"plugins.toml has it {verb}: from the engine's next start"
        lines += texts.labelled("waits", said, width, 2, Tone.WARN)
    lines += texts.labelled("from", one.origin, width, 2)
    lines += texts.labelled("hooks", ", ".join(one.hooks) or "none: it is not loaded", width, 2)
    return [*lines, *_options(one.name, settings, width)][:height]


def question(one: wire.Plugin) -> str:
    """What it means to switch a plugin on, or off."""
    verb = "off" if one.enabled_next else "on"
    text = (
        f"plugins.toml will have {shown(one.name)} {verb}, its comments kept. The engine goes by that from"
        " its next start; until then all is as it is."
    )
    if one.enabled_next and "ignore_filters" in one.hooks:
        text += "\n\nWithout it its ignore rules do not hold: what they hide would be recorded."
    if one.enabled_next and "actions" in one.hooks:
        text += "\n\nWhat it does about changes is not done meanwhile."
    return text


def tables_of(name: str, settings: Sequence[Setting]) -> list[str]:
    """The tables of a plugin: its own, and those of its instances."""
    using = [one.table for one in settings if one.key == "use" and one.value == f'"{name}"']
    own = [one.table for one in settings if one.table == _TABLE + name]
    return list(dict.fromkeys((*own, *(table for table in using if table.startswith(_TABLE)))))


def _options(name: str, settings: Sequence[Setting], width: int) -> list[Line]:
    tables = tables_of(name, settings)
    if not tables:
        return texts.labelled("options", "as they are by default", width, 1, Tone.DIM)
    lines: list[Line] = []
    for table in tables:
        meant = [one for one in settings if one.table == table]
        label = texts.elided(f"[{shown(table)}]", width)
        origin = texts.elided(f"  {shown(meant[0].origin)}", width - cell_len(label))
        lines.append((Piece(label), Piece(origin, Tone.DIM)))
        for one in meant:
            key = texts.fitted(shown(one.key), 16)
            lines.append(
                (Piece(f"  {key}  ", Tone.DIM), Piece(texts.elided(shown(one.value), max(0, width - 20))))
            )
    return lines
