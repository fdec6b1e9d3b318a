"""Names that collide: pure, and proved for any names of a directory."""

from __future__ import annotations

from unicodedata import normalize

from hypothesis import given
from hypothesis import strategies as st

from treeledger.collisions import collision_notes, collisions
from treeledger.model import ProblemCode

names = st.lists(
    st.text(st.sampled_from("aAbBéÉßsSſKk\u0301\u212a\u0345"), min_size=1, max_size=3),
    max_size=8,
    unique=True,
)
texts = st.text(min_size=1, max_size=6)


def same(a: str, b: str) -> bool:
    """Unicode's canonical caseless match, spelled out (D145)."""
    nfd = lambda text: normalize("NFD", text)  # noqa: E731
    return nfd(nfd(a).casefold()) == nfd(nfd(b).casefold())


@given(names)
def test_a_name_collides_exactly_if_another_one_matches_it(given: list[str]) -> None:
    found = collisions(given)
    for name in given:
        matching = {other for other in given if other != name and same(name, other)}
        assert (name in found) == bool(matching)
        assert not matching or found[name] in matching


@given(texts)
def test_variants_of_a_name_collide(name: str) -> None:
    for variant in (normalize("NFC", name), normalize("NFD", name), name.casefold()):
        if variant != name:
            assert collisions([name, variant]) == {name: variant, variant: name}


def test_each_note_names_the_other_and_what_may_happen() -> None:
    first, second = collision_notes("d/", ["IMG.jpg", "img.jpg", "other"])
    assert (first.path, second.path) == ("d/IMG.jpg", "d/img.jpg")
    assert "img.jpg" in first.message
    assert "IMG.jpg" in second.message
    assert "overwrites" in first.message
    assert first.code is ProblemCode.NAMES_COLLIDE
