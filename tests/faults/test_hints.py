"""Hints: what no event names is found by what it does name."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from live import live_tree
from matrix import fault

from treeledger.model import ChangeKind


@fault("a file is written to under one of its names", "the records of its other names take the new content")
def test_hard_links(tmp_path: Path, store_url: str) -> None:
    root = tmp_path / "tree"
    (root / "t/d").mkdir(parents=True)
    (root / "t/a").write_text("one")
    os.link(root / "t/a", root / "t/d/b")
    with live_tree(root, store_url, {}) as tree:
        one, other = (hashlib.sha256(text).hexdigest() for text in (b"one", b"other"))
        before = tree.settled("t", {"t/a": one, "t/d/b": one})
        (root / "t/a").write_text("other")
        after = tree.settled("t", {"t/a": other, "t/d/b": other})
    assert {path: record.content_hash for path, record in after.records.items()} == {
        "t/a": other,
        "t/d/b": other,
    }
    assert {path: r.id for path, r in before.records.items()} == {p: r.id for p, r in after.records.items()}


@fault(
    "a file is renamed over another of equal size and mtime",
    "the journal tells of the new content, the record stays the same",
)
def test_rename_over_a_file_like_it(tmp_path: Path, store_url: str) -> None:
    root = tmp_path / "tree"
    (root / "t").mkdir(parents=True)
    for name, text in (("a", "one"), ("b", "two")):
        (root / "t" / name).write_text(text)
        os.utime(root / "t" / name, ns=(10**18, 10**18))
    with live_tree(root, store_url, {}) as tree:
        one, two = (hashlib.sha256(text).hexdigest() for text in (b"one", b"two"))
        before = tree.settled("t", {"t/a": one, "t/b": two})
        tree.replay.take(before.entries)
        os.rename(root / "t/a", root / "t/b")
        after = tree.settled("t", {"t/b": one})
    assert after.records["t/b"].id == before.records["t/b"].id
    told = [(e.kind, e.hash_before, e.hash) for e in after.entries if e.path == "t/b"]
    assert told == [(ChangeKind.MODIFIED, two, one)]
