"""Hostile texts wherever a person or a file system fills in: they are stored, found, and nothing else."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import Tree

from treeledger.ledger import Ledger
from treeledger.model import Problem, ProblemCode
from treeledger.names import stored_from_bytes
from treeledger.protocols import FileQuery
from treeledger.testing.examples import examples

PIECES = (
    "'", "''", '"', "`", ";", "--", "/*", "*/", "$$", "$1", "%s", "%(path)s", "%", "{}", "{files}", "\\",
    "\\'", ":path", "?", "\n", "\t", "; DROP TABLE file_records", "' OR 1=1 --", "\U0010ff80", "é", "*",
)  # fmt: skip
NAMES = st.lists(st.sampled_from(PIECES), min_size=1, max_size=6).map("".join)
FEW = settings(examples(15), derandomize=True)


@pytest.mark.anyio
async def test_hostile_texts_are_only_texts(tmp_path: Path, store_url: str) -> None:
    found: set[str] = set()

    @FEW
    @given(NAMES)
    def gather(name: str) -> None:
        found.add(name.replace("/", "_")[:80])

    gather()
    root = tmp_path / "it's a 'tree'; --"
    root.mkdir()
    for name in found:
        (root / name).write_text(name)
    async with Ledger.open(store=store_url, environ={}) as ledger:
        tree = Tree(root, ledger)
        name = "'; DROP TABLE file_records; --%s{}$$"
        tree.repository = await ledger.add_repository(
            root, name=name, settings={"ignore": {"builtin": False}}
        )
        await ledger.trigger_reconciliation(name)
        stored = {stored_from_bytes(os.fsencode(one)) for one in found}
        assert set(await tree.present()) == stored
        for one in stored:
            assert one in await ledger.store.records_at(tree.repository.id, [one])
            problem = Problem(one, ProblemCode.IO_ERROR, f"because of {one}")
            await ledger.store.report_problems(tree.repository.id, [problem], healthy=[])
            query = FileQuery(tree.repository.id, prefix=one)
            assert one in {record.path async for record in ledger.files(query)}
        known = await ledger.store.problems(tree.repository.id, notes=True, limit=1000)
        assert {one.problem.path for one in known} >= stored
        assert set(await tree.present()) == stored
