"""What every ignore filter promises. A plugin's author inherits the suite and names a few paths:

class TestMyFilter(IgnoreFilterContract):
    @pytest.fixture
    def part(self) -> PartRef:
        return PartRef("my_plugin", "MyFilter", {"option": 1})

    @pytest.fixture
    def ignored(self) -> list[str]:
        return ["cache/", "cache/a.jpg"]

    @pytest.fixture
    def kept(self) -> list[str]:
        return ["a.jpg"]
"""

from __future__ import annotations

import importlib
import pickle

import pytest

from treeledger.ignoring import IGNORE_FILE_NAME, Rules
from treeledger.model import FileStat
from treeledger.names import stored_from_bytes
from treeledger.protocols import DirectoryFilter, IgnoreFilter, PartRef, Verdict

ODD_NAMES = [
    stored_from_bytes(name)
    for name in (b"\xff\xfe", b"a\nb", b"-rf", b" ", b"\\", b"[", b"~", b"%s", "é\u202e".encode(), b"x" * 255)
]


def no_files(path: str) -> str | None:
    return None


def broken_files(path: str) -> str | None:
    raise PermissionError(13, "Permission denied", path)


def build(part: PartRef) -> IgnoreFilter:
    """The filter, built as a worker does, from a reference that has been through a pipe."""
    part = pickle.loads(pickle.dumps(part))
    made = getattr(importlib.import_module(part.location), part.attribute)(**part.options)
    assert isinstance(made, IgnoreFilter)
    return made


class IgnoreFilterContract:
    """Paths are stored paths; those of directories end with "/"."""

    @pytest.fixture
    def part(self) -> PartRef:
        raise NotImplementedError("a reference to the filter, with its options")

    @pytest.fixture
    def ignored(self) -> list[str]:
        raise NotImplementedError("paths that the filter ignores in a tree without ignore files")

    @pytest.fixture
    def kept(self) -> list[str]:
        raise NotImplementedError("paths that it does not ignore there")

    @pytest.fixture
    def filter(self, part: PartRef) -> IgnoreFilter:
        return build(part)

    def test_is_built_from_plain_data(self, part: PartRef, ignored: list[str], kept: list[str]) -> None:
        first, second = (Rules([build(part)], no_files) for _ in range(2))
        for path in ignored + kept:
            assert _verdict(first, path) == _verdict(second, path)

    def test_ignores_and_names_the_rule(self, filter: IgnoreFilter, ignored: list[str]) -> None:
        rules = Rules([filter], no_files)
        for path in ignored:
            verdict = _verdict(rules, path)
            assert verdict is not None, path
            assert verdict.ignored, path
            assert verdict.rule, path
            assert verdict.source, path

    def test_keeps_the_rest(self, filter: IgnoreFilter, kept: list[str]) -> None:
        rules = Rules([filter], no_files)
        for path in kept:
            verdict = _verdict(rules, path)
            assert verdict is None or not verdict.ignored, path

    def test_lists_every_rule_that_decides(
        self, filter: IgnoreFilter, ignored: list[str], kept: list[str]
    ) -> None:
        rules = Rules([filter], no_files)
        verdicts = {_verdict(rules, path) for path in ignored + kept} - {None}
        assert verdicts <= set(rules.in_effect())

    def test_answers_for_every_name(self, filter: IgnoreFilter) -> None:
        directory = filter.root(no_files)
        for name in ODD_NAMES:
            for is_directory in (False, True):
                first = directory.check(name, is_directory)
                assert directory.check(name, is_directory) == first
            below = directory.below(name)
            assert isinstance(below, DirectoryFilter)
            below.check(name, False)

    def test_speaks_where_a_rule_decides_among_others(
        self, filter: IgnoreFilter, ignored: list[str], kept: list[str]
    ) -> None:
        """`speaks` may say yes without need, and never no where `check` has a verdict."""
        for path in ignored + kept:
            directory = filter.root(no_files)
            *above, name = path.rstrip("/").split("/")
            for folder in above:
                if directory.check(folder, True) is not None:
                    assert directory.speaks([f"{folder}/"])
                directory = directory.below(folder)
            if directory.check(name, path.endswith("/")) is not None:
                entry = name + path[len(path.rstrip("/")) :]
                assert directory.speaks([entry])
                assert directory.speaks(["a", entry, "b/"])

    def test_goes_as_deep_as_paths_can(self, filter: IgnoreFilter) -> None:
        directory = filter.root(no_files)
        for _ in range(2047):
            directory = directory.below("d")
        directory.check("f", False)

    def test_an_unreadable_ignore_file_breaks_nothing(self, filter: IgnoreFilter, kept: list[str]) -> None:
        rules = Rules([filter], broken_files)
        for path in kept:
            verdict = _verdict(rules, path)
            assert verdict is None or not verdict.ignored, path
        for problem in filter.problems:
            assert problem.message
            assert problem.path == "" or problem.path.endswith(IGNORE_FILE_NAME)

    def test_forgets_the_problems_of_ignore_files_when_the_root_is_asked_again(
        self, filter: IgnoreFilter
    ) -> None:
        configured = list(filter.problems)
        filter.root(broken_files).below("d")
        filter.root(no_files)
        assert list(filter.problems) == configured

    def test_says_of_a_stat_no_more_than_that_it_ignores(self, filter: IgnoreFilter, kept: list[str]) -> None:
        for size in (0, 1, 2**62):
            verdict = filter.check_stat(kept[0], FileStat(size, 0, 0, 1, 1, 0o100644))
            assert verdict is None or (verdict.rule and verdict.source)


def _verdict(rules: Rules, path: str) -> Verdict | None:
    return rules.verdict(path.rstrip("/"), path.endswith("/"))
