"""Ignore patterns through the API: what others would change, and writing them with comments kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest
from configured import configured
from hypothesis import given
from hypothesis import strategies as st
from support import tree_on, until

from treeledger import ignore_preview, walk
from treeledger.client import Client
from treeledger.engine.engine import Engine
from treeledger.errors import RepositoryNotFound, RootOffline, UsageError
from treeledger.ignore_patterns import proposed_settings
from treeledger.ignore_preview import Effect, Place, preview, scope
from treeledger.ignoring import DirectoryRules, Rules
from treeledger.ledger import Ledger
from treeledger.plugins.gitignore.name_rules import NameRules
from treeledger.protocols import FileQuery
from treeledger.wire_ignore import IgnorePreview, Of, RuleEffect

pytestmark = pytest.mark.anyio
FILE = """# my ledger
[defaults.ignore]
patterns = [
    "*.lrdata/",  # previews
    # the old camera
    "*.raw",
]

[[repositories]]
name = "photos"  # the family's
root = "{root}"
reconciliation = {{ startup_scan = {startup} }}  # why
"""
TREE = {
    "2024/a.jpg": 1,
    "2024/b.jpg": 2,
    "2024/c.raw": 4,
    "2024/x.lrdata/preview": 8,
    "2024/x.lrdata/deep/preview": 16,
    "2025/a.jpg": 32,
    "2025/a.tmp": 64,
    "notes.txt": 128,
}


class Live(NamedTuple):
    ledger: Ledger
    engine: Engine
    client: Client
    file: Path
    root: Path

    async def present(self, name: str = "photos") -> list[str]:
        repository = await self.ledger.repository(name)
        return sorted([one.path async for one in self.ledger.files(FileQuery(repository.id))])

    async def until_present(self, *paths: str) -> None:
        async def is_so() -> bool:
            return await self.present() == sorted(paths)

        await until(is_so, f"present: {paths}")

    async def preview(self, patterns: list[str], of: Of = "repository") -> list[IgnorePreview]:
        """Every portion."""
        portions = [await self.client.preview_ignore("photos", patterns, of=of)]
        while (after := portions[-1].next) is not None:
            portions.append(await self.client.preview_ignore("photos", patterns, of=of, after=after))
        return portions


@pytest.fixture(params=["true"])
async def live(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Live]:
    root = tmp_path / "photos"
    for path, size in TREE.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(b"x" * size)
    (root / ".hidden").mkdir()
    file = tmp_path / "plugins.toml"
    async with (
        configured(file, FILE.format(root=root, startup=request.param)) as [ledger, engine, address],
        Client(address) as client,
    ):
        live = Live(ledger, engine, client, file, root)
        await ledger.trigger_reconciliation("photos")
        await live.until_present("2024/a.jpg", "2024/b.jpg", "2025/a.jpg", "notes.txt")
        yield live


def sums(effects: Sequence[RuleEffect | Effect]) -> dict[str, tuple[int, int]]:
    """Files and bytes by rule, of any number of portions."""
    files: Counter[str] = Counter()
    sizes: Counter[str] = Counter()
    for one in effects:
        files[one.rule] += one.files
        sizes[one.rule] += one.bytes
    return {rule: (files[rule], sizes[rule]) for rule in files}


async def hidden_and_revealed(
    live: Live, patterns: list[str], of: Of = "repository"
) -> tuple[dict[str, tuple[int, int]], dict[str, tuple[int, int]]]:
    portions = await live.preview(patterns, of)
    hides = [one for portion in portions for one in portion.hides]
    reveals = [one for portion in portions for one in portion.reveals]
    return sums(hides), sums(reveals)


async def test_a_preview_tells_by_rules_what_is_hidden_and_what_is_revealed(live: Live) -> None:
    hides, reveals = await hidden_and_revealed(live, ["/2024/", "*.txt", "!*.tmp"])
    assert hides == {"/2024/": (2, 3), "*.txt": (1, 128)}
    assert reveals == {"*.tmp": (1, 64)}
    first, *_ = await live.preview(["/2024/"])
    assert (first.records, first.files, first.next) == (4, 0, None), "nothing can be revealed"
    assert first.hides[0].examples == ["2024/a.jpg", "2024/b.jpg"]
    assert first.hides[0].source == "ignore.patterns"


async def test_what_lies_below_a_revealed_folder_is_told_by_the_rule_that_hides_it_now(live: Live) -> None:
    hides, reveals = await hidden_and_revealed(live, ["*.raw"], "defaults")
    assert (hides, reveals) == ({}, {"*.lrdata/": (2, 24)})
    assert await hidden_and_revealed(live, [], "defaults") == ({}, {"*.lrdata/": (2, 24), "*.raw": (1, 4)})


async def test_portions_add_up_to_the_whole(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    patterns = ["/2024/", "*.txt", "!*.tmp", "!*.raw", "!*.lrdata/"]
    whole = await hidden_and_revealed(live, patterns)
    monkeypatch.setattr(ignore_preview, "_SHORTEST", 0.0)
    monkeypatch.setattr(ignore_preview, "_RECORDS", 1)
    portions = await live.preview(patterns)
    assert len(portions) > 5
    assert await hidden_and_revealed(live, patterns) == whole
    assert sum(one.records for one in portions) == 4


async def test_a_folder_is_judged_piece_by_piece(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many files it has: what is done at once holds up the engine."""
    for number in range(30):
        (live.root / f"{number}.tmp").write_text("x")
    asked: list[int] = []

    class Noted(DirectoryRules):
        def speaks(self, entries: Sequence[str]) -> bool:
            asked.append(len(entries))
            return super().speaks(entries)

    class Noting(Rules):
        def root(self) -> DirectoryRules:
            root = super().root()
            return Noted(root._filters, root._own)

    monkeypatch.setattr(ignore_preview, "Rules", Noting)
    monkeypatch.setattr(ignore_preview, "_ENTRIES", 4)
    monkeypatch.setattr(walk, "_SLICE", 4)
    assert await hidden_and_revealed(live, ["!*.tmp"]) == ({}, {"*.tmp": (31, 94)})
    assert max(asked) <= 5, "four entries, and a folder among them once more"


