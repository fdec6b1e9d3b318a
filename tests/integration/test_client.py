"""The typed client against a real engine over real sockets: every method, and lines that break."""

from __future__ import annotations

import asyncio
import os
import random
import sqlite3
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager, closing
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import anyio
import pytest
from support import Tree, tree_on, until

from treeledger.api.server import serving
from treeledger.api.service import Service
from treeledger.client import Client
from treeledger.config.settings import ApiSettings
from treeledger.engine.hub import AttentionChanged, RepositoryState, StateChanged
from treeledger.engine_worker import EngineWorker
from treeledger.errors import (
    CursorExpired,
    EngineAway,
    NotFound,
    RepositoryNotFound,
    TreeledgerError,
    UsageError,
)
from treeledger.matter_answers import Place
from treeledger.model import Cursor, HashState, JobState, NewJob, Problem, ProblemCode
from treeledger.names import stored_from_bytes
from treeledger.testing.store_shelf import Shelf
from treeledger.wire import Change
from treeledger.wire_asked import Limits
from treeledger.wire_events import Attention, State

pytestmark = pytest.mark.anyio
TOKEN = "0123456789abcdef-all"
READ_TOKEN = "0123456789abcdef-read"
FILES = ["2024/a.jpg", "2024/b.jpg", "notes.txt"]
ODD = [
    "line\u2028separator",
    "paragraph\u2029separator",
    "next\u0085line",
    "new\nline",
    "carriage\r\nreturn",
    "form\x0cfeed\x1c\x1d\x1e",
    "data: {}",
    ": comment",
    "id: 7\n\nevent: afresh",
    "\ufeffmark",
    "astral \U0001f600",
    stored_from_bytes(b"no UTF-8 \xff"),
    stored_from_bytes(b"a lone surrogate \xed\xa0\x80"),
    stored_from_bytes("our own \U0010ffff escape".encode()),
]


class Live(NamedTuple):
    """A tree whose engine answers at `address`, and with tokens at `tcp`."""

    tree: Tree
    client: Client
    service: Service
    tcp: str

    @property
    def address(self) -> str:
        return self.client.transport.address


@pytest.fixture
async def live(tmp_path: Path) -> AsyncIterator[Live]:
    async with tree_on(tmp_path / "photos", f"sqlite:{tmp_path / 'ledger.db'}") as tree:
        for path in FILES:
            tree.write(path, "one" if path.endswith("jpg") else "two")
        async with (
            tree.watched() as engine,
            answering(tree, tmp_path, Service(tree.ledger, engine, "test", datetime.now(UTC))) as live,
        ):
            await tree.until_equal()
            yield live


@asynccontextmanager
async def answering(tree: Tree, folder: Path, service: Service) -> AsyncIterator[Live]:
    settings = ApiSettings(socket=str(folder / "s"), listen="127.0.0.1:0", token=TOKEN, read_token=READ_TOKEN)
    async with (
        serving(service, settings, folder) as [unix, tcp],
        Client(unix) as client,
    ):
        yield Live(tree, client, service, tcp)


# --- what there is ---------------------------------------------------------------------------------


async def test_the_engine_and_its_repositories(live: Live) -> None:
    client = live.client
    assert (await client.engine()).command == "test"
    status = await client.status()
    assert (status.command, status.repositories, status.waiting) == ("test", {"watching": 1}, 0)
    [listed] = [one async for one in client.repositories()]
    details = await client.repository("photos")
    assert (listed.name, listed.files, details.id, details.paused) == ("photos", 3, listed.id, False)

    async def is_the_same() -> bool:
        return await client.repository(str(listed.id)) == await client.repository("photos")

    await until(is_the_same, "one repository by name and by id, once its health rests")
    assert {one.name for one in [one async for one in client.plugins()]} >= {"sqlite", "watchdog"}
    assert {one.repository async for one in client.schedules("photos")} == {"photos"}
    assert [one async for one in client.attention()] == []
    assert {one.table async for one in client.config()}
    assert {one.key async for one in client.config("photos")}
    page = await client.logs(level="warning", limit=1)
    assert (page.items, page.kept, page.file) == ([], 0, None)  # this process keeps no log


