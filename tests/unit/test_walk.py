"""The walk: one sorted stream of everything that can be seen, and nothing guessed of the rest."""

from __future__ import annotations

import errno
import itertools
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treeledger.ignoring import Rules
from treeledger.merge import position
from treeledger.model import File, FileStat, Ignored, Problem, ProblemCode, Seen, Unknown
from treeledger.names import within
from treeledger.protocols import DirectoryFilter, Entry, ReadText, Tree, Verdict
from treeledger.walk import ALL, Span, Walk

Node = Mapping[str, "Node"] | int | OSError | Problem
"""A directory, the size of a file, what trying to look at it or list it raises, or a note."""

DENIED = PermissionError(errno.EACCES, os.strerror(errno.EACCES))
BROKEN = OSError(errno.EIO, os.strerror(errno.EIO))
LINK = Problem("link", ProblemCode.SYMLINK, "a symlink")


class FakeTree:
    """A tree of nested mappings. `unlisted`: directories that raise when they are listed."""

    def __init__(self, content: Mapping[str, Node], unlisted: Mapping[str, OSError] | None = None) -> None:
        self.content = content
        self.unlisted = unlisted or {}
        self.listed: list[str] = []

    def node(self, path: str) -> Node:
        node: Node = self.content
        for name in path.split("/") if path else []:
            if isinstance(node, OSError):
                raise node
            if not isinstance(node, Mapping):
                raise NotADirectoryError(errno.ENOTDIR, "not a directory")
            if name not in node:
                raise FileNotFoundError(errno.ENOENT, "no such file")
            node = node[name]
        return node

    def list(self, path: str) -> Iterator[Entry]:
        self.listed.append(path)
        node = self.node(path)
        assert isinstance(node, Mapping)
        yield from (self._entry(path, name, below) for name, below in node.items())
        if path in self.unlisted:
            raise self.unlisted[path]

    def entry(self, path: str) -> Entry:
        node = self.node(path)
        if isinstance(node, OSError):
            raise node
        return self._entry(path.rpartition("/")[0], path.rpartition("/")[2], node)

    def _entry(self, above: str, name: str, node: Node) -> Entry:
        if isinstance(node, Mapping):
            return Entry(name, True, None, None)
        if isinstance(node, int):
            return Entry(name, False, FileStat(node, 0, 0, 1, 1, 0o100644), None)
        if isinstance(node, OSError):
            return Entry(name, False, None, Problem(f"{above}/{name}", ProblemCode.UNREADABLE, str(node)))
        return Entry(name, node.code is ProblemCode.MOUNT_NOT_CROSSED, None, node)

    def open(self, path: str) -> int:
        raise NotImplementedError

    def file_system(self, path: str) -> int:
        return 1

    def forget(self) -> None: ...

    def close(self) -> None: ...


class IgnoreNames(DirectoryFilter):
    """Ignores some names wherever they are, and files of more than 100 bytes."""

    problems: Sequence[Problem] = ()

    def __init__(self, *names: str, broken_below: str | None = None) -> None:
        self.names = names
        self.broken_below = broken_below

    def root(self, read: ReadText) -> DirectoryFilter:
        return self

    def check(self, name: str, is_directory: bool) -> Verdict | None:
        return Verdict(True, name, "test") if name in self.names else None

    def below(self, name: str) -> DirectoryFilter:
        if name == self.broken_below:
            raise DENIED
        return self

    def rules(self) -> Sequence[Verdict]:
        return ()

    def check_stat(self, path: str, stat: FileStat) -> Verdict | None:
        return Verdict(True, "max_size", "test") if stat.size > 100 else None


def rules(*names: str, broken_below: str | None = None) -> Rules:
    return Rules([IgnoreNames(*names, broken_below=broken_below)], lambda path: None)


class WalkBatch(NamedTuple):
    """A piece of a walk: what was seen, in order, and notes about what is no file.

    A symlink or a FIFO is a note only: where a record was, the file is gone. The last batch notes
    ignore rules that cannot be used.
    """

    seen: list[Seen]
    notes: list[Problem]


def walk(
    tree: Tree,
    rules: Rules,
    prefix: str = "",
    *,
    batch_size: int = 1000,
    most_in_memory: int = 50_000,
) -> Iterator[WalkBatch]:
    """Everything at a prefix (a directory, a file; "" is all) in batches of at most `batch_size`.

    What is not there yields nothing: that is a complete listing of nothing. Directories of more than
    `most_in_memory` entries are sorted through a temporary file, and without notes on names that collide.
    Raises RootOffline.
    """
    walk = Walk(tree, rules, prefix, most_in_memory=most_in_memory)
    seen: list[Seen] = []
    for step in walk:
        seen += step
        while len(seen) >= batch_size:
            yield WalkBatch(seen[:batch_size], walk.take_notes())
            del seen[:batch_size]
    notes = walk.take_notes() + rules.problems
    if seen or notes:
        yield WalkBatch(seen, notes)


def seen(batches: Iterator[WalkBatch]) -> list[Seen]:
    return [item for batch in batches for item in batch.seen]


def paths(items: Sequence[Seen]) -> list[str]:
    return [position(item) for item in items]


