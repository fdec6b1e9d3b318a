"""Ranges of paths mean what they say, and a scope replaces only what it covers."""

from __future__ import annotations

from itertools import product

from hypothesis import example, given
from hypothesis import strategies as st

from treeledger.names import within
from treeledger.plugins.sql.paths import Range, covers, starting

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=4)
# Every place of a small tree, and what of it may be hidden.
PLACES = ["", *(f"{a}{b}{c}" for a, b, c in product("ab", ("", "/a", "/b"), ("", "/a")))]
places = st.sampled_from(PLACES)
hidden = st.lists(places, max_size=2).map(tuple)


def holds(span: Range, path: str) -> bool:
    return span.low <= path and (not span.high or path < span.high)


@given(texts, texts)
@example("a\ud7ff", "a\ue000")
@example("\U0010ffff", "\U0010ffff\U0010ffff")
@example("a\U0010ffff", "b")
def test_what_begins_with_a_text(prefix: str, path: str) -> None:
    assert holds(starting(prefix), path) is path.startswith(prefix)
    assert holds(starting(prefix), prefix + path)


@given(places, hidden, places, hidden)
def test_a_scope_covers_another_if_it_holds_all_of_it(
    prefix: str, unknown: tuple[str, ...], other: str, other_unknown: tuple[str, ...]
) -> None:
    def held(top: str, without: tuple[str, ...]) -> set[str]:
        return {
            path for path in PLACES if within(top, path) and not any(within(gone, path) for gone in without)
        }

    if covers(prefix, unknown, other, other_unknown):
        assert held(other, other_unknown) <= held(prefix, unknown)
