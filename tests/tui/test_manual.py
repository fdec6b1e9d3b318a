"""docs/tui.md says of the screens and their keys what there is; its pictures are the program's own."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from treeledger.tui.pages import PLACES

DOCS = Path(__file__).parents[2] / "docs"
TEXT = (DOCS / "tui.md").read_text()


def test_every_key_is_in_the_manual(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(DOCS)
    keys = __import__("keys")
    try:
        assert keys.with_keys(TEXT) == TEXT, "to have it so: python docs/keys.py"
    finally:
        del sys.modules["keys"]


def test_every_screen_has_its_chapter_with_its_keys() -> None:
    for place in PLACES:
        assert f"\n## {place.number} {place.title}\n" in TEXT
        assert f"<!-- keys: {place.name} -->" in TEXT


@pytest.mark.parametrize("picture", sorted((DOCS / "images").glob("*.svg")), ids=lambda file: file.name)
def test_pictures_ask_no_other_host_and_tell_nothing_of_the_machine(picture: Path) -> None:
    svg = picture.read_text()
    assert re.findall(r"""(?:href|src) *= *["']?https?:|url\((?!#)|@font-face|@import""", svg) == []
    assert re.findall("/(?:tmp|root|home|work)/", svg) == []
    assert len(svg) < 100_000