names = st.text(
    st.sampled_from("ab!-.0 \n~é\u0301\uffff\U0001f600\U0010ffff"), min_size=1, max_size=3
).filter(lambda name: name not in (".", ".."))
contents = st.recursive(
    st.dictionaries(names, st.integers(0, 100), max_size=6),
    lambda below: st.dictionaries(names, st.integers(0, 100) | below, max_size=6),
    max_leaves=20,
)


def files_of(content: Mapping[str, Node], base: str = "") -> Iterator[str]:
    for name, node in content.items():
        if isinstance(node, Mapping):
            yield from files_of(node, f"{base}{name}/")
        else:
            yield base + name


@given(contents, st.integers(1, 5), st.integers(1, 4))
def test_files_come_in_the_order_of_their_paths_whatever_the_batch(
    content: Mapping[str, Node], batch_size: int, most_in_memory: int
) -> None:
    expected = sorted(files_of(content))
    assert paths(seen(walk(FakeTree(content), rules()))) == expected
    small = list(walk(FakeTree(content), rules(), batch_size=batch_size, most_in_memory=most_in_memory))
    assert paths(seen(iter(small))) == expected
    assert all(len(batch.seen) <= batch_size for batch in small)


@given(contents, st.integers(1, 4), st.data())
def test_a_walk_of_a_prefix_is_that_part_of_the_whole(
    content: Mapping[str, Node], most_in_memory: int, data: st.DataObject
) -> None:
    whole = seen(walk(FakeTree(content), rules()))
    known = sorted({"", "nowhere", "a", "a/b", *files_of(content)})
    prefix = data.draw(st.sampled_from(known))
    part = seen(walk(FakeTree(content), rules(), prefix, most_in_memory=most_in_memory))
    assert part == [item for item in whole if within(prefix, item.path)]


@given(contents, st.sets(names, max_size=2), st.integers(1, 50), st.data())
def test_a_walk_that_is_broken_off_anywhere_goes_on_in_spans_with_nothing_lost_or_twice(
    content: Mapping[str, Node], ignored: set[str], most_in_memory: int, data: st.DataObject
) -> None:
    """Whatever is at the prefix."""
    prefix = data.draw(st.sampled_from(["", "a", *files_of(content)]))
    whole = seen(walk(FakeTree(content), rules(*ignored), prefix))
    waiting, items = [ALL], []
    while waiting:
        going = Walk(
            FakeTree(content), rules(*ignored), prefix, waiting.pop(0), most_in_memory=most_in_memory
        )
        for step in going:
            items += step
            if data.draw(st.booleans()):
                rest = going.rest(data.draw(st.integers(1, 4)))
                assert len(rest) <= 4
                waiting += rest
                break
    assert sorted(items, key=position) == whole


def test_what_is_left_of_a_walk_is_cut_between_the_outermost_folders() -> None:
    content = {f"d{number}": {"x": 1, "y": {"z": 1}} for number in range(9)}
    going = Walk(FakeTree(content), rules())
    next(iter(going))
    rest = going.rest(3)
    assert rest == [Span("d0/y/", "d3/"), Span("d3/", "d6/"), Span("d6/", None)]


def test_a_directory_beyond_the_limit_is_cut_as_any_other() -> None:
    content = {f"d{number:04}": {"x": 1} for number in range(5000)}
    going = Walk(FakeTree(content), rules(), most_in_memory=1000)
    next(iter(going))
    rest = going.rest(4)
    assert [rest[0].low, rest[-1].high] == ["d0001/", None]
    assert [span.high for span in rest[:-1]] == [span.low for span in rest[1:]]
    assert len(rest) == 4
    sizes = [len(seen_in(content, span)) for span in rest]
    assert sum(sizes) == 4999
    assert min(sizes) > 500


def seen_in(content: Mapping[str, Node], span: Span) -> list[Seen]:
    return [item for step in Walk(FakeTree(content), rules(), "", span) for item in step]


@given(contents, st.sets(names, max_size=4), st.integers(1, 4))
def test_subtrees_stand_in_order_and_what_is_ignored_is_not_listed(
    content: Mapping[str, Node], ignored: set[str], most_in_memory: int
) -> None:
    tree = FakeTree(content)
    items = seen(walk(tree, rules(*ignored), most_in_memory=most_in_memory))
    assert paths(items) == sorted(set(paths(items)))
    assert not any(set(path.split("/")) & ignored for path in tree.listed if path)
    hidden = [item.path for item in items if isinstance(item, Ignored)]
    files = {item.path for item in items if isinstance(item, File)}
    assert files == {path for path in files_of(content) if not any(within(above, path) for above in hidden)}


def test_an_unreadable_directory_is_one_unknown_and_nothing_of_it_is_told() -> None:
    tree = FakeTree({"a": 1, "d": {"x": 1, "y": {"z": 1}}, "d.": 1, "e": 1}, {"d": DENIED})
    items = seen(walk(tree, rules()))
    assert paths(items) == ["a", "d.", "d/", "e"]
    assert items[2] == Unknown(
        "d", Problem("d", ProblemCode.UNREADABLE_DIRECTORY, os.strerror(errno.EACCES)), True
    )


