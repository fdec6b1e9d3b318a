"""Every tone can be read on every ground of both themes: WCAG 2.2's 4.5 to 1 for text."""

from __future__ import annotations

import pytest
from textual.color import Color
from textual.theme import BUILTIN_THEMES, Theme

from treeledger.tui.texts import Tone
from treeledger.tui.theme import COLOURS, THEMES, derived


def contrast(one: Color, other: Color) -> float:
    """As WCAG 2.2 defines the contrast ratio."""
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def luminance(color: Color) -> float:
    parts = [part / 255 for part in color.rgb]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def colour(theme: Theme, name: str) -> Color:
    return Color.parse(theme.variables.get(name) or getattr(theme, name))


@pytest.mark.parametrize("theme", THEMES, ids=lambda theme: theme.name)
@pytest.mark.parametrize("ground", ["background", "surface", "chosen"])
@pytest.mark.parametrize("tone", Tone)
def test_a_tone_can_be_read(theme: Theme, ground: str, tone: Tone) -> None:
    text = colour(theme, COLOURS[tone])
    assert contrast(text, colour(theme, ground)) >= 4.5


@pytest.mark.parametrize("theme", BUILTIN_THEMES.values(), ids=lambda theme: theme.name)
def test_themes_of_others_have_all_colours(theme: Theme) -> None:
    made = derived(theme)
    assert set(made) == set(THEMES[0].variables)
    if not theme.ansi:  # those are the terminal's own
        text, ground = (theme.to_color_system().generate()[name] for name in ("foreground", "background"))
        full = contrast(Color.parse(text), Color.parse(ground))
        assert contrast(Color.parse(made["dim"]), Color.parse(ground)) >= min(3.0, full / 3)