async def test_files_and_why_they_are_as_they_are(live: Live) -> None:
    client = live.client
    now = datetime.now(UTC).isoformat()
    assert [one.path async for one in client.files()] == FILES
    assert [one.path async for one in client.files(repository="photos", prefix="2024/b")] == FILES[1:2]
    assert [one.path async for one in client.files(globs=["*.jpg", "*.txt"])] == FILES
    assert [one.path async for one in client.files(duplicates=True)] == FILES[:2]
    assert [one.path async for one in client.files(state="missing")] == []
    assert [one.path async for one in client.files(text="OTES")] == FILES[2:]
    assert [one.size async for one in client.files(sort="size")] == [3, 3, 3]
    [twins] = [one async for one in client.duplicates("photos")]
    assert (twins.copies, twins.size, twins.wasted) == (2, 3, 3)
    assert [one.path async for one in client.copies(twins.hash)] == FILES[:2]
    assert [one.path async for one in client.files(at=now)] == FILES
    [notes] = [one async for one in client.files(prefix="notes")]
    record = await client.record(notes.id)
    assert (record.path, record.stat.size, record.hash) == ("notes.txt", 3, notes.hash)
    explained = await client.explain("photos", "notes.txt")
    assert explained.record is not None
    assert (explained.exists, explained.record.id, explained.stat) == (True, notes.id, record.stat)
    rules = [one async for one in client.ignore_rules("photos")]
    assert all(one.repository == "photos" for one in rules)
    checked = await client.ignore_check("photos", ["notes.txt", "notes.bak"])
    assert [one.ignored for one in checked] == [False, True]
    problem = Problem("notes.txt", ProblemCode.NAMES_COLLIDE, "like Notes.txt")
    await live.tree.ledger.store.report_problems(live.tree.repository.id, [problem])
    assert [one async for one in client.problems()] == []
    assert [one.is_note async for one in client.problems("photos", notes=True)] == [True]


async def test_what_ran_and_what_changed(live: Live) -> None:
    live.tree.write("new.txt")
    await live.tree.until_present("new.txt")
    kinds = {one.type async for one in live.client.operations("photos")}
    assert kinds == {"startup", "realtime"}
    operations = [one async for one in live.client.operations("photos", bursts=False)]
    assert [one.type for one in operations] == ["startup"]
    assert operations[-1].type == "startup"
    assert await live.client.operation(operations[-1].id) == operations[-1]
    page = await live.client.journal(since="0", repository="photos", limit=2)
    assert [one.kind for one in page.items] in (["added", "added"], ["added", "hashed"])  # or read later
    assert page.next == page.items[-1].cursor
    newest = await live.client.journal(limit=1)
    assert (newest.items[0].cursor, newest.next) == (newest.head, None)


async def test_odd_names_come_and_go_as_they_are(live: Live) -> None:
    shelf = await Shelf.new(live.tree.ledger.store, "odd")
    await shelf.add(*ODD)
    assert sorted([one.path async for one in live.client.files(repository="odd")]) == sorted(ODD)
    for path in ODD:
        assert [one.path async for one in live.client.files(prefix=path)] == [path]
    assert [one.path for one in (await live.client.journal(limit=len(ODD))).items] == ODD


# --- what is asked to be done ----------------------------------------------------------------------


async def test_repositories_come_move_and_go(live: Live, tmp_path: Path) -> None:
    client, root = live.client, tmp_path / os.fsdecode(b"odd \xe2\x80\xa8 \xff")
    root.mkdir()
    stored = stored_from_bytes(os.fsencode(root))
    added = await client.add_repository(stored, name="odd % / ?".replace("/", "&"))
    assert (added.root, added.settings) == (stored, {})
    settings = {"reconciliation": {"calculate_hashes": False}}
    changed = await client.change_repository(added.name, paused=True, settings=settings)
    assert (changed.paused, changed.state, changed.settings) == (True, "paused", settings)
    root.rename(tmp_path / "there")
    moved = await client.relocate_repository(added.name, str(tmp_path / "there"))
    assert (moved.id, moved.root) == (added.id, str(tmp_path / "there"))
    await client.remove_repository(added.name, purge=True)
    with pytest.raises(RepositoryNotFound, match="known are: photos"):
        await client.repository(added.name)


async def test_work_is_done_on_request(live: Live) -> None:
    client = live.client
    scanned = await client.trigger(repository="photos", paths=["2024"], rehash=True, wait=True)
    assert [one.files_hashed for one in scanned.operations] == [2]
    scrubbed = await client.trigger("scrub", limits=Limits(files=1), wait=True)
    assert [(one.scrubbed, one.ended) for one in scrubbed.scrubs] == [(1, "files")]
    assert (await client.trigger()).repositories == ["photos"]
    assert (await client.pause()).repositories == ["photos"]
    assert (await client.resume("photos")).repositories == ["photos"]
    with pytest.raises(TreeledgerError, match="start it again"):
        await client.reload()


