"""The style sheets are read together: none means a widget of another screen."""

from __future__ import annotations

import re
from collections import defaultdict

from treeledger.tui.theme import STYLES

SELECTORS = re.compile(r"(?m)^[^\s{}][^{]*(?= \{$)")


def test_no_two_sheets_speak_of_one_widget() -> None:
    speaking: dict[str, set[str]] = defaultdict(set)
    for sheet in STYLES:
        for selectors in SELECTORS.findall(sheet.read_text()):
            for selector in selectors.split(","):
                if (name := re.search(r"#([a-z-]+)", selector)) is not None:
                    speaking[name[1]].add(sheet.name)
    assert len(speaking) > 20
    shared = {name for name, sheets in speaking.items() if len(sheets) > 1}
    assert shared == {"detail"}  # which Home places
