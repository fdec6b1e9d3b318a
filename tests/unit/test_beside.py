"""Who looks beside others: whatever one has committed of a path that another began to look at is told."""

import time

from hypothesis import given
from hypothesis import strategies as st

from treeledger.engine import beside as module
from treeledger.engine.beside import Beside
from treeledger.names import within

PATHS = st.sampled_from(["a", "b", "d/a", "d/b", "d/e/a", "de/a"])
PREFIXES = st.sampled_from(["", "d", "d/e", "de"])
OTHERS = st.lists(st.tuples(st.sets(PATHS), st.lists(PREFIXES, max_size=2)), max_size=5)


@given(st.sets(PATHS), OTHERS)
def test_who_looks_is_told_of_all_who_begin_meanwhile(mine: set[str], others: list[tuple]) -> None:  # type: ignore[type-arg]
    beside = Beside()
    with beside.looking(mine) as looking, beside.looking() as scan:
        for paths, below in others:
            beside.begin(paths, below)
    expected = {
        path
        for path in mine
        if any(path in paths or any(within(one, path) for one in below) for paths, below in others)
    }
    assert looking.met() == scan.met(mine) == expected


def test_who_began_before_or_begins_after_is_nobody_beside() -> None:
    beside = Beside()
    beside.begin(["a"])
    with beside.looking(["a"]) as looking:
        pass
    beside.begin(["a"])
    assert looking.met() == set()


def test_a_path_that_is_named_later_counts_from_then_on() -> None:
    beside = Beside()
    with beside.looking(["a"]) as looking:
        looking.also(["b"])
        beside.begin(["b"])
    assert looking.met() == {"b"}


@given(st.sets(st.text("abc/", min_size=1, max_size=6), min_size=1))
def test_a_long_look_forgets_nobody(paths: set[str]) -> None:
    beside = Beside()
    with beside.looking() as scan:
        for n in range(module._MOST // 100 + 1):
            beside.begin([f"d{n}/{m}" for m in range(100)])
        beside.begin(paths)
        beside.begin(below=[f"e{n}" for n in range(module._MOST + 1)])
    assert scan.met(paths) == paths
    assert scan.met(["d7/7", "e3/x", "other"]) >= {"d7/7", "e3/x"}


def test_many_who_looked_elsewhere_take_no_time() -> None:
    beside = Beside()
    with beside.looking() as scan:
        beside.begin(below=[f"d{n}/e" for n in range(module._MOST)])
    began = time.process_time()
    assert scan.met([f"d{n}/f" for n in range(10_000)]) == set()
    assert time.process_time() - began < 2