async def test_a_persons_word_is_taken(live: Live) -> None:
    client, tree = live.client, live.tree
    shelf = await Shelf.new(tree.ledger.store, "shelf")
    hold = await tree.ledger.store.open_hold(shelf.lease, gone=21, live=30, reason="21 of 30")
    assert [one.id async for one in client.deletions()] == [hold.id]
    assert [one async for one in client.deletion_files(hold.id)] == []
    assert (await client.deletion_folders(hold.id)).folders == []
    assert (await client.reject(hold.id)).status == "rejected"
    assert [one.id async for one in client.deletions(all=True)] == [hold.id]
    assert (await client.approve(hold.id)).decided_by
    assert (await client.deletion(hold.id)).status == "approved"
    with pytest.raises(UsageError, match="not corrupted"):
        await client.accept("photos", ["notes.txt"])
    with closing(sqlite3.connect(tree.ledger.store.url.partition(":")[2])) as ledger, ledger:
        ledger.execute("UPDATE file_records SET hash_state = 'corrupted', content_hash = ?", ("0" * 64,))
    found = await client.corrupted("photos")
    assert (found.items, found.next) == ([], None)
    bad = Problem("notes.txt", ProblemCode.CORRUPTED, "its content is another")
    await tree.ledger.store.report_problems(tree.repository.id, [bad])
    await shelf.put("good", hash_state=HashState.DONE, hash_algorithm="sha256", content_hash="0" * 64)
    [one] = (await client.corrupted("photos")).items
    assert (one.path, one.hash, one.size, one.copies) == ("notes.txt", "0" * 64, 3, None)
    [one] = (await client.corrupted("photos", copies=True)).items
    assert one.copies == [Place(repository="shelf", path="good")]
    [accepted] = await client.accept("photos", ["notes.txt"])
    assert (accepted.accepted, accepted.hash_before) == (True, "0" * 64)


async def test_jobs_are_told_and_handled(live: Live) -> None:
    client, store = live.client, live.tree.ledger.store
    assert await store.plan_jobs("hook", Cursor("e", 1), [NewJob("a", {"x": 1}), NewJob("b", {})], after=None)
    first, second = [one async for one in client.queue(action="hook", state=JobState.WAITING)]
    assert (await client.job(first.id)).payload == first.payload == {"x": 1}
    assert [one.payload async for one in client.queue(brief=True)] == [{}, {}]
    assert (await client.prioritize_jobs([second.id], 5)).done == 1
    [job] = await store.claim_jobs("hook", "me", limit=1, seconds=600)
    await store.fail_job(job, "no answer", retry_in=None)
    assert (await client.retry_jobs()).done == 1
    assert (await client.clear_jobs([first.id, second.id, 99])).asked == 3
    assert [one async for one in client.queue()] == []


async def test_hashes_go_in_portions_that_an_engine_takes(live: Live) -> None:
    control = "\x01" * 4000  # six times as long in JSON
    hashes = {f"{n}{control}": "0" * 64 for n in range(100)} | {"notes.txt": "0" * 64}
    async with EngineWorker(live.client, live.tree.ledger).seeding(live.tree.repository, "sha256") as seeder:
        done = await seeder.seed(hashes)
    assert (done.unknown, [one.path for one in done.differing]) == (100, ["notes.txt"])


# --- what is wrong ---------------------------------------------------------------------------------


async def test_what_is_wrong_is_raised_as_it_is_here(live: Live) -> None:
    client = live.client
    with pytest.raises(NotFound):
        await client.record(10**6)
    with pytest.raises(UsageError, match="absolute"):
        await client.add_repository("photos")
    for text in ("\udcff", "a\0b"):
        with pytest.raises(UsageError):
            await client.repository(text)
        with pytest.raises(UsageError):
            await client.explain("photos", text)
        with pytest.raises(UsageError):
            await client.add_repository(f"/{text}")
        with pytest.raises(UsageError):
            await anext(client.changes(text))
    with pytest.raises(UsageError):
        await client.explain("photos", "x" * 100_000)
    with pytest.raises(UsageError):
        Client("http://127.0.0.1:port")


async def test_tokens_say_what_one_may(live: Live) -> None:
    async with Client(live.tcp, TOKEN) as admin:
        assert (await admin.pause("photos")).repositories == ["photos"]
        assert (await admin.resume("photos")).repositories == ["photos"]
    async with Client(live.tcp, READ_TOKEN) as reader:
        assert (await reader.status()).command == "test"
        with pytest.raises(UsageError, match="nothing is changed without it"):
            await reader.pause("photos")
    for token in ("0123456789abcdef-none", None):
        async with Client(live.tcp, token) as stranger:
            with pytest.raises(UsageError, match="token"):
                await stranger.status()
            with pytest.raises(UsageError, match="token"):
                await anext(stranger.changes())
            with pytest.raises(UsageError, match="token"):
                await anext(stranger.events())


