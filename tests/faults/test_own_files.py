"""Own files: the ledger lies in the tree that it is the ledger of."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path

import pytest
from machine import bind, needs_root, unmount_all
from matrix import fault
from support import Tree, tree_on, until

from treeledger.model import ChangeKind, OperationType
from treeledger.plugins.walker import LocalTree

pytestmark = pytest.mark.anyio


def plainly(root: Path) -> tuple[Path, Path]:
    return root, root / "own/ledger.db"


def by_a_symlink(root: Path) -> tuple[Path, Path]:
    (root.parent / "link").symlink_to(root)
    return root.parent / "link", root / "own/ledger.db"


def both_by_symlinks(root: Path) -> tuple[Path, Path]:
    (root / "way").symlink_to("own")
    (root.parent / "link").symlink_to(root)
    return root.parent / "link", root.parent / "link/way/ledger.db"


@fault(
    "the ledger lies in its own tree, plainly or by a symlink, with hard links to it, its WAL and its locks",
    "none is recorded or opened, whatever its name, and its writes lead to no further ones",
)
@pytest.mark.parametrize("how", [plainly, by_a_symlink, both_by_symlinks])
async def test_ledger_in_its_tree(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: Callable[[Path], tuple[Path, Path]]
) -> None:
    real = tmp_path / "tree"
    (real / "own").mkdir(parents=True)
    root, ledger = how(real)
    opened = note_opened(monkeypatch)
    async with tree_on(root, f"sqlite:{ledger}") as tree:
        own = [path for path in (real / "own").iterdir() if path.is_file()]
        assert {path.name for path in own} >= {"ledger.db", "ledger.db-wal", "ledger.db-shm"}
        for path in own:
            os.link(path, real / f"another name of {path.name}")
        tree.write("own/file")
        await tree.ledger.scan(tree.repository)
        assert set(await tree.present()) == {"own/file"}
        async with tree.watched():
            tree.write("own/ledger.db.backup-1-now")
            await check_quiet(tree, [real / f"another name of {path.name}" for path in own])
    assert not [path for path in opened if "ledger.db" in path]
    with closing(sqlite3.connect(ledger)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


@fault("the ledger lies in a tree that is watched by a bind mount of it", "it is neither recorded nor opened")
@pytest.mark.root
async def test_ledger_by_a_bind_mount(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    needs_root()
    real, other = tmp_path / "real", tmp_path / "other"
    (real / "own").mkdir(parents=True)
    bind(real, other)
    opened = note_opened(monkeypatch)
    try:
        async with tree_on(other, f"sqlite:{real / 'own/ledger.db'}") as tree:
            async with tree.watched():
                await check_quiet(tree, [])
            assert not [path for path in opened if "ledger.db" in path]
    finally:
        unmount_all(other)


async def check_quiet(tree: Tree, others: Iterable[Path]) -> None:
    """Fails unless ten files, one after another, lead to their own entries and operations alone."""
    known = len(await tree.journal())
    for n in range(10):
        tree.write(f"own/f{n}")
        for path in others:
            path.chmod(0o600)  # an event that names it
        await tree.until_present(f"own/f{n}")
    entries = (await tree.journal())[known:]
    read_later = [entry for entry in entries if entry.kind is ChangeKind.HASHED]
    told = [(entry.kind, entry.path) for entry in entries if entry not in read_later]
    assert told == [(ChangeKind.ADDED, f"own/f{n}") for n in range(10)]
    assert not [path for path in await tree.present() if "ledger.db" in path]

    async def is_over() -> bool:
        return all(one.status != "running" for one in await tree.ledger.sync_operations())

    await until(is_over, "no operation running")
    live = [one for one in await tree.ledger.sync_operations() if one.type is OperationType.REALTIME]
    assert len(live) <= 10 + len(read_later)


def note_opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The paths that any tree opens from now on."""
    opened: list[str] = []
    open = LocalTree.open

    def noting(tree: LocalTree, path: str) -> int:
        opened.append(path)
        return open(tree, path)

    monkeypatch.setattr(LocalTree, "open", noting)
    return opened
