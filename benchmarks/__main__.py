"""What is fast, against whom, and by how much.

python -m benchmarks                 every case; `--keep` writes RESULTS.md
python -m benchmarks index rescan    some of them; `--keep` renews their rows only
python -m benchmarks --quick         in two minutes: what became slower than RESULTS.md says; then exits 1
"""

from __future__ import annotations

import argparse
import datetime
import os
import signal
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from benchmarks import dashboard, hashing, live, quick, readers, resting, scans
from benchmarks.event_peers import EVENT_PEERS
from benchmarks.lab import Lab
from benchmarks.peers import FIND, INDEXERS, OPENSSL, SUMS, said, versions
from benchmarks.report import CaseReport, Page, Row, best, is_slower, machine, regressions, table, tally
from benchmarks.trees import Trees

_BEFORE_OTHERS: Final = -10  # who else works on this machine disturbs less, where that is allowed
RESULTS: Final = Path(__file__).with_name("RESULTS.md")
Case = Callable[[Lab], Iterator[Row]]
FULL: Final[Mapping[str, Case]] = {
    "index": scans.index,
    "rescan": scans.rescan,
    "short-rescan": scans.short_rescan,
    "one-change": live.one_change,
    "latency": live.latency,
    "burst": live.burst,
    "rename": live.rename,
    "large": hashing.large,
    "beside-large": hashing.beside_large,
    "rest": resting.rest,
    "peak": scans.peak,
    "start": scans.start,
    "readers": readers.readers,
    "tui": dashboard.tui,
}
QUICK: Final[Mapping[str, Case]] = {
    "start": quick.start,
    "index": quick.index,
    "rescan": quick.rescan,
    "large": quick.large,
    "latency": quick.latency,
    "burst": quick.burst,
}


def main() -> int:
    given = _arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is ended
    lab = Lab(Trees(given.trees), runs=given.runs or (3 if given.quick else 5))
    try:
        return _quick(lab, given) if given.quick else _full(lab, given)
    finally:
        lab.close()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"all, unless named: {', '.join(FULL)}")
    parser.add_argument("--quick", action="store_true", help=f"the quick cases: {', '.join(QUICK)}")
    parser.add_argument("--runs", type=int, help="of each command, in turn; 5, quick 3")
    parser.add_argument("--trees", type=Path, default=Path(tempfile.gettempdir()) / "treeledger-bench-trees")
    parser.add_argument("--keep", action="store_true", help="write the figures into RESULTS.md")
    given = parser.parse_args()
    unknown = set(given.cases) - set(QUICK if given.quick else FULL)
    if unknown:
        parser.error(f"no such case: {', '.join(sorted(unknown))}")
    return given


def _full(lab: Lab, given: argparse.Namespace) -> int:
    reports = [_measured(lab, name, FULL[name]) for name in given.cases or FULL]
    print(f"\n{machine()}\n{tally(row for report in reports for row in report.rows)}")
    if given.keep:
        _keep("Full", reports, list(FULL), lab)
    return 0


def _quick(lab: Lab, given: argparse.Namespace) -> int:
    """What seems slower is measured once more: only what is slow twice is a regression."""
    with suppress(PermissionError):
        os.nice(_BEFORE_OTHERS)  # and so is all that is started, ours and the peers
    kept = _page().ratios("Quick")
    reports = []
    for name in given.cases or QUICK:
        report = _measured(lab, name, QUICK[name])
        if not given.keep and any(is_slower(row, kept) for row in report.rows):
            print("slower than it was: once more", flush=True)
            again = _measured(lab, name, QUICK[name])
            report = CaseReport(name, report.title, report.note, best(report.rows, again.rows))
        reports.append(report)
    if given.keep:
        _keep("Quick", reports, list(QUICK), lab)
        return 0
    slower = regressions([row for report in reports for row in report.rows], kept)
    known = f"no regression against {RESULTS.name}" if kept else f"{RESULTS.name} has nothing to compare with"
    print("\n".join(slower) or known)
    return 1 if slower else 0


def _measured(lab: Lab, name: str, case: Case) -> CaseReport:
    begun = time.monotonic()
    rows = list(case(lab))
    took = time.monotonic() - begun
    print(f"{name} ({took:.0f} s)\n{table(rows)}\n", flush=True)
    title = " ".join((case.__doc__ or "").split())
    note = f"Measured {datetime.date.today()}, in {took:.0f} s."
    return CaseReport(name, title, note, rows)


def _page() -> Page:
    return Page.parse(RESULTS.read_text()) if RESULTS.exists() else Page()


def _keep(part: str, reports: Sequence[CaseReport], order: Sequence[str], lab: Lab) -> None:
    page = _page()
    peers = [versions(FIND, SUMS, OPENSSL, *INDEXERS)]
    peers += [f"{peer.name}: {said(peer.version(lab.tools))}" for peer in EVENT_PEERS]
    page.head = (
        "# Results\n\nWritten by `make bench`; [README.md](README.md) says how to read it."
        f"\n\n{machine()}; SQLite {sqlite3.sqlite_version}; PostgreSQL {lab.server_version()}."
        f"\n\nPeers: {'; '.join(peers)}."
    )
    page.renew(part, reports, order)
    RESULTS.write_text(str(page))


if __name__ == "__main__":
    raise SystemExit(main())
