"""Which paths a pattern of `treeledger files` covers."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treeledger.errors import UsageError
from treeledger.globs import compile_globs, escaped

CASES = [
    ("*.jpg", ["a.jpg", "2024/a.jpg", "2024/05/b.jpg"], ["a.jpeg", "a.jpg/b"]),
    ("2024/*.jpg", ["2024/a.jpg"], ["a.jpg", "2024/05/a.jpg", "x/2024/a.jpg"]),
    ("2024/**/*.jpg", ["2024/a.jpg", "2024/05/a.jpg", "2024/05/06/a.jpg"], ["2025/a.jpg", "2024.jpg"]),
    ("**/raw/*", ["raw/a", "x/raw/a", "x/y/raw/a"], ["raw", "draw/a", "raw/x/a"]),
    ("2024/**", ["2024/a", "2024/b/c"], ["2024", "20245"]),
    ("2024/", ["2024/a", "2024/b/c"], ["2024", "x/2024/a", "20245/a"]),
    ("./2024/", ["2024/a"], ["a/2024/b"]),
    ("2024/05", ["2024/05", "2024/05/a/b"], ["2024/051", "x/2024/05"]),
    ("/a.txt", ["a.txt"], ["b/a.txt"]),
    ("/", ["a", "b/c"], []),
    ("a?c", ["abc", "x/a\nc"], ["ac", "abbc"]),
    ("[ab]*[!0-9]", ["a/x/bx", "bz", "b-"], ["cz", "b1"]),
    ("x[!a]y/z", ["xby/z"], ["x/y/z", "xay/z"]),
    ("[]]", ["]"], ["["]),
    ("[z-a]", [], ["z", "a", "-"]),
    ("a[", ["a["], ["a"]),
    (r"a\*/b", ["a*/b", "a*/b/c"], ["ax/b"]),
    ("a.b", ["a.b"], ["axb"]),
]


@pytest.mark.parametrize(("glob", "yes", "no"), CASES)
def test_a_pattern_covers_what_it_says(glob: str, yes: list[str], no: list[str]) -> None:
    globs = compile_globs([glob])
    assert [path for path in yes + no if globs.matches(path)] == yes
    assert all(path.startswith(globs.prefix) for path in yes)


def test_several_patterns_cover_what_each_does_and_share_their_literal_start() -> None:
    globs = compile_globs(["2024/05/*.jpg", "2024/06/"])
    assert globs.prefix == "2024/0"
    assert [p for p in ("2024/05/a.jpg", "2024/06/x", "2024/05/a", "2024/0") if globs.matches(p)] == [
        "2024/05/a.jpg",
        "2024/06/x",
    ]
    assert compile_globs([]).matches("anything")


_names = st.text(st.sampled_from("ab.-]["), min_size=1, max_size=5)
_paths = st.lists(_names, min_size=1, max_size=4).map("/".join)
_patterns = st.text(st.sampled_from("ab.-[]!*?/"), min_size=1, max_size=8)


@given(_patterns, _paths)
def test_every_match_begins_with_the_prefix(pattern: str, path: str) -> None:
    globs = compile_globs([pattern])
    assert not globs.matches(path) or path.startswith(globs.prefix)


@given(
    st.text(st.sampled_from("ab.-*?"), min_size=1, max_size=8).filter(lambda text: "**" not in text), _paths
)
def test_without_a_slash_a_pattern_is_about_the_name_as_in_a_shell(pattern: str, path: str) -> None:
    assert compile_globs([pattern]).matches(path) == fnmatchcase(path.rpartition("/")[2], pattern)


@given(st.text(min_size=1).filter(lambda text: text == text.strip("/")), _paths)
def test_an_escaped_text_stands_for_itself(text: str, other: str) -> None:
    globs = compile_globs(["/" + escaped(text)])
    assert globs.matches(text)
    assert globs.matches(other) == f"{other}/".startswith(f"{text}/")


def test_no_pattern_takes_longer_than_the_path_is_long() -> None:
    """Where a matcher tries every way to share a name among the stars, this ends with the universe."""
    globs = compile_globs(["*a" * 30 + "*b", "**a" * 30 + "/b"])
    assert not globs.matches("a" * 255)
    assert globs.matches("a" * 254 + "b")


def test_patterns_that_are_too_long_are_refused() -> None:
    with pytest.raises(UsageError, match="too long"):
        compile_globs(["?" * 300_000])


@pytest.mark.filterwarnings("ignore:Possible set:FutureWarning")  # `re` may read -- in another way one day
@given(st.text(st.sampled_from("+-.09a[^!&~|\\"), max_size=4), st.sampled_from("+,-./019a[^!&~|\\"))
def test_a_set_holds_what_it_holds_for_re_and_no_slash(members: str, character: str) -> None:
    negated = members[:1] in ("!", "^")
    inner = re.sub(r"([\\\[&~|^])", r"\\\1", members[negated:])
    try:
        expected = re.fullmatch(f"(?!/)[{'^' if negated else ''}{inner}]", character) is not None
    except re.error:  # it is empty, or runs backwards
        expected = False
    assert compile_globs([f"[{members}]"]).matches(character) == expected
