"""The gitignore plugin keeps the contract of ignore filters, and decides as git does."""

from __future__ import annotations

import os
import random
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest

from treeledger.ignoring import IGNORE_FILE_NAME, Rules
from treeledger.plugins.gitignore.name_rules import NameRules
from treeledger.protocols import PartRef
from treeledger.testing.filters import IgnoreFilterContract


class TestNameRules(IgnoreFilterContract):
    @pytest.fixture
    def part(self) -> PartRef:
        options = {"presets": ("synology",), "patterns": ("*.lrdata/", "!.nomedia", "/a/**/c", "[x")}
        return PartRef("treeledger.plugins.gitignore.name_rules", "NameRules", options)

    @pytest.fixture
    def ignored(self) -> list[str]:
        return [".hidden", "a/b/.hidden", "x/@eaDir/", "x/@eaDir/y.jpg", "cat.lrdata/1/2.db", "a/c", "a/b/c"]

    @pytest.fixture
    def kept(self) -> list[str]:
        return ["a.jpg", "x/y/z.jpg", "x/.nomedia", "cat.lrdata", "b/a/c"]


class TestKindRules(IgnoreFilterContract):
    @pytest.fixture
    def part(self) -> PartRef:
        options = {"types": ("image/*", "video/*"), "min_size": 100_000}
        return PartRef("treeledger.plugins.gitignore.kinds", "KindRules", options)

    @pytest.fixture
    def ignored(self) -> list[str]:
        return ["notes.txt", "x/y.pdf", "x/no ending", "raw"]

    @pytest.fixture
    def kept(self) -> list[str]:
        return ["a.jpg", "x/A.JPG", "x/b.CR3", "c.nef", "d.heic", "x/e.mp4", "notes.txt/"]


# --- against git ---------------------------------------------------------------------------------

NAMES = (
    "a",
    "b",
    "c",
    "ab",
    "abc",
    "ba",
    "a.b",
    "a b",
    "a ",
    "#a",
    "!a",
    "[a]",
    "a]",
    "-",
    "\\",
    "a\\b",
    "*",
    "\t",
)
PIECES = (
    *("a", "b", "c", "ab", ".", "*", "*", "*", "**", "***", "?", "?", "-", "]", "#", "!", "\t"),
    *("[ab]", "[!a]", "[^b]", "[a-c]", "[c-a]", "[]a]", "[!]a]", "[a-]", "[-a]", "[a", "[", "[]", "[!"),
    *(
        "[[:alpha:]]",
        "[![:alpha:]#]",
        "[[:nope:]]",
        "[[:alpha]",
        "[[:]",
        "[a/b]",
        "[/]",
        "[+-9]",
        "[\\]]",
        "[\\a-c]",
    ),
    *("\\a", "\\*", "\\?", "\\[", "\\#", "\\!", "\\\\", "\\", "\\/", "/", "//", " ", "\\ "),
)


class Case(NamedTuple):
    """One tree: its paths, those of directories with "/" at the end, and the texts of its ignore files."""

    paths: list[str]
    files: dict[str, str]


def random_pattern(rng: random.Random) -> str:
    segments = [random_segment(rng) for _ in range(rng.choice((1, 1, 1, 2, 2, 3)))]
    start = rng.choice(("", "", "", "/")) if rng.random() < 0.9 else rng.choice(("#", "**/", " ", "//"))
    end = rng.choice(("", "", "", "/", "/**", "/*", " ", "  ", "\\ ", "\\  ", "\t", "\r", "//", "**/"))
    return ("!" if rng.random() < 0.3 else "") + start + "/".join(segments) + end


def random_segment(rng: random.Random) -> str:
    if rng.random() < 0.5:
        return rng.choice((*NAMES[:8], "*", "**", "a*", "*b", "a**", "?", "***"))
    return "".join(rng.choices(PIECES, k=rng.choice((1, 1, 2, 2, 3, 4))))