async def test_an_engine_that_is_away_is_told(tmp_path: Path) -> None:
    for address in (f"unix:{tmp_path}/none", "http://127.0.0.1:1", "nonsense"):
        async with Client(address) as client:
            with pytest.raises(EngineAway, match="does not answer"):
                await client.status()


async def test_what_no_engine_of_this_version_would_say_is_told(live: Live) -> None:
    with pytest.raises(TreeledgerError, match="no engine of this version"):
        await live.client.get("/api/status", Change)
    with pytest.raises(TreeledgerError, match="no engine of this version"):
        async with live.client.transport.stream("GET", "/api/status"):
            pass


# --- lines that break ------------------------------------------------------------------------------


@asynccontextmanager
async def broken_line(address: str, path: Path) -> AsyncIterator[Client]:
    """A client over a line that gives what comes in small pieces and breaks now and then, wherever it is."""
    chance = random.Random(7)

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        left = chance.randrange(300, 6000)
        theirs, ours = await asyncio.open_unix_connection(address.removeprefix("unix:"))
        with closing(writer), closing(ours):
            ours.write(await reader.readuntil(b"\r\n\r\n"))
            while left > 0 and (piece := await theirs.read(chance.randrange(1, 200))):
                writer.write(piece)
                left -= len(piece)

    async with await asyncio.start_unix_server(relay, path), Client(f"unix:{path}") as client:
        yield client


async def test_every_change_comes_once_over_a_line_that_breaks(live: Live, tmp_path: Path) -> None:
    shelf = await Shelf.new(live.tree.ledger.store, "odd")
    head = await live.tree.ledger.store.head()
    paths = [f"{path}{n}" for n in range(6) for path in ODD]
    seen: list[Change] = []
    with anyio.fail_after(60):
        async with (
            broken_line(live.address, tmp_path / "line") as client,
            anyio.create_task_group() as tasks,
        ):
            tasks.start_soon(write_slowly, shelf, paths)
            async with aclosing(client.changes(str(head), repository="odd")) as changes:
                async for change in changes:
                    seen.append(change)
                    if len(seen) == len(paths):
                        break
    assert [one.path for one in seen] == paths
    assert [one.n for one in seen] == sorted({one.n for one in seen})


async def write_slowly(shelf: Shelf, paths: list[str]) -> None:
    for path in paths:
        await shelf.add(path)


async def test_every_event_comes_once_over_a_line_that_breaks(live: Live, tmp_path: Path) -> None:
    hub, news = live.tree.ledger.hub, live.service.news
    since = f"{news.run}:{news.head.n}"
    for n, message in enumerate(ODD * 6):
        hub.tell(StateChanged(live.tree.repository, RepositoryState.DEGRADED, f"{message} {n}"))
        hub.tell(AttentionChanged(n))
    heard: list[str | int] = []
    with anyio.fail_after(60):
        async with (
            broken_line(live.address, tmp_path / "line") as client,
            aclosing(client.events(since)) as events,
        ):
            async for event in events:
                match event.data:
                    case State(message=message) if message.endswith(tuple("0123456789")):
                        heard.append(message)
                    case Attention(waiting=waiting):
                        heard.append(waiting)
                if heard and heard[-1] == 6 * len(ODD) - 1:
                    break
    told = [(f"{message} {n}", n) for n, message in enumerate(ODD * 6)]
    assert heard == [one for pair in told for one in pair]


async def test_a_cursor_that_is_gone_is_told_over_any_line(live: Live, tmp_path: Path) -> None:
    async with broken_line(live.address, tmp_path / "line") as client:
        with anyio.fail_after(30), pytest.raises(CursorExpired, match="afresh"):
            await anext(client.changes("0123456789abcdef:1"))


async def test_who_does_not_want_it_to_last_is_told_that_the_line_broke(live: Live, tmp_path: Path) -> None:
    shelf = await Shelf.new(live.tree.ledger.store, "odd")
    await write_slowly(shelf, [f"{path}{n}" for n in range(6) for path in ODD])
    news = live.service.news
    for n in range(400):
        live.tree.ledger.hub.tell(AttentionChanged(n))
    async with broken_line(live.address, tmp_path / "line") as client:
        for stream in (client.changes("0", lasting=False), client.events(f"{news.run}:0", lasting=False)):
            with anyio.fail_after(30), pytest.raises(EngineAway, match=str(tmp_path / "line")):
                async for _ in stream:
                    pass


async def test_who_stops_following_is_let_go(live: Live) -> None:
    async with aclosing(live.client.changes("0")) as changes:
        await anext(changes)
        assert live.service.tail.readers == 1
    await until(lambda: has_no_readers(live), "nobody reads")


async def has_no_readers(live: Live) -> bool:
    return live.service.tail.readers == 0
