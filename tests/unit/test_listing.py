"""Folders listed one level deep."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from pathlib import Path

import pytest

from treeledger import worker
from treeledger.listing import Listing
from treeledger.model import ProblemCode
from treeledger.plugins.walker import LocalTree
from treeledger.protocols import Entry, PartRef
from treeledger.worker import WorkSpec

NAMES = PartRef("treeledger.plugins.gitignore.name_rules", "NameRules", {})


class Closed(LocalTree):
    """A tree in which one folder cannot be listed to its end."""

    def list(self, path: str) -> Iterator[Entry]:
        entries = super().list(path)
        if path == "closed":
            yield next(entries)
            raise OSError(errno.EACCES, "Permission denied")
        yield from entries


@pytest.fixture
def spec(tmp_path: Path) -> Iterator[WorkSpec]:
    for name in ("a/b/c.txt", "a/d.txt", "a/e.tmp", ".hidden/f", "closed/one", "closed/two"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    (tmp_path / "a/link").symlink_to("d.txt")
    walker = PartRef(__name__, "Closed", {})
    spec = WorkSpec(str(tmp_path), str(tmp_path), ((tmp_path.stat().st_dev, 1),), walker, (NAMES,), (), ())
    yield spec
    worker.release(spec.key)


def test_a_listing_has_what_no_rule_ignores(spec: WorkSpec) -> None:
    top, a, hidden = worker.list_folders(spec, ["", "a", ".hidden"])
    assert (top.files, sorted(top.folders)) == ((), ["a", "closed"])
    assert a == Listing("a", ("a/d.txt",), ("a/b",))
    assert hidden == Listing(".hidden")


def test_a_folder_that_is_gone_is_told_from_one_that_cannot_be_read(spec: WorkSpec) -> None:
    gone, file, closed = worker.list_folders(spec, ["nothing", "a/d.txt", "closed"])
    assert gone.is_gone
    assert file.is_gone
    assert (closed.files, closed.is_gone) == ((), False)
    assert closed.problem is not None
    assert closed.problem.code is ProblemCode.UNREADABLE