def random_case(rng: random.Random) -> Case:
    directories = [""]
    for _ in range(rng.randint(3, 9)):
        directories.append(rng.choice(directories) + rng.choice(NAMES) + "/")
    paths = {path for path in directories if path}
    for _ in range(rng.randint(8, 20)):
        path = rng.choice(directories) + rng.choice(NAMES)
        if path + "/" not in paths:
            paths.add(path)
    files = {}
    for directory in sorted({"", *rng.choices(directories, k=2)}):
        lines = [random_pattern(rng) for _ in range(rng.randint(1, 6))]
        files[directory] = rng.choice(("", "\ufeff")) + "\n".join(lines) + rng.choice(("", "\n"))
    return Case(sorted(paths), files)


def decided_by_git(folder: Path, cases: list[Case]) -> list[list[tuple[str, str, bool]]]:
    """For each path of each case the place and the text of the rule that git lets decide."""
    for number, case in enumerate(cases):
        root = folder / str(number)
        root.mkdir()
        for path in case.paths:
            if path.endswith("/"):
                (root / path).mkdir(parents=True, exist_ok=True)
            else:
                (root / path).touch()
        for directory, text in case.files.items():
            (root / directory / ".gitignore").write_bytes(text.encode())
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "GIT_CONFIG_NOSYSTEM": "1"}
    git = ["git", "-C", str(folder), "-c", "core.excludesFile=/dev/null"]
    subprocess.run([*git, "init", "-q", "."], env=environment, check=True)
    asked = [f"{number}/{path}".rstrip("/") for number, case in enumerate(cases) for path in case.paths]
    answer = subprocess.run(
        [*git, "check-ignore", "--no-index", "--stdin", "-z", "-v", "-n"],
        input="\0".join(asked).encode(),
        env=environment,
        stdout=subprocess.PIPE,
        check=False,
    )
    assert answer.returncode in (0, 1)
    fields = answer.stdout.decode().split("\0")
    assert fields[3::4] == asked
    decisions = iter(zip(fields[0::4], fields[1::4], fields[2::4], strict=False))
    return [[_git_decision(*next(decisions)) for _ in case.paths] for case in cases]


def _git_decision(source: str, line: str, pattern: str) -> tuple[str, str, bool]:
    place = source.partition("/")[2]
    return (f"{place}:{line}" if source else "", pattern, bool(pattern) and not pattern.startswith("!"))


def decided_by_us(case: Case) -> list[tuple[str, str, bool]]:
    texts = {directory + IGNORE_FILE_NAME: text for directory, text in case.files.items()}
    rules = Rules([NameRules(builtin=False)], texts.get)
    verdicts = [rules.verdict(path.rstrip("/"), path.endswith("/")) for path in case.paths]
    return [
        (verdict.source.replace(IGNORE_FILE_NAME, ".gitignore"), verdict.rule, verdict.ignored)
        if verdict
        else ("", "", False)
        for verdict in verdicts
    ]


def differences(folder: Path, seed: int, count: int) -> tuple[int, int, list[str]]:
    """How many paths were asked about, how many of them a rule decides, and where git differs from us."""
    rng = random.Random(seed)
    cases = [random_case(rng) for _ in range(count)]
    asked = decided = 0
    found = []
    for case, expected in zip(cases, decided_by_git(folder, cases), strict=True):
        asked += len(case.paths)
        decided += sum(source != "" for source, _, _ in expected)
        for path, git, ours in zip(case.paths, expected, decided_by_us(case), strict=True):
            if git != ours:
                found.append(f"{path!r}: git {git}, we {ours}; {case.files}")
    return asked, decided, found


def test_decides_as_git_does(tmp_path: Path) -> None:
    asked, decided, found = differences(tmp_path, seed=20261120, count=200)
    assert not found, "\n".join(found[:5])
    assert asked > 2000
    assert decided > asked // 4  # the comparison means something


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", [0, 1, *(pytest.param(n, marks=pytest.mark.stress) for n in range(2, 10))])
def test_decides_as_git_does_in_many_trees(tmp_path: Path, seed: int) -> None:
    _, _, found = differences(tmp_path, seed, count=1000)
    assert not found, "\n".join(found[:5])