@pytest.mark.parametrize("most_in_memory", [1, 2, 100])
def test_an_error_in_the_middle_of_a_listing_makes_all_of_it_unknown(most_in_memory: int) -> None:
    tree = FakeTree({"d": {"x": 1, "y": 2, "z": 3}}, {"d": BROKEN})
    (item,) = seen(walk(tree, rules(), most_in_memory=most_in_memory))
    assert item == Unknown("d", Problem("d", ProblemCode.IO_ERROR, os.strerror(errno.EIO)), True)


def test_an_unreadable_root_is_unknown_as_a_whole() -> None:
    (item,) = seen(walk(FakeTree({"a": 1}, {"": BROKEN}), rules()))
    assert (item.path, isinstance(item, Unknown) and item.subtree) == ("", True)


def test_a_file_that_could_not_be_looked_at_is_unknown() -> None:
    a, unknown = seen(walk(FakeTree({"b": DENIED, "a": 1}), rules()))
    assert isinstance(a, File)
    assert isinstance(unknown, Unknown)
    assert (unknown.path, unknown.subtree) == ("b", False)


def test_a_directory_that_vanished_after_its_parent_was_listed_is_gone() -> None:
    tree = FakeTree({"a": 1, "d": {"x": 1}}, {"d": FileNotFoundError(errno.ENOENT, "gone")})
    assert paths(seen(walk(tree, rules()))) == ["a"]


def test_a_mount_that_is_not_crossed_is_unknown_below() -> None:
    note = Problem("mnt", ProblemCode.MOUNT_NOT_CROSSED, "a mount")
    assert seen(walk(FakeTree({"mnt": note}), rules())) == [Unknown("mnt", note, True)]


def test_symlinks_and_fifos_are_notes_only() -> None:
    (batch,) = walk(FakeTree({"link": LINK}), rules())
    assert batch == WalkBatch([], [LINK])
    (batch,) = walk(FakeTree({"link": LINK}), rules(), "link")
    assert batch == WalkBatch([], [LINK])


@pytest.mark.parametrize(
    ("content", "collide"),
    [
        ({"a": 1, "A": 1, "b": 1}, {"a", "A"}),
        ({"é": 1, "e\u0301": 1}, {"é", "e\u0301"}),
        ({"Straße": {"x": 1}, "strasse": 1}, {"Straße", "strasse"}),
        ({"a": 1, "b": 1, "é": 1, "e": 1}, set()),
        ({"skip": 1, "SKIP": 1}, set()),
    ],
)
def test_names_that_other_systems_take_for_one_are_noted(content: dict[str, Node], collide: set[str]) -> None:
    notes = [note for batch in walk(FakeTree(content), rules("skip")) for note in batch.notes]
    assert {note.path for note in notes} == collide
    assert {note.code for note in notes} <= {ProblemCode.NAMES_COLLIDE}


def test_what_is_ignored_by_stat_is_ignored() -> None:
    assert seen(walk(FakeTree({"big": 101}), rules())) == [Ignored("big", "max_size", False)]


@pytest.mark.parametrize("prefix", ["skip", "skip/below", "d/skip/x/y"])
def test_a_prefix_within_an_ignored_directory_is_ignored(prefix: str) -> None:
    content: dict[str, Node] = {"skip": {"below": {"x": 1}}, "d": {"skip": {"x": {"y": 1}}}}
    assert seen(walk(FakeTree(content), rules("skip"), prefix)) == [Ignored(prefix, "skip", True)]


def test_a_prefix_below_an_unreadable_directory_is_unknown() -> None:
    tree = FakeTree({"d": DENIED})
    (item,) = seen(walk(tree, rules(), "d/x/y"))
    assert (item.path, isinstance(item, Unknown) and item.subtree) == ("d/x/y", True)


def test_where_the_rules_cannot_be_read_nothing_is_told() -> None:
    tree = FakeTree({"d": {"x": 1}, "e": 1})
    assert paths(seen(walk(tree, rules(broken_below="d")))) == ["d/", "e"]
    assert paths(seen(walk(tree, rules(broken_below="d"), "d/x"))) == ["d/x/"]


def test_depth_has_no_limit() -> None:
    content: Mapping[str, Node] = {"file": 1}
    for _ in range(3000):
        content = {"d": content}
    (item,) = seen(walk(FakeTree(content), rules()))
    assert item.path == "d/" * 3000 + "file"


def test_a_directory_beyond_the_limit_is_not_held_in_memory() -> None:
    """Batches come out while the fake yields an entry at a time; the names are made up as they go."""

    class Endless(FakeTree):
        def list(self, path: str) -> Iterator[Entry]:
            stat = FileStat(1, 0, 0, 1, 1, 0o100644)
            return (Entry(f"{number * 7919 % 20_011:05}", False, stat, None) for number in range(20_011))

    batches = walk(Endless({}), rules(), batch_size=100, most_in_memory=1000)
    items = list(itertools.chain.from_iterable(batch.seen for batch in batches))
    assert paths(items) == [f"{number:05}" for number in range(20_011)]
