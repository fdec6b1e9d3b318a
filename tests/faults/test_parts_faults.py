"""Parts and rows: what one part or one row refuses stays with that file."""

from __future__ import annotations

import hashlib
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, nullcontext
from datetime import datetime
from functools import partial
from typing import Any

import anyio
import psycopg
import pytest
from matrix import fault
from support import WITHIN, Tree, until

from treeledger.engine.deletions import Deletions
from treeledger.engine.scan import Scanner
from treeledger.ignoring import DirectoryRules
from treeledger.model import HashState, HoldStatus, OperationStatus, ProblemCode, RecordState
from treeledger.plugins.sha256 import Sha256
from treeledger.plugins.sqlite.store import SqliteStore
from treeledger.plugins.walker import LocalTree
from treeledger.protocols import Entry, Verdict

pytestmark = pytest.mark.anyio


async def execute(tree: Tree, sqlite: str, postgres: str) -> None:
    """Runs SQL on the ledger beside the store, as another program might."""
    store = tree.ledger.store
    if isinstance(store, SqliteStore):
        await store.session._writer._in_thread(lambda: store.session._writer._connection.execute(sqlite))
    else:
        async with await psycopg.AsyncConnection.connect(store.url, autocommit=True) as connection:
            await connection.execute(postgres)


@asynccontextmanager
async def poisoned(tree: Tree, event: str, when: str = "TRUE") -> AsyncIterator[None]:
    """The store refuses to insert or to update the row of the path `poison`, where a condition holds."""
    await execute(
        tree,
        f"CREATE TRIGGER poison BEFORE {event} ON file_records WHEN NEW.file_path = 'poison' AND {when} "
        "BEGIN SELECT RAISE(ABORT, 'this row is poison'); END",
        "CREATE FUNCTION poison() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"IF NEW.file_path = 'poison' AND {when} THEN RAISE check_violation; END IF; "
        f"RETURN NEW; END $$; CREATE TRIGGER poison BEFORE {event} ON file_records "
        "FOR EACH ROW EXECUTE FUNCTION poison()",
    )
    try:
        yield
    finally:
        await execute(tree, "DROP TRIGGER poison", "DROP FUNCTION poison CASCADE")


async def problems(tree: Tree) -> dict[str, ProblemCode]:
    known = await tree.ledger.store.problems(tree.repository.id, notes=False, limit=100)
    return {one.problem.path: one.problem.code for one in known}


@fault(
    "the store refuses one row of a batch, new or hashed",
    "that row is a problem, all others are written, and it heals when the store takes it again",
)
@pytest.mark.parametrize("event", ["INSERT", "UPDATE"])
async def test_poison_row(tree: Tree, event: str) -> None:
    for n in range(300):
        tree.write(f"f{n}", str(n))
    # A large file is committed without its hash, so only the hash is refused.
    (tree.root / "poison").write_bytes(bytes(1 if event == "INSERT" else 17 * 2**20))
    async with poisoned(tree, event):
        for _ in range(2):  # the second knows of the problem already
            with anyio.fail_after(2 * WITHIN):
                operation = await tree.ledger.scan(tree.repository)
            assert operation.counts.problems == 1
            assert await problems(tree) == {"poison": ProblemCode.REJECTED_BY_STORE}
            present = await tree.present()
            assert sum(one.hash_state is HashState.DONE for one in present.values()) >= 300
    await tree.ledger.scan(tree.repository)
    assert await problems(tree) == {}
    record = await tree.record("poison")
    assert record is not None
    assert record.content_hash == hashlib.sha256((tree.root / "poison").read_bytes()).hexdigest()


