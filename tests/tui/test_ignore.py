"""The page of ignore rules: on a real engine with a real plugins.toml, and its pure parts by tables."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest
from configured import configured
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from stage import Live, Stage, stage
from support import until

from treeledger.answers import RepositoryRule
from treeledger.ledger import Ledger
from treeledger.protocols import FileQuery
from treeledger.tui.app import Dashboard
from treeledger.tui.drafts import Draft
from treeledger.tui.ignore_texts import (
    Found,
    Rule,
    differences,
    effect_lines,
    progress_text,
    summary,
    with_origins,
)
from treeledger.tui.widgets.editor import Editor
from treeledger.wire_ignore import IgnorePreview, RuleEffect

pytestmark = pytest.mark.anyio
FILE = """# of the family
[defaults.ignore]
patterns = ["*.part"]

[[repositories]]
name = "photos"  # on the big disk
root = "{root}/photos"
ignore = {{ patterns = ["*.xmp"] }}

[[repositories]]
name = "scans"
root = "{root}/scans"
"""


class Family(NamedTuple):
    ledger: Ledger
    shown: Stage
    file: Path

    @property
    def editor(self) -> Editor:
        return self.shown.app.screen.query_one("#patterns", Editor)

    async def type(self, text: str) -> None:
        await self.shown.press(*("enter" if sign == "\n" else sign for sign in text))

    def insert(self, text: str) -> None:
        """As if it was pasted."""
        self.editor.insert(text)

    async def until_present(self, *paths: str) -> None:
        async def is_so() -> bool:
            repository = await self.ledger.repository("photos")
            found = [one.path async for one in self.ledger.files(FileQuery(repository.id))]
            return sorted(found) == sorted(paths)

        await until(is_so, f"present: {paths}")


@pytest.fixture
async def family(tmp_path: Path) -> AsyncIterator[Family]:
    for path in ("photos/a.jpg", "photos/b.jpg", "photos/c.raw", "photos/d.xmp", "scans/e.pdf"):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text("x" * 1000)
    file = tmp_path / "plugins.toml"
    async with configured(file, FILE.format(root=tmp_path)) as [ledger, _, address]:

        async def find() -> str:
            return address

        async with stage(Dashboard(find)) as shown:
            await shown.until(r"photos +● watching +3 ")
            await shown.press("5")
            await shown.until(r"▸ \*\.xmp +hides +photos")
            yield Family(ledger, shown, file)


async def test_what_is_typed_is_judged_at_once_and_written_once_it_is_meant(family: Family) -> None:
    shown, before = family.shown, family.file.read_text()
    assert re.search(r"^│   \*\.part +hides +\[defaults\]", shown.text, re.MULTILINE)
    await shown.press("enter")
    await family.type("*.raw")
    await shown.until(r"^│ hides   1 file, 1\.0 kB")
    await shown.until(r"\*\.raw +1 +1\.0 kB +c\.raw")
    await shown.until("reveals nothing +│")
    assert family.file.read_text() == before

    await shown.press("ctrl+s")
    await shown.until(r"\+ \*\.raw")
    await shown.press("escape")
    await shown.until("not written yet")
    assert family.file.read_text() == before

    await shown.press("ctrl+s", "enter")
    await shown.until(r"▸? *\*\.raw +hides +photos")
    assert family.file.read_text() == before.replace('["*.xmp"]', '["*.xmp", "*.raw"]')
    await family.until_present("a.jpg", "b.jpg")


async def test_what_is_typed_is_there_after_other_screens_and_repositories(family: Family) -> None:
    shown = family.shown
    await shown.press("enter")
    family.insert("*.raw")
    await shown.press("escape", "1", "5")
    await shown.until(r"^│ \*\.raw")
    await shown.press("escape", "5", "r")
    await shown.until("Patterns of scans")
    assert family.editor.text == ""
    await shown.press("d")
    await shown.until("Patterns for all repositories")
    assert family.editor.text == "*.part\n"
    await shown.press("d", "r")
    await shown.until(r"^│ \*\.raw")
    await shown.until(r"^│ hides   1 file")
    await shown.press("q")
    await shown.until("Patterns that are typed but not written are lost")
    await shown.press("escape", "u")
    await shown.until("Enter edits")
    assert not shown.app.unsaved
    assert family.editor.text == "*.xmp\n"


async def test_what_holds_for_all_is_judged_in_every_repository(family: Family) -> None:
    shown = family.shown
    await shown.press("d", "enter")
    family.insert("*.pdf\n*.raw")
    await shown.until(r"^│ hides   2 files")
    await shown.until("scans/e.pdf")
    await shown.until("photos/c.raw")


async def test_a_pattern_that_cannot_be_used_is_named_and_never_written(family: Family) -> None:
    shown, before = family.shown, family.file.read_text()
    await shown.press("enter")
    family.insert("a[")
    await shown.until(r"a\[ .*is not closed")
    await shown.press("ctrl+s", "enter")
    await shown.settle()
    await shown.until("not written yet")
    assert family.file.read_text() == before


async def test_what_somebody_else_writes_meanwhile_is_kept_and_so_is_what_is_typed(family: Family) -> None:
    shown = family.shown
    await shown.press("enter")
    family.insert("*.raw")
    await shown.until(r"^│ hides   1 file")
    theirs = family.file.read_text().replace('["*.xmp"]', '["*.theirs"]')
    family.file.write_text(theirs)
    await shown.press("ctrl+s", "enter")
    await shown.until("somebody else")
    assert family.file.read_text() == theirs
    await shown.press("ctrl+s")
    await shown.until(r"- \*\.theirs")
    await shown.until(r"\+ \*\.raw")


async def test_it_tells_which_rule_decides_about_a_path(family: Family) -> None:
    await family.shown.press("i")
    await family.type("d.xmp")
    await family.shown.until(r"hidden by \*\.xmp")
    await family.shown.press("backspace", "backspace", "backspace", "j")
    await family.shown.until("recorded: no rule speaks of it")
    await family.shown.press("escape")
    assert "no rule speaks" not in family.shown.text


async def test_without_a_file_patterns_are_kept_in_the_store_and_those_of_all_nowhere(live: Live) -> None:
    shown = live.shown
    await shown.press("5")
    await shown.until("Enter edits")
    await shown.press("d")
    await shown.until("treeledger init")
    await shown.press("enter", "x", "escape", "d", "enter", *"*.jpg")
    await shown.until(r"^│ hides   30 files")
    await shown.press("ctrl+s", "enter")
    await shown.until(r"\*\.jpg +hides +photos")
    repository = await live.tree.ledger.repository("photos")
    assert repository.settings["ignore"]["patterns"] == ["*.jpg"]


# --- pure ------------------------------------------------------------------------------------------


def effect(rule: str, files: int, *examples: str) -> RuleEffect:
    return RuleEffect(
        rule=rule, source="ignore.patterns", files=files, bytes=files * 1000, examples=[*examples]
    )


def portion(*hides: RuleEffect, records: int = 100) -> IgnorePreview:
    return IgnorePreview(hides=[*hides], reveals=[], records=records, files=0, next=None)


def test_portions_are_added_up_by_rules() -> None:
    found = Found().added(portion(effect("*.a", 1, "1.a"), effect("*.b", 5, "1.b")))
    found = found.added(portion(effect("*.a", 9, "2.a", "3.a", "4.a")), "photos")
    assert [(one.rule, one.files, one.bytes) for one in found.hides] == [("*.a", 10, 10000), ("*.b", 5, 5000)]
    assert found.hides[0].examples == ["1.a", "photos/2.a", "photos/3.a"]
    assert found.records == 200


def test_how_far_a_preview_is_and_that_it_was_left_is_said() -> None:
    one = Found(expected=400).added(portion(effect("*.a", 1204, "1.a")))
    assert progress_text(one) == "100 of 400 records …"
    assert progress_text(replace(one, is_over=True)) == "all looked at"
    left = replace(one, is_over=True, is_cut=True)
    assert progress_text(left) == "100 of 400 records, then it was left"
    assert summary(left) == ["hides at least 1,204 files, 1.2 MB", "reveals nothing"]
    text = ["".join(piece.text for piece in line) for line in effect_lines(left, (60, 6))]
    assert text[0] == "hides   at least 1,204 files, 1.2 MB"
    assert progress_text(replace(one, files=7)) == "7 files on the disk …"


@given(
    st.lists(st.tuples(st.text(max_size=30), st.integers(1, 10**7), st.text(max_size=90)), max_size=12),
    st.integers(20, 200),
    st.integers(3, 20),
    st.sampled_from(["", "photos: it is not mounted. Nothing was changed. Mount it, then look again"]),
)
def test_effects_fit_any_room(
    rules: list[tuple[str, int, str]], width: int, height: int, trouble: str
) -> None:
    effects = [effect(rule, files, path) for rule, files, path in rules]
    found = Found(trouble=trouble).added(portion(*effects)).added(portion(*effects))
    lines = effect_lines(found, (width, height))
    assert len(lines) <= height + 2 * bool(trouble)
    if width >= 50:
        assert all(cell_len("".join(piece.text for piece in line)) <= width for line in lines)


def test_patterns_are_told_by_who_wrote_them() -> None:
    rules = [
        RepositoryRule(repository="photos", rule=rule, source=source, ignored=not rule.startswith("!"))
        for rule, source in (
            (".*", "built-in"),
            ("*.a", "ignore.patterns"),
            ("*.b", "ignore.patterns"),
            ("!*.a", "ignore.patterns"),
            ("*.c", ".treeledgerignore:1"),
        )
    ]
    assert with_origins(rules, ["*.a", "# why"], ["*.b", "!*.a"], "photos") == (
        Rule(".*", "built-in", True),
        Rule("*.a", "[defaults]", True),
        Rule("*.b", "photos", True),
        Rule("!*.a", "photos", False),
        Rule("*.c", ".treeledgerignore:1", True),
    )


def test_a_draft_keeps_what_is_typed_over_what_is_read() -> None:
    draft = Draft.of("plugins.toml", ["a", "b"])
    assert (draft.text, draft.is_changed) == ("a\nb\n", False)
    assert draft.read_again("plugins.toml", ["c"]).text == "c\n"
    typed = Draft("plugins.toml", ("a", "b"), "a\n\n  \nx\n").read_again("elsewhere", ["c"])
    assert (typed.patterns, typed.before, typed.where) == (("a", "x"), ("c",), "elsewhere")
    assert differences(typed.before, typed.patterns) == ["- c", "+ a", "+ x"]
    assert differences([], list("abcdefghijklmno"))[-1] == "and 3 more"
