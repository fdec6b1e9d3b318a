"""The pure parts of the benchmarks: rows and their verdicts, the page that is kept, what a regression is."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from benchmarks.__main__ import FULL, QUICK
from benchmarks.ledgers import on_disk
from benchmarks.listeners import Waits, complete_record
from benchmarks.measure import CommandFailed, in_turn, run
from benchmarks.report import (
    CaseReport,
    Page,
    Row,
    best,
    is_slower,
    missing,
    regressions,
    tally,
    timed,
    within,
)
from benchmarks.trees import Trees, make_small

SCAN = timed("a scan", 1.4, "find", 1.0, 1.7)


def report(*rows: Row, case: str = "scan") -> CaseReport:
    return CaseReport(case, "What it measures.", "Measured today.", rows)


def page_of(*reports: CaseReport) -> Page:
    page = Page("# Results")
    page.renew("Quick", reports, [one.case for one in reports])
    return page


@pytest.mark.parametrize(
    ("row", "verdict"),
    [
        (SCAN, "met (≤ 1.7)"),
        (timed("a scan", 1.8, "find", 1.0, 1.7), "NOT MET (≤ 1.7)"),
        (timed("a scan", 1.8, "find", 1.0), ""),
        (within("status", 0.3, 0.25), "NOT MET (≤ 1)"),
        (within("close to record", math.inf, 0.05), "NOT MET (≤ 1)"),
        (missing("a scan", "1 s", "borg", "not installed here"), ""),
    ],
)
def test_the_ratio_decides_whether_a_goal_is_met(row: Row, verdict: str) -> None:
    assert row.verdict == verdict


def test_the_tally_counts_rows_that_have_a_goal() -> None:
    assert tally([SCAN, within("status", 0.3, 0.25), timed("a scan", 1.8, "find", 1.0)]) == "1 of 2 goals met"


def test_a_page_is_read_as_it_was_written() -> None:
    page = page_of(report(SCAN), report(within("status", 0.1, 0.25), case="start"))
    page.renew("Full", [report(timed("a scan", 2.0, "find", 1.0))], ["scan"])
    again = Page.parse(str(page))
    assert again == page
    assert again.ratios("Quick") == {"a scan": 1.4, "status": 0.4}
    assert again.ratios("Full") == {"a scan": 2.0}
    assert again.ratios("Other") == {}


def test_only_the_cases_that_ran_are_renewed() -> None:
    page = page_of(report(SCAN), report(within("status", 0.1, 0.25), case="start"))
    page.renew("Quick", [report(timed("a scan", 1.0, "find", 1.0))], ["start", "scan"])
    assert page.ratios("Quick") == {"a scan": 1.0, "status": 0.4}
    assert list(page.parts["Quick"]) == ["start", "scan"]


def test_a_case_that_is_no_longer_known_leaves_the_page() -> None:
    page = page_of(report(SCAN), report(within("status", 0.1, 0.25), case="start"))
    page.renew("Quick", [], ["start"])
    assert list(page.parts["Quick"]) == ["start"]


def test_a_row_without_a_ratio_is_on_the_page_and_judges_nothing() -> None:
    page = page_of(report(missing("a scan", "1 s", "borg", "not installed here")))
    assert "not installed here" in str(page)
    assert page.ratios("Quick") == {}


def test_a_regression_is_slower_than_the_page_beyond_noise() -> None:
    kept = page_of(report(SCAN)).ratios("Quick")
    assert not is_slower(timed("a scan", 1.4 * 1.4 - 0.01, "find", 1.0), kept)
    slow = timed("a scan", 1.4 * 1.4 + 0.01, "find", 1.0)
    assert regressions([slow, SCAN], kept) == ["REGRESSION: a scan: ratio 1.97, was 1.40"]


def test_noise_is_larger_where_the_row_says_so() -> None:
    kept = {"close to record": 0.5}
    assert not is_slower(within("close to record", 0.9, 1.0, noise=2.0), kept)
    assert is_slower(within("close to record", 1.1, 1.0, noise=2.0), kept)


def test_what_the_page_does_not_know_is_no_regression() -> None:
    assert not is_slower(timed("something new", 9.0, "find", 1.0), {})


def test_of_two_measurements_the_better_one_counts() -> None:
    slow, fast = timed("a scan", 3.0, "find", 1.0), timed("a scan", 1.5, "find", 1.0)
    assert best([slow], [fast]) == [fast]
    assert best([fast], [slow]) == [fast]
    assert best([fast], []) == [fast]


def test_a_file_nobody_told_of_took_for_ever() -> None:
    waits = Waits.of([0.001 * n for n in range(1, 100)], 100)
    assert waits.lost == 1
    assert waits.p99 == math.inf
    assert waits.p50 == pytest.approx(0.0505)


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("a/b c.txt 100 e3b0c4\n", "b c.txt"),
        ("a/b.txt 100 -\n", None),
        ("a/b.txt 0 e3b0c4\n", None),
    ],
)
def test_a_record_counts_once_it_has_its_content(line: str, name: str | None) -> None:
    assert complete_record(line) == name


def test_all_run_once_before_the_next_round() -> None:
    order: list[str] = []
    figures = iter(range(6))

    def measured(name: str) -> float:
        order.append(name)
        return float(next(figures))

    assert in_turn(3, lambda: measured("a"), lambda: measured("b")) == [2.0, 3.0]
    assert order == ["a", "b"] * 3


def test_a_program_that_fails_says_its_last_words() -> None:
    with pytest.raises(CommandFailed, match="no such thing"):
        run(["sh", "-c", "echo no such thing >&2; exit 3"])
    assert run(["sh", "-c", "exit 3"], good=range(4)).wall > 0


def test_a_tree_that_was_begun_is_made_again(tmp_path: Path) -> None:
    trees = Trees(tmp_path)
    (tmp_path / "small-90").mkdir()
    (tmp_path / "small-90/left over").touch()
    root = trees.small(90)
    assert sorted(on_disk(root)) == sorted(
        f"000/{number // 40:02d}/file_{number % 40:03d}.txt" for number in range(90)
    )
    (root / "000/00/file_000.txt").unlink()
    assert len(on_disk(trees.small(90))) == 89


def test_wide_trees_have_sixteen_files_in_a_folder(tmp_path: Path) -> None:
    make_small(tmp_path, 1700, 16)
    folders = {path.rpartition("/")[0] for path in on_disk(tmp_path)}
    assert len(folders) == 107


def test_every_case_says_what_it_measures() -> None:
    for case in (*FULL.values(), *QUICK.values()):
        assert case.__doc__