async def test_a_preview_writes_nothing_and_names_what_it_cannot_use(live: Live) -> None:
    before = live.file.read_text()
    with pytest.raises(UsageError, match=r"a\[ .*is not closed"):
        await live.client.preview_ignore("photos", ["*.txt", "a["])
    with pytest.raises(RepositoryNotFound):
        await live.client.preview_ignore("music", [])
    with pytest.raises(UsageError, match="after"):
        await live.client.preview_ignore("photos", [], after="nonsense")
    assert (await live.client.preview_ignore("photos", [])).next is None, "nothing is proposed"
    assert live.file.read_text() == before
    assert len(await live.present()) == 4


async def test_a_root_that_is_away_is_told(live: Live) -> None:
    live.root.rename(live.root.with_name("elsewhere"))
    with pytest.raises(RootOffline):
        await live.client.preview_ignore("photos", ["*.txt"])


@pytest.mark.parametrize("live", ["true", "false"], indirect=True)
async def test_patterns_are_written_with_comments_kept_and_hold_at_once(live: Live) -> None:
    before = live.file.read_text()
    own = await live.client.ignore_patterns("photos")
    assert (own.patterns, own.where) == ([], f"{live.file}, repository photos")
    written = await live.client.change_ignore_patterns(["*.txt"], before=[], repository="photos")
    assert written.patterns == ["*.txt"]
    await live.until_present("2024/a.jpg", "2024/b.jpg", "2025/a.jpg")
    text = live.file.read_text()
    assert [line for line in before.splitlines() if line not in text.splitlines()] == []

    for_all = await live.client.ignore_patterns()
    assert (for_all.patterns, for_all.where) == (["*.lrdata/", "*.raw"], f"{live.file} [defaults]")
    await live.client.change_ignore_patterns(["*.lrdata/"], before=["*.lrdata/", "*.raw"])
    await live.until_present("2024/a.jpg", "2024/b.jpg", "2025/a.jpg", "2024/c.raw")
    assert '"*.lrdata/",  # previews' in live.file.read_text()


