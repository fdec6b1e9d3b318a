"""Rules are asked top-down, an ignored directory decides for all below, and our own files are never seen."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pathspec.patterns.gitignore.base import GitIgnorePatternError

from treeledger.config.settings import FilterSettings, IgnoreSettings, RepositorySettings, Size
from treeledger.errors import ConfigurationError
from treeledger.ignoring import IGNORE_FILE_NAME, OWN_FILES, Rules, is_ignore_file
from treeledger.model import FileStat, ProblemCode
from treeledger.names import stored_from_bytes
from treeledger.plugins.gitignore import ignore_filters, rules
from treeledger.plugins.gitignore.kinds import KindRules
from treeledger.plugins.gitignore.name_rules import NameRules
from treeledger.plugins.gitignore.translate import EntryPattern, trimmed
from treeledger.protocols import Entry, Verdict


@dataclass
class Files:
    """Ignore files by the directory they lie in, and which of them were read."""

    texts: Mapping[str, str] = field(default_factory=dict)
    read: list[str] = field(default_factory=list)

    def __call__(self, path: str) -> str | None:
        self.read.append(path)
        return self.texts.get(path.removesuffix(IGNORE_FILE_NAME).rstrip("/"))


def names_only(files: Mapping[str, str] | None = None, **options: Any) -> Rules:
    return Rules([NameRules(builtin=False, **options)], Files(files or {}))


def is_ignored(rules: Rules, path: str) -> bool:
    verdict = rules.verdict(path.rstrip("/"), path.endswith("/"))
    return verdict is not None and verdict.ignored


def stat_of_size(size: int) -> FileStat:
    return FileStat(size, 0, 0, 1, 1, 0o100644)


# --- which rule decides --------------------------------------------------------------------------

BY_DEFAULT = [
    *(".hidden", "a/.hidden/b.jpg", "letter.odt~", "x.tmp", "x.temp", "x.bak", ".x.swp", "x.swp", "x.swo"),
    *(".DS_Store", "a/Thumbs.db", "a/desktop.ini", ".treeledgerignore"),
]


@pytest.mark.parametrize("path", BY_DEFAULT)
def test_the_built_in_list_ignores(path: str) -> None:
    verdict = Rules([NameRules()], Files()).verdict(path)
    assert verdict is not None
    assert verdict.ignored
    assert verdict.source == "built-in"
    assert not is_ignored(names_only(), path)


@pytest.mark.parametrize(
    ("preset", "ignored", "kept"),
    [
        (
            "lumilio",
            [".lumilio/", ".lumilio/assets/1.jpg", "inbox/", "inbox/2/x.jpg"],
            ["2019/inbox/", "2019/inbox/x.jpg", "inbox"],
        ),
        (
            "synology",
            ["@eaDir/", "a/@eaDir/b.jpg/SYNOPHOTO_THUMB_M.jpg", "#recycle/", "a/#recycle/b"],
            ["#1.jpg"],
        ),
        (
            "nextcloud",
            [
                *(
                    "alice/files_trashbin/",
                    "alice/files_versions/x",
                    "alice/uploads/web-file/1",
                    "uploads/1/2",
                ),
                "alice/files/0cc175b9c0f1b6a831c399e269772661.ocTransferId123.part",
            ],
            ["alice/files/uploads/x.jpg", "files/uploads/x.jpg", "alice/files/x.part"],
        ),
    ],
)
def test_presets_ignore_what_their_systems_write(preset: str, ignored: list[str], kept: list[str]) -> None:
    rules = names_only(presets=[preset])
    assert [path for path in ignored if not is_ignored(rules, path)] == []
    assert [path for path in kept if is_ignored(rules, path)] == []
    assert {verdict.source for verdict in rules.in_effect()} == {f"preset {preset}"}


def test_an_unknown_preset_is_an_error_that_names_the_nearest() -> None:
    with pytest.raises(ConfigurationError, match="did you mean synology"):
        NameRules(presets=["sinology"])


def test_the_last_match_wins_and_deeper_files_come_later() -> None:
    files = {"": "*.log\n", "a": "# ours\n\n!*.log\n", "a/b": "/x.log\n"}
    rules = names_only(files, patterns=["!y.log"])
    assert rules.verdict("y.log") == Verdict(True, "*.log", ".treeledgerignore:1")
    assert rules.verdict("a/x.log") == Verdict(False, "!*.log", "a/.treeledgerignore:3")
    assert rules.verdict("a/b/x.log") == Verdict(True, "/x.log", "a/b/.treeledgerignore:1")
    assert rules.verdict("a/b/c/x.log") == Verdict(False, "!*.log", "a/.treeledgerignore:3")
    assert rules.verdict("x.jpg") is None


def test_a_rule_of_the_configuration_says_so() -> None:
    assert names_only(patterns=["*.lrdata/"]).verdict("c.lrdata", True) == Verdict(
        True, "*.lrdata/", "ignore.patterns"
    )


def test_a_directory_is_pruned_only_if_it_is_ignored_itself() -> None:
    rules = names_only(patterns=["d/**", "!d/keep"])
    assert not is_ignored(rules, "d/")
    assert is_ignored(rules, "d/x")
    assert not is_ignored(rules, "d/keep")


def test_an_ignored_directory_decides_for_all_below() -> None:
    files = Files({"d": "!*\n"})
    rules = Rules([NameRules(builtin=False, patterns=["d/", "!d/keep"])], files)
    assert rules.verdict("d/keep") == rules.verdict("d/e/f") == Verdict(True, "d/", "ignore.patterns")
    assert files.read == [IGNORE_FILE_NAME]


def test_files_in_the_tree_can_be_left_unread() -> None:
    files = Files({"": "*\n"})
    assert Rules([NameRules(files=False)], files).verdict("a") is None
    assert files.read == []


def test_only_one_slash_at_the_end_means_a_directory() -> None:
    rules = names_only(patterns=["a/", "b//", "c**//"])
    assert [path for path in ("a/", "x/a/", "b/", "x/b/", "c/", "x/c/") if is_ignored(rules, path)] == [
        *("a/", "x/a/", "c/")
    ]


def test_names_that_are_no_text_are_matched() -> None:
    name = stored_from_bytes(b"caf\xe9.jpg")
    assert is_ignored(names_only(patterns=["caf?.jpg"]), name)
    assert is_ignored(names_only(patterns=[name]), name)
    assert not is_ignored(names_only(patterns=["café.jpg"]), name)
    assert is_ignored(names_only(patterns=["a*b"]), "a\nb")
    assert not is_ignored(names_only(patterns=["a"]), "a\n")


# --- several filters, own files ------------------------------------------------------------------


def test_what_one_filter_ignores_is_ignored() -> None:
    rules = Rules([NameRules(patterns=["!*.txt"]), KindRules(types=["image/*"])], Files())
    assert rules.verdict("a.txt") == Verdict(True, "types image/*", "filter")
    assert rules.verdict("a.jpg") is None
    assert rules.verdict("a.txt", True) == Verdict(False, "!*.txt", "ignore.patterns")


@pytest.mark.parametrize(
    "path", ["db/ledger.db", "db/ledger.db-wal", "db/ledger.db.lock", "db/ledger.db.backup-3/x", "run/socket"]
)
def test_our_own_files_are_ignored_whatever_the_rules_say(path: str) -> None:
    rules = Rules([NameRules(patterns=["!*"])], Files(), own=["db/ledger.db", "run/"])
    verdict = rules.verdict(path)
    assert verdict is not None
    assert verdict.ignored
    assert verdict.source == OWN_FILES


def test_other_files_beside_our_own_are_seen() -> None:
    rules = Rules([], Files(), own=["db/ledger.db"])
    assert not any(is_ignored(rules, path) for path in ("db/", "db/x", "ledger.db", "x/db/ledger.db"))


# --- single paths --------------------------------------------------------------------------------


def test_many_paths_of_few_directories_read_few_files() -> None:
    files = Files()
    rules = Rules([NameRules()], files)
    for number in range(1000):
        rules.verdict(f"2019/summer/{number}.jpg")
    assert len(files.read) == len({"", "2019", "2019/summer"})


def test_forget_reads_a_changed_file_again() -> None:
    texts = {"a": "x\n"}
    rules = names_only(texts)
    assert is_ignored(rules, "a/x")
    texts["a"] = "y\n"
    rules.forget()
    assert not is_ignored(rules, "a/x")
    assert is_ignored(rules, "a/y")


def test_more_directories_than_are_kept_are_answered_alike() -> None:
    rules = names_only({"d0": "x\n", "d4999": "x\n"})
    assert [n for n in (*range(5000), 0) if is_ignored(rules, f"d{n}/x")] == [0, 4999, 0]


@given(
    st.lists(st.sampled_from(["a", "!a", "b/", "!b/", "*.t", "!*.t", "/c", "b/*", "!b/a", "*"]), max_size=5),
    st.lists(st.sampled_from(["a", "!a", "x.t", "!*"]), max_size=2),
)
def test_files_of_one_directory_are_judged_together_as_each_alone(
    patterns: list[str], below: list[str]
) -> None:
    texts = {f"b/{IGNORE_FILE_NAME}": "\n".join(below)}
    together, alone = (
        Rules([NameRules(builtin=False, patterns=patterns)], texts.get, ["b/own.db"]) for _ in range(2)
    )
    names = ["a", "b", "c", "x.t", "own.db-wal"]
    for directory in ("", "b", "b/d", "e"):
        verdicts = {name: alone.verdict(f"{directory}/{name}".lstrip("/")) for name in names}
        ignored = {name: one for name, one in verdicts.items() if one is not None and one.ignored}
        assert together.ignored(directory, names) == ignored


def test_the_root_is_never_ignored() -> None:
    assert names_only(patterns=["*"]).verdict("", True) is None


def test_an_ignore_file_is_known_by_its_name() -> None:
    assert is_ignore_file(".treeledgerignore")
    assert is_ignore_file("a/b/.treeledgerignore")
    assert not is_ignore_file("a.treeledgerignore")
    assert not is_ignore_file("a/.treeledgerignore/b")


def test_every_rule_is_listed_with_its_source() -> None:
    names, kinds = NameRules(builtin=False, patterns=["!a", "b/"]), KindRules(min_size=100_000)
    assert Rules([names, kinds], Files({"": "c\n"}), own=["ledger.db"]).in_effect() == [
        Verdict(True, "ledger.db*", OWN_FILES),
        Verdict(False, "!a", "ignore.patterns"),
        Verdict(True, "b/", "ignore.patterns"),
        Verdict(True, "c", ".treeledgerignore:1"),
        Verdict(True, "min_size 100 kB", "filter"),
    ]


# --- bad rules -----------------------------------------------------------------------------------


@pytest.mark.parametrize("bad", ["[a", "a\\", "/", "!", "[[:nope:]]", "[/]", "a/[/]", "\udcff"])
def test_a_bad_rule_is_a_problem_and_the_others_hold(bad: str) -> None:
    rules = names_only(patterns=[bad, "x"])
    assert is_ignored(rules, "x")
    assert len(rules.in_effect()) == 1
    [problem] = rules.problems
    assert (problem.path, problem.code) == ("", ProblemCode.BAD_IGNORE_RULE)
    assert problem.message.startswith("ignore.patterns: ")


def test_the_problems_of_an_ignore_file_end_with_it() -> None:
    texts = {"a": "x\n[y\nz\\\n"}
    rules = names_only(texts)
    assert is_ignored(rules, "a/x")
    [problem] = rules.problems
    assert problem.path == "a/.treeledgerignore"
    assert "a/.treeledgerignore:2: [y" in problem.message
    assert "a/.treeledgerignore:3: z\\" in problem.message
    texts["a"] = "x\n"
    rules.forget()
    assert is_ignored(rules, "a/x")
    assert rules.problems == []


def test_an_unreadable_ignore_file_is_a_problem() -> None:
    def denied(path: str) -> str | None:
        raise PermissionError(13, "Permission denied")

    rules = Rules([NameRules()], denied)
    assert rules.verdict("a.jpg") is None
    assert [(problem.path, problem.code) for problem in rules.problems] == [
        (IGNORE_FILE_NAME, ProblemCode.UNREADABLE)
    ]


# --- kinds ---------------------------------------------------------------------------------------

PHOTOGRAPHS = [
    "jpg",
    "jpeg",
    "png",
    "gif",
    "heic",
    "dng",
    "cr2",
    "cr3",
    "nef",
    "arw",
    "raf",
    "orf",
    "rw2",
    "tif",
    "webp",
]


@pytest.mark.parametrize("ending", PHOTOGRAPHS)
def test_photographs_are_images(ending: str) -> None:
    rules = Rules([KindRules(types=["image/*"])], Files())
    assert not is_ignored(rules, f"a.{ending}")
    assert not is_ignored(rules, f"a.b.{ending.upper()}")


def test_the_types_of_other_files() -> None:
    def kept(pattern: str, *names: str) -> list[str]:
        rules = Rules([KindRules(types=[pattern])], Files())
        return [name for name in names if not is_ignored(rules, name)]

    names = ("a.mp4", "a.mov", "a.tar.gz", "a.TXT", "unknown", "a.unheard", "folder.txt/")
    assert kept("video/*", *names) == ["a.mp4", "a.mov", "folder.txt/"]
    assert kept("VIDEO/MP4", *names) == ["a.mp4", "folder.txt/"]
    assert kept("text/plain", *names) == ["a.TXT", "folder.txt/"]
    assert kept("application/gzip", *names) == ["a.tar.gz", "folder.txt/"]
    assert kept("application/octet-stream", *names) == ["unknown", "a.unheard", "folder.txt/"]
    assert kept("*/*", *names) == list(names)


def test_a_type_that_no_file_has_is_an_error() -> None:
    with pytest.raises(ConfigurationError, match=r"image/\*"):
        KindRules(types=["image"])


def test_small_files_are_ignored_by_their_stat() -> None:
    rules = Rules([NameRules(), KindRules(min_size=1000)], Files())
    assert rules.verdict("a") is None
    assert rules.check_stat("a", stat_of_size(999)) == Verdict(True, "min_size 1.0 kB", "filter")
    assert rules.check_stat("a", stat_of_size(1000)) is None


def test_other_names_of_own_files_are_ignored_also_where_two_file_systems_number_them_alike() -> None:
    own = Rules([], Files(), own_inodes=[(1, 5), (2, 5)])
    at = [
        stat_of_size(1)._replace(file_system=system, inode=inode) for system in (1, 2, 3) for inode in (5, 6)
    ]
    judged = [own.check_stat("a", stat) is not None for stat in at]
    assert judged == [True, False, True, False, False, False]
    assert own.may_judge([Entry("a", False, at[0], None)])
    assert not own.may_judge([Entry("a", False, at[1], None), Entry("d", True, None, None)])


def test_settings_become_plain_references() -> None:
    settings = RepositorySettings(
        ignore=IgnoreSettings(builtin=False, presets=("synology",), patterns=("x",), files=False),
        filter=FilterSettings(types=("image/*",), min_size=Size(5)),
    )
    tables: Any = None  # not looked at
    names, kinds = ignore_filters(tables, settings)
    assert names.options == {"builtin": False, "presets": ("synology",), "patterns": ("x",), "files": False}
    assert kinds.options == {"types": ("image/*",), "min_size": 5}
    assert type(kinds.options["min_size"]) is int
    assert len(ignore_filters(tables, RepositorySettings())) == 1


# --- expressions ---------------------------------------------------------------------------------

GLOBS = st.text(alphabet="ab*?[]!^-\\/ .{}()|+$&~#:\t\n\r\0é\U0010ffe9", max_size=12)
TEXTS = st.lists(st.text(alphabet="ab-.]\\ \n\té\U0010ffe9", min_size=1, max_size=4), min_size=1, max_size=3)


@given(st.lists(GLOBS, min_size=1, max_size=5), TEXTS, st.booleans())
@example(["[\\]-a&&~|--[]"], ["a"], False)
@example(["\\" + chr(code) for code in range(128) if chr(code) != "/"], ["\t"], False)
@example([chr(code) for code in range(128) if chr(code) not in "\\/[!"], ["#"], True)
def test_re_and_re2_agree(globs: list[str], parts: list[str], is_directory: bool) -> None:
    assert rules.re2 is not None
    expressions = tuple(expression for glob in globs if (expression := _expression(glob)))
    text = "/".join(parts) + "/" * is_directory
    by_re2 = rules.with_re2(rules.re2, expressions)(text) or [-1] if expressions else [-1]
    by_re = rules.with_re(expressions)(text) or [-1] if expressions else [-1]
    assert max(by_re2) == max(by_re)


@given(st.lists(GLOBS, min_size=1, max_size=5), TEXTS, st.lists(st.tuples(TEXTS, st.booleans()), max_size=4))
@example(["*.tmp"], ["a.tmp"], [(["a\nb"], False)])
@example(["?b"], ["\nb"], [])
def test_no_line_matches_of_a_text_that_may_not_match(
    globs: list[str], parts: list[str], others: list[tuple[list[str], bool]]
) -> None:
    """However the text goes on before and after: that is how a whole directory is spared."""
    expressions = tuple(expression for glob in globs if (expression := _expression(glob)))
    lines = ["/".join(some) + "/" * is_directory for some, is_directory in others]
    for text in ("/".join(parts), "/".join(parts) + "/"):
        if expressions and rules.with_re(expressions)(text):
            for place in range(len(lines) + 1):
                assert rules.searched(expressions)("\n".join([*lines[:place], text, *lines[place:]]))


def _expression(glob: str) -> str | None:
    try:
        return EntryPattern.pattern_to_regex(glob)[0]
    except GitIgnorePatternError:
        return None


@given(TEXTS, st.booleans())
def test_an_escaped_path_matches_itself_only(parts: list[str], is_directory: bool) -> None:
    path = "/".join(parts)
    expression, ignores = EntryPattern.pattern_to_regex(
        "/" + "".join("\\" + c if c != "/" else c for c in path)
    )
    assert expression is not None
    assert ignores
    assert re.fullmatch(expression, path + "/" * is_directory)
    assert not re.fullmatch(expression, path + "/below")
    assert not re.fullmatch(expression, "above/" + path)
    assert not re.fullmatch(expression, path + "x")


@given(st.text(alphabet="a\\ \t", max_size=8))
def test_trimming_ends_at_once(line: str) -> None:
    text = trimmed(line)
    assert trimmed(text) == text
    assert line[len(text) :].strip(" ") == ""


def test_more_rules_than_re2_takes_still_hold() -> None:
    rules = names_only(patterns=[f"[ab]?{'x' * 40}{number}*" for number in range(3000)])
    assert is_ignored(rules, "a1" + "x" * 40 + "2999z")
    assert not is_ignored(rules, "c1" + "x" * 40 + "2999z")


def test_without_re2_the_rules_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "re2", None)
    rules.compiled.cache_clear()
    plain = names_only(patterns=["*.tmp", "!keep.tmp", "/a/**/c", "d/"])
    assert [path for path in ("x.tmp", "keep.tmp", "a/c", "a/b/c", "d", "d/") if is_ignored(plain, path)] == [
        *("x.tmp", "a/c", "a/b/c", "d/")
    ]
    rules.compiled.cache_clear()
