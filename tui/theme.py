"""The two themes: calm grounds, and a colour for each tone that can be read on them."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from textual.color import Color
from textual.theme import Theme

from treeledger.tui.texts import Tone

DARK: Final = Theme(
    name="treeledger-dark",
    dark=True,
    primary="#7aa2d6",
    secondary="#8fb3ad",
    accent="#d8b26a",
    foreground="#d7dce2",
    background="#14181d",
    surface="#1a1f26",
    panel="#232a33",
    success="#86c08a",
    warning="#e0b65c",
    error="#f08b86",
    variables={"dim": "#98a3b0", "frame": "#44505e", "chosen": "#2a3441"},
)
LIGHT: Final = Theme(
    name="treeledger-light",
    dark=False,
    primary="#1f5a9d",
    secondary="#2d6760",
    accent="#7d5300",
    foreground="#1d242c",
    background="#fafaf7",
    surface="#f1f1ec",
    panel="#e6e6df",
    success="#1c6b2a",
    warning="#7d5300",
    error="#a8201c",
    variables={"dim": "#59636e", "frame": "#a9b0b8", "chosen": "#dde6f1"},
)
THEMES: Final = (DARK, LIGHT)
STYLES: Final = tuple(
    sorted(Path(__file__).parent.rglob("*.tcss"), key=lambda file: (len(file.parts), file.name))
)
"""All style sheets, those of all screens first: one that came with its screen would have all parsed anew."""

COLOURS: Final = {
    Tone.PLAIN: "foreground",
    Tone.STRONG: "primary",
    Tone.DIM: "dim",
    Tone.GOOD: "success",
    Tone.BUSY: "primary",
    Tone.WARN: "warning",
    Tone.BAD: "error",
}
"""The theme's variable for each tone."""
CHOSEN: Final = "chosen"
"""And for the ground of what is chosen."""


def derived(theme: Theme) -> dict[str, str]:
    """The variables that a theme of somebody else lacks, from its ground and its text."""
    made = theme.to_color_system().generate()
    ground, text = Color.parse(made["background"]), Color.parse(made["foreground"])
    shares = {"dim": 0.7, "frame": 0.3, CHOSEN: 0.12}
    return {name: ground.blend(text, share).hex for name, share in shares.items()}