async def test_patterns_of_what_is_not_declared_are_kept_in_the_store(live: Live, tmp_path: Path) -> None:
    (tmp_path / "music").mkdir()
    (tmp_path / "music/a.mp3").write_text("a")
    await live.client.add_repository(str(tmp_path / "music"), settings={"ignore": {"builtin": False}})
    before = live.file.read_text()
    written = await live.client.change_ignore_patterns(["*.mp3"], before=[], repository="music")
    assert (written.where, written.patterns) == ("repository music", ["*.mp3"])
    settings = (await live.client.repository("music")).settings
    assert settings == {"ignore": {"builtin": False, "patterns": ["*.mp3"]}}
    assert live.file.read_text() == before
    with pytest.raises(UsageError, match="somebody else"):
        await live.client.change_ignore_patterns([], before=[], repository="music")


async def test_what_others_wrote_meanwhile_is_not_overwritten(live: Live) -> None:
    changed = live.file.read_text().replace('    "*.raw",\n', '    "*.raw",\n    "theirs",\n')
    live.file.write_text(changed)
    with pytest.raises(UsageError, match="somebody else changed its patterns"):
        await live.client.change_ignore_patterns(["mine"], before=["*.lrdata/", "*.raw"])
    assert live.file.read_text() == changed


async def test_nothing_is_written_that_cannot_be_used(live: Live) -> None:
    before = live.file.read_text()
    for patterns, reason in ((["a["], "is not closed"), (["a\nb"], "line break")):
        with pytest.raises(UsageError, match=reason):
            await live.client.change_ignore_patterns(patterns, before=[], repository="photos")
    with pytest.raises(UsageError, match="length <= 1000"):
        await live.client.change_ignore_patterns(["a"] * 1001, before=[], repository="photos")
    live.file.chmod(0o666)
    with pytest.raises(UsageError, match="can be written by"):
        await live.client.change_ignore_patterns(["a"], before=[], repository="photos")
    assert live.file.read_text() == before


async def test_it_is_the_same_over_both_stores(tmp_path: Path, store_url: str) -> None:
    async with tree_on(tmp_path / "photos", store_url) as tree:
        for number in range(7):
            tree.write(f"{number}/a.{'tmp' if number % 2 else 'jpg'}", "x" * number)
        await tree.ledger.scan(tree.repository)
        now = tree.ledger.settings_of(tree.repository)
        proposed = proposed_settings(
            tree.ledger.configuration, tree.repository, ["/2/", "!*.tmp"], for_all=False
        )
        looks = scope(now.ignore.patterns, proposed.ignore.patterns)
        first = await preview(tree.ledger, tree.repository, proposed, Place("ledger"), looks)
        assert [(one.rule, one.files, one.bytes) for one in first.hides.values()] == [("/2/", 1, 2)]
        assert first.rest is not None
        revealed: list[Effect] = []
        place: Place | None = first.rest
        while place is not None:  # as far as the time of a portion goes
            then = await preview(tree.ledger, tree.repository, proposed, place, looks)
            revealed += then.reveals.values()
            place = then.rest
        assert sums(revealed) == {"*.tmp": (3, 9)}


PATTERNS = st.lists(
    st.sampled_from(["a", "!a", "b/", "!b/", "*.t", "!*.t", "/c", "!c", "*", "# a", "", "!b/a"]), max_size=5
)
PATHS = ["a", "b/a", "b/x.t", "c", "d/c", "x.t", "d/x", "b/c/a"]


@given(PATTERNS, PATTERNS)
def test_a_look_that_is_left_out_could_have_found_nothing(before: list[str], after: list[str]) -> None:
    looks = scope(before, after)
    now, then = (_ignored(patterns) for patterns in (before, after))
    assert looks.may_hide or not then - now
    assert looks.may_reveal or not now - then


def _ignored(patterns: list[str]) -> set[str]:
    rules = Rules([NameRules(builtin=False, patterns=patterns)], lambda path: None)
    return {path for path in PATHS if (verdict := rules.verdict(path)) is not None and verdict.ignored}
