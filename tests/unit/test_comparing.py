"""How two tables differ, said of the first row that does."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treeledger.cli.store_copy import words_of
from treeledger.comparing import first_difference
from treeledger.copying import Progress
from treeledger.plugins.sql.tables import TABLES, canonical
from treeledger.protocols import Table

FILES = Table("files", ("path", "id", "size", "hash"), 2)
SCOPES = next(table for table in TABLES if table.name == "scan_scopes")


@pytest.mark.parametrize(
    ("left", "right", "said"),
    [
        ([("a", 1, 5, None)], [("a", 1, 5, None)], None),
        ([("a", 1, 5, None)], [("a", 1, 6, "x")], "files a, 1: size is 6, not 5, hash is 'x', not None"),
        ([("a", 1, 5, "x")], [("b", 1, 5, "x")], "files a, 1 is missing"),
        ([("b", 1, 5, "x")], [("a", 2, 5, "x")], "files a, 2 is there though it should not be"),
        ([("a", 1, 5, "x"), ("b", 1, 0, "")], [("a", 1, 5, "x"), ("b", 1, 0, None)], "files b, 1: hash"),
    ],
)
def test_the_first_difference_is_named(left: list[object], right: list[object], said: str | None) -> None:
    found = first_difference(FILES, left, right)  # type: ignore[arg-type]
    assert (found or "").startswith(said or "")
    assert (found is None) is (said is None)


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ('{"b": 1, "a": [1.50, 1e2, null]}', '{"a": [1.5, 100, null], "b": 1}'),
        ("-0.0", "0"),
        ("1E+30", "1" + "0" * 30),
        ('"\\u00e9"', '"é"'),
    ],
)
def test_json_that_means_the_same_is_the_same(text: str, same: str) -> None:
    one, other = (canonical(SCOPES, [("r", 1, "", json, 0)]) for json in (text, same))
    assert one == other


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_of_json_keep_their_value(number: float) -> None:
    [row] = canonical(SCOPES, [("r", 1, "", repr(number), 0)])
    assert float(row[3]) == number


def test_progress_tells_rate_and_time_left() -> None:
    assert words_of(Progress("copying", "jobs", 500, 2000), 5.0) == "500 of 2,000 rows  100 rows/s  15 s left"
    assert words_of(Progress("copying", "jobs", 2000, 2000), 5.0) == "2,000 of 2,000 rows  400 rows/s"
    assert words_of(Progress("copying", "jobs", 0, 10), 0.0) == "0 of 10 rows  0 rows/s"