async def test_what_was_refused_before_a_scan_began_stays_a_problem(
    tree: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Contents are read beside a scan, and from before it: it does not forget what came of that."""
    (tree.root / "poison").write_bytes(bytes(17 * 2**20))
    began = Scanner._began

    async def late(scanner: Scanner, *arguments: Any) -> datetime | None:
        await until(partial(is_refused, scanner), "the hash refused")
        return await began(scanner, *arguments)

    async with poisoned(tree, "UPDATE"):
        await tree.ledger.scan(tree.repository)
        monkeypatch.setattr(Scanner, "_began", late)
        await tree.ledger.scan(tree.repository)
        assert await is_problem(tree)


async def is_refused(scanner: Scanner) -> bool:
    return bool(scanner._context.recorder.refused)


@fault(
    "the store refuses to end the record of one file that is gone, by itself or in an approved hold",
    "the others end, it is a problem, and is not tried without a pause; it ends once the store takes it",
)
@pytest.mark.parametrize("files", [5, 30])
async def test_deletion_refused(tree: Tree, monkeypatch: pytest.MonkeyPatch, files: int) -> None:
    names = ["poison", *(f"f{n}" for n in range(files))]
    for name in names:
        tree.write(name)
    steps = 0
    step = Deletions.step

    async def counted(self: Deletions, *arguments: Any, **options: Any) -> float | None:
        nonlocal steps
        steps += 1
        return await step(self, *arguments, **options)

    monkeypatch.setattr(Deletions, "step", counted)
    async with tree.watched(root_check=1.0):  # as often it looks whether a hold was decided
        for name in names:
            (tree.root / name).unlink()
        async with poisoned(tree, "UPDATE", "NEW.deleted_at IS NOT NULL"):
            if files == 30:
                await tree.until_status("held")
                (hold,) = await tree.ledger.store.holds(tree.repository.id, statuses=(HoldStatus.OPEN,))
                await tree.ledger.store.set_hold(hold.id, HoldStatus.APPROVED, by="test")
            for name in names[1:]:
                await tree.until_state(name, RecordState.DELETED)
            await until(lambda: is_problem(tree), "the problem said")
            steps, began = 0, time.monotonic()
            for n in range(50):
                tree.write(f"live{n}")
                await tree.until_present(f"live{n}")
            assert await tree.state("poison") is RecordState.MISSING
            assert steps < 10 + (time.monotonic() - began)  # one a second, however busy the machine is
        tree.write("last")
        await tree.until_present("last")
        (tree.root / "last").unlink()
        await tree.until_state("poison", RecordState.DELETED)
        await until(lambda: is_healed(tree), "no problem left")
    await tree.check_sound()


async def is_problem(tree: Tree) -> bool:
    return await problems(tree) == {"poison": ProblemCode.REJECTED_BY_STORE}


async def is_healed(tree: Tree) -> bool:
    return await problems(tree) == {}


class Strange:
    """A hasher with a fault that shows at files that begin with `bad`."""

    def __init__(self, fault: str) -> None:
        self._fault = fault
        self._digest = hashlib.sha256()
        self._is_bad = False

    def update(self, data: memoryview | bytes) -> None:
        self._digest.update(data)
        self._is_bad = bytes(data[:3]) == b"bad"
        if self._is_bad and self._fault == "raises":
            raise ValueError("a fault of the hasher")
        if self._is_bad and self._fault == "runs out of memory":
            raise MemoryError

    def hexdigest(self) -> str:
        if self._is_bad and self._fault == "answers rubbish":
            return None  # type: ignore[return-value]
        return self._digest.hexdigest()


@fault(
    "a hasher raises, answers rubbish or runs out of memory at one file",
    "that file is a problem without a hash, all others are hashed, and it heals",
)
@pytest.mark.parametrize("how", ["scan", "watch"])
@pytest.mark.parametrize("trouble", ["raises", "answers rubbish", "runs out of memory"])
async def test_strange_hasher(tree: Tree, monkeypatch: pytest.MonkeyPatch, trouble: str, how: str) -> None:
    for n in range(20):
        tree.write(f"f{n}", str(n))
    tree.write("bad", "bad")

    async def is_contained() -> bool:
        present = await tree.present()
        unhashed = [path for path, one in present.items() if one.hash_state is not HashState.DONE]
        return (
            len(present) == 21
            and unhashed == ["bad"]
            and await problems(tree) == {"bad": ProblemCode.IO_ERROR}
        )

    with monkeypatch.context() as patch:
        patch.setattr(Sha256, "new", lambda self: Strange(trouble))
        if how == "scan":
            operation = await tree.ledger.scan(tree.repository)
            assert operation.counts.problems == 1
        else:
            async with tree.watched():
                await until(is_contained, "all but one hashed")
        assert await is_contained()
    tree.write("bad", "bad, but well again")
    await tree.ledger.scan(tree.repository)
    assert await problems(tree) == {}
    assert (await tree.present())["bad"].hash_state is HashState.DONE


@fault(
    "an ignore filter raises at one name, or the walker while it lists a directory",
    "what it concerns is unknown and a problem, nothing is taken for gone, and it heals",
)
@pytest.mark.parametrize("error", [ValueError("a fault of the part"), MemoryError()], ids=["fault", "memory"])
@pytest.mark.parametrize("part", ["filter", "walker"])
async def test_strange_filter_and_walker(
    tree: Tree, monkeypatch: pytest.MonkeyPatch, part: str, error: Exception
) -> None:
    for n in range(5):
        tree.write(f"good/f{n}", str(n))
        tree.write(f"bad/f{n}", str(n))
    await tree.ledger.scan(tree.repository)
    before = set(await tree.present())
    check, listed = DirectoryRules.check, LocalTree.list

    def failing_check(self: DirectoryRules, name: str, is_directory: bool) -> Verdict | None:
        if name == "bad":
            raise error
        return check(self, name, is_directory)

    def failing_list(self: LocalTree, path: str) -> Iterator[Entry]:
        for number, entry in enumerate(listed(self, path)):
            if path == "bad" and number == 2:
                raise error
            yield entry

    with monkeypatch.context() as patch:
        if part == "filter":
            patch.setattr(DirectoryRules, "check", failing_check)
            patch.setattr(DirectoryRules, "speaks", lambda self, entries: True)
        else:
            patch.setattr(LocalTree, "list", failing_list)
        tree.write("good/new")
        tree.write("bad/new")
        operation = await tree.ledger.scan(tree.repository)
        assert operation.status is OperationStatus.COMPLETED
        assert set(await tree.present()) == before | {"good/new"}
        assert await problems(tree) == {"bad": ProblemCode.IO_ERROR}
    await tree.ledger.scan(tree.repository)
    assert set(await tree.present()) == before | {"good/new", "bad/new"}
    assert await problems(tree) == {}


@fault(
    "an ignore filter raises at one name while the tree is watched",
    "what it concerns is unknown and a problem, nothing is taken for gone, all else is heard, and it heals",
)
@pytest.mark.usefixtures("nothing_left_behind")
async def test_strange_filter_under_watch(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    check = DirectoryRules.check

    def failing(self: DirectoryRules, name: str, is_directory: bool) -> Verdict | None:
        if name == "bad":
            raise ValueError("a fault of the part")
        return check(self, name, is_directory)

    async def is_told() -> bool:
        return "bad" in await problems(tree)

    tree.write("bad")
    tree.write("good/f")
    async with tree.watched():
        record = await tree.record("bad")
        with monkeypatch.context() as patch:
            patch.setattr(DirectoryRules, "check", failing)
            tree.write("bad", "other text")
            tree.write("good/new")
            await tree.until_present("good/new")
            await until(is_told, "the problem")
            (tree.root / "bad").unlink()
            tree.write("good/bad/f")
            tree.write("good/newer")
            await tree.until_present("good/newer")
            assert await tree.record("bad") == record
        tree.write("bad", "back again")
        tree.write("good/bad/f", "longer text")
        await tree.ledger.trigger_reconciliation(tree.repository.id)
        await tree.until_present("bad", size=10)
        await tree.until_present("good/bad/f", size=11)
        await until(lambda: is_healed(tree), "no problem left")


@fault(
    "a file grows beyond the largest size that is hashed, shrinks again, or is so large from the first",
    "recorded without a hash and not read, never with the old one; hashed once it is small enough",
)
@pytest.mark.parametrize("how", ["scan", "watch"])
async def test_largest_size(tree: Tree, how: str) -> None:
    settings = {"reconciliation": {"max_hash_size": 10}}
    await tree.ledger.store.update_repository(tree.repository.id, settings=settings)
    tree.repository = await tree.ledger.repository(tree.repository.id)
    async with tree.watched() if how == "watch" else nullcontext():
        for texts in (("small", "x" * 11), ("x" * 11, "shrunk"), ("y" * 10, "z" * 100)):
            wanted = {f"f{n}": text for n, text in enumerate(texts)}
            for path, text in wanted.items():
                tree.write(path, text)

            async def is_so(wanted: dict[str, str] = wanted) -> bool:
                present = await tree.present()
                known = {path: (r.stat.size, r.hash_state, r.content_hash) for path, r in present.items()}
                return known == {path: known_of(text) for path, text in wanted.items()}

            if how == "scan":
                await tree.ledger.scan(tree.repository)
            await until(is_so, "hashes of the small ones only")


def known_of(text: str) -> tuple[int, HashState, str | None]:
    """Size, state and hash of the record of a file that holds a text, where ten bytes are hashed at most."""
    if len(text) > 10:
        return len(text), HashState.SKIPPED, None
    return len(text), HashState.DONE, hashlib.sha256(text.encode()).hexdigest()
