"""Reading that gives way to others: the kernel's word on it, per thread."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from treeledger import worker
from treeledger.fs.disk_priority import VALUES, current_priority, disk_priority
from treeledger.plugins.walker import LocalTree
from treeledger.protocols import Entry, PartRef
from treeledger.worker import WorkSpec

seen: list[int | None] = []


class Watchful(LocalTree):
    """A tree that notes how urgent its reading is."""

    def entry(self, path: str) -> Entry:
        seen.append(current_priority())
        return super().entry(path)


@pytest.fixture(autouse=True)
def _kernel_that_takes_it() -> None:
    with disk_priority("idle"):
        if current_priority() != VALUES["idle"]:
            pytest.skip("this kernel takes no disk priorities")


@pytest.mark.parametrize("wanted", ["low", "idle"])
def test_it_holds_for_one_thread_and_no_longer_than_the_work(wanted: str) -> None:
    before = current_priority()
    beside: list[int | None] = []
    with disk_priority(wanted):
        assert current_priority() == VALUES[wanted]
        other = threading.Thread(target=lambda: beside.append(current_priority()))
        other.start()
        other.join()
    assert current_priority() == before
    with pytest.raises(ZeroDivisionError), disk_priority(wanted):
        raise ZeroDivisionError
    assert current_priority() == before


def test_whatever_is_done_for_a_repository_is_as_urgent_as_it_says(tmp_path: Path) -> None:
    walker = PartRef(__name__, "Watchful", {})
    spec = WorkSpec("watchful", str(tmp_path), ((tmp_path.stat().st_dev, 1),), walker, (), (), ())
    before = current_priority()
    for priority in ("normal", "low", "idle"):
        worker.look(spec._replace(disk_priority=priority), ["a"])
    assert seen == [before, VALUES["low"], VALUES["idle"]]
    assert current_priority() == before
    worker.release(spec.key)
