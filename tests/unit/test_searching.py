"""Which paths have a text in them, and what a store looks for beforehand."""

from __future__ import annotations

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treeledger.globs import compile_globs
from treeledger.plugins.sql.paths import like
from treeledger.searching import containing


def has(path: str, parts: tuple[str, ...]) -> bool:
    """As a store looks for parts: in this order, the letters of ASCII in either case."""
    expression = ".*".join(re.escape(part) for part in parts)
    return re.search(expression, path, re.IGNORECASE | re.ASCII | re.DOTALL) is not None


@pytest.mark.parametrize(
    ("text", "found", "not_found"),
    [
        ("", ["", "a"], []),
        ("img_03", ["IMG_0313.jpg", "2024/img_03/x"], ["IMG-0313.jpg"]),
        ("köln", ["KÖLN", "aus Ko\u0308ln/x"], ["koln", "Kln"]),
        ("Gru\u0308ße", ["grüße", "GRÜẞE"], ["gruesse", "grüe"]),
        ("日本", ["x/日本.txt"], ["日x本"]),
        ("\U0010ffe4", ["\U0010ffe4.txt"], ["ä.txt"]),
    ],
)
def test_a_text_is_found_in_either_case_and_however_it_is_composed(
    text: str, found: list[str], not_found: list[str]
) -> None:
    search = containing(text)
    for path in found:
        assert has(path, search.parts), path
        assert search.matches(path), path
    for path in not_found:
        assert not (has(path, search.parts) and search.matches(path)), path


@given(st.text("aBüÜ\u0308Ω%_\\/", max_size=6), st.text("aBüÜ\u0308Ω%_\\/", max_size=12))
def test_what_matches_has_the_parts(text: str, path: str) -> None:
    search = containing(text)
    folded = [unicodedata.normalize("NFC", one).lower() for one in (text, path)]
    if text.isascii():
        assert search.is_exact
        assert has(path, search.parts) == (text.lower() in path.lower())
    else:
        assert search.matches(path) == (folded[0] in folded[1])
        assert has(path, search.parts) or not search.matches(path)


@given(st.text("ab/*?[]!\\-.", max_size=8), st.text("ab/!-.", max_size=10))
def test_what_matches_a_glob_has_its_literals(text: str, path: str) -> None:
    globs = compile_globs([text])
    assert has(path, globs.parts) or not globs.matches(path)


def test_the_literals_of_a_glob() -> None:
    assert compile_globs(["2024/**/IMG_*.jp[g2]"]).parts == ("2024/", "IMG_", ".jp")
    assert compile_globs(["*.jpg", "*.txt"]).parts == (), "of either of them there may be none"


def test_the_pattern_of_parts() -> None:
    assert like(["a_b", "50%", "c\\d"]) == "%a\\_b%50\\%%c\\\\d%"
    assert like([]) is None
