"""Names are bytes: every name survives the way into the ledger and back."""

import os

from hypothesis import example, given
from hypothesis import strategies as st

from treeledger.names import (
    ancestors,
    bytes_from_stored,
    os_from_stored,
    parent,
    range_below,
    shown,
    stored_from_bytes,
    stored_from_os,
    successor,
    within,
)

_TRICKY = (b"\xff", b"\xf4\x8f\xbe\x80", b"\xf4\x8f\xbf\xbf", b"\xc3\xa9", b"a", b"\n", b"\xed\xa0\x80")
names = st.one_of(
    st.binary(min_size=1, max_size=40),
    st.lists(st.sampled_from(_TRICKY), min_size=1, max_size=8).map(b"".join),
)


without_nul = st.text(st.characters(min_codepoint=1), max_size=4)


@given(names)
@example(b"caf\xe9")
@example("\U0010ff80".encode())
def test_any_bytes_survive(name: bytes) -> None:
    stored = stored_from_bytes(name)
    stored.encode()  # valid Unicode, as databases and JSON want it
    assert bytes_from_stored(stored) == name


@given(names, names)
def test_different_names_are_stored_differently(one: bytes, other: bytes) -> None:
    assert (stored_from_bytes(one) == stored_from_bytes(other)) == (one == other)


@given(names.filter(lambda name: b"/" not in name and b"\0" not in name))
def test_the_spelling_of_os_survives(name: bytes) -> None:
    stored = stored_from_os(os.fsdecode(name))
    assert stored == stored_from_bytes(name)
    assert os.fsencode(os_from_stored(stored)) == name


@given(names)
def test_what_is_shown_is_one_safe_line(name: bytes) -> None:
    text = shown(stored_from_bytes(name))
    assert not any(ord(character) < 0x20 or 0x7F <= ord(character) < 0xA0 for character in text)


def test_escapes_are_shown_readably() -> None:
    assert shown(stored_from_bytes(b"caf\xe9\n.txt")) == "caf\\xe9\\x0a.txt"


def test_within_is_about_directories_not_letters() -> None:
    assert within("data", "data")
    assert within("data", "data/a")
    assert within("", "anything")
    assert not within("data", "data_docs/a")
    assert not within("data", "data.txt")


def test_parents_and_ancestors() -> None:
    assert parent("a/b/c") == "a/b"
    assert parent("a") == ""
    assert ancestors("a/b/c") == ["a", "a/b"]


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=4), st.text(max_size=4))
@example("a", "a/")
@example("a", "a0")
def test_what_lies_below_a_directory_is_a_range(prefix: str, path: str) -> None:
    low, high = range_below(prefix)
    if path != prefix:
        assert (low <= path and (high is None or path < high)) is (within(prefix, path) or prefix == "")


@given(
    st.text(st.characters(min_codepoint=1), max_size=3), st.text(st.characters(min_codepoint=1), max_size=4)
)
def test_nothing_lies_between_a_path_and_its_successor(path: str, other: str) -> None:
    assert not path < other < successor(path)
