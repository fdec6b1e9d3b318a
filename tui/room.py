"""How much room the dashboard needs, and what is said where there is less."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from textual.geometry import Size

from treeledger.tui.texts import Line, Piece, Tone, wrapped

LEAST: Final = Size(40, 12)  # cells in which something can still be read
AT_EASE: Final = Size(60, 20)  # in which every screen shows all that matters


def is_enough(size: Size) -> bool:
    return size.width >= LEAST.width and size.height >= LEAST.height


def too_small(size: Size) -> Sequence[Line]:
    """What takes the place of everything in a window that is not enough."""
    text = (
        f"This window has {_said(size)} cells. The dashboard needs {_said(LEAST)}, better {_said(AT_EASE)}: "
        "make it larger, or its letters smaller. q leaves."
    )
    lines = wrapped(text, max(1, size.width), max(1, size.height))
    return [(Piece(line, Tone.WARN),) for line in lines]


def _said(size: Size) -> str:
    return f"{size.width}x{size.height}"
