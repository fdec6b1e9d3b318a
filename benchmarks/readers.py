"""Who reads a large ledger: the end of a long journal, one record, the records of a folder."""

from __future__ import annotations

import statistics
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence, Sized
from typing import Final

from benchmarks import ledgers
from benchmarks.lab import STORES, Lab
from benchmarks.many import ledger_of
from benchmarks.measure import in_turn
from benchmarks.report import Row, timed, within
from treeledger.ledger import Ledger
from treeledger.protocols import FileQuery

_MANY: Final = 10_000_000
_FEW: Final = 10_000
_LAST: Final = 1000  # entries
_FOLDER: Final = "00001/05"  # forty files, in a ledger of any of the two sizes
_TIMES: Final = 20
_LIMIT: Final = 0.050  # seconds


def readers(lab: Lab) -> Iterator[Row]:
    """A ledger of 10,000,000 records and as many journal entries, on a connection that is open; then as
    whole processes, against a ledger of 10,000."""
    for kind in STORES:
        few, many = ledger_of(lab, kind, _FEW), ledger_of(lab, kind, _MANY)
        found = ledgers.ask(many, _readings)
        for what, seconds in found.items():
            yield within(f"{what}, 10M, {kind}", seconds, _LIMIT)
        for what, arguments in _commands(_MANY).items():
            less = _commands(_FEW)[what]
            ours, base = in_turn(lab.runs, _process(lab, many, arguments), _process(lab, few, less))
            yield timed(f"{what}, 10M, {kind}, whole process", ours, "in a ledger of 10,000", base)
        lab.drop(few)
        lab.drop(many)


def _process(lab: Lab, store: str, arguments: Sequence[str]) -> Callable[[], float]:
    return lambda: lab.treeledger(store, *arguments).wall


def _commands(count: int) -> dict[str, tuple[str, ...]]:
    return {
        "`changes --since`, the last 1,000": ("changes", "--since", str(count - _LAST)),
        "`files GLOB`, 40 of one folder": ("files", f"{_FOLDER}/*"),
    }


async def _readings(ledger: Ledger) -> dict[str, float]:
    """Seconds, by what is asked."""
    store, (repository,) = ledger.store, await ledger.repositories()
    head = await store.head()
    path = f"{_FOLDER}/file_007.txt"
    query = FileQuery(repository.id, prefix=f"{_FOLDER}/")
    return {
        "`changes --since`, the last 1,000": await _median(
            lambda: store.changes(head.n - _LAST, limit=_LAST), _LAST
        ),
        "one record by its path": await _median(lambda: store.records_at(repository.id, [path]), 1),
        "`files GLOB`, 40 of one folder": await _median(lambda: store.files(query), 40),
    }


async def _median(question: Callable[[], Awaitable[Sized]], expected: int) -> float:
    """Seconds of one; raises AssertionError for an answer of another length."""
    took = []
    for _ in range(_TIMES):
        begun = time.perf_counter()
        answer = await question()
        took.append(time.perf_counter() - begun)
        assert len(answer) == expected, f"{len(answer)} instead of {expected}"
    return statistics.median(took)
