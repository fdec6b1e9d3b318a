"""One key goes through all choices, and comes back."""

from __future__ import annotations

from treeledger.tui.choices import following


def test_the_first_follows_the_last_and_what_is_gone() -> None:
    assert [following(now, "abc") for now in "abc"] == ["b", "c", "a"]
    assert following("gone", ("a", "b")) == "a"
    assert following(None, ("a", "b")) == "a"
