"""The journal and what goes on as streams over a real socket: fast readers, slow ones, some come back."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import anyio
import pytest
from postgres_server import OwnServer
from support import Tree, tree_on, until

from treeledger.api import readings
from treeledger.api.events import Event, Ping, Sent
from treeledger.api.routes_events import follow, report
from treeledger.api.server import serving
from treeledger.api.service import Service
from treeledger.api.tail import Tail
from treeledger.client import Client, Happened
from treeledger.config.settings import ApiSettings
from treeledger.engine.hub import AttentionChanged, Finished, Progress
from treeledger.errors import CursorExpired, RepositoryNotFound, UsageError
from treeledger.journal import Since
from treeledger.model import Cursor
from treeledger.testing.store_shelf import Shelf
from treeledger.wire import Change, Operation
from treeledger.wire_events import Attention, Connected

pytestmark = pytest.mark.anyio
READERS = 50
ENTRIES = 900
BATCH = 100


@dataclass
class Live:
    """An engine with its API, and a repository beside the tree that tests write entries to."""

    tree: Tree
    shelf: Shelf
    service: Service
    address: str
    written: int = 0

    async def write(self, count: int) -> None:
        """Adds files, each an entry of the journal."""
        names = [f"{self.written + n:06}" for n in range(count)]
        self.written += count
        await self.shelf.add(*names)

    async def numbers(self, after: int = 0) -> list[int]:
        """Of all entries after one, as the store has them."""
        return [entry.n for entry in await self.tree.ledger.store.changes(after, limit=100_000)]


@asynccontextmanager
async def live_on(tmp_path: Path, url: str, *, most: int = 1000) -> AsyncIterator[Live]:
    """`most`: entries in memory."""
    async with tree_on(tmp_path / "tree", url) as tree, tree.watched() as engine:
        service = Service(tree.ledger, engine, "test", datetime.now(UTC))
        object.__setattr__(service, "tail", Tail(tree.ledger.store, most=most))
        shelf = await Shelf.new(tree.ledger.store, "shelf")
        async with serving(service, ApiSettings(socket=str(tmp_path / "s")), tmp_path) as [address]:
            yield Live(tree, shelf, service, address)


@pytest.fixture
async def live(tmp_path: Path) -> AsyncIterator[Live]:
    async with live_on(tmp_path, f"sqlite:{tmp_path / 'ledger.db'}") as live:
        yield live


async def read_all(client: Client, since: str, last: int) -> list[int]:
    """The numbers of the entries up to one."""
    numbers = []
    async with aclosing(client.changes(since)) as changes:
        async for change in changes:
            numbers.append(change.n)
            if change.n >= last:
                break
    return numbers


async def read_in_parts(client: Client, since: str, last: int) -> list[int]:
    """As `read_all`, over a new line for every 300 entries."""
    numbers: list[int] = []
    while not numbers or numbers[-1] < last:
        async with aclosing(client.changes(since)) as changes:
            async for change in changes:
                numbers.append(change.n)
                since = change.cursor
                if len(numbers) % 300 == 0 or change.n >= last:
                    break
    return numbers


async def read_late(client: Client, since: str, last: int, all_written: anyio.Event) -> list[int]:
    """As `read_all`, by one who takes the first entry and then nothing before all are written."""
    numbers: list[int] = []
    async with aclosing(client.changes(since)) as changes:
        async for change in changes:
            numbers.append(change.n)
            if change.n >= last:
                break
            await all_written.wait()
    return numbers


async def fifty_readers(live: Live, disturb: list[AsyncIterator[None]] | None = None) -> None:
    """Fails unless fifty readers of three kinds see each entry written meanwhile once and in order."""
    head = await live.tree.ledger.store.head()
    last = head.n + ENTRIES
    all_written = anyio.Event()
    seen: dict[int, list[int]] = {}

    async def read(number: int) -> None:
        async with Client(live.address) as client:
            match number % 3:
                case 0:
                    seen[number] = await read_all(client, str(head), last)
                case 1:
                    seen[number] = await read_in_parts(client, str(head), last)
                case _:
                    seen[number] = await read_late(client, str(head), last, all_written)

    async with anyio.create_task_group() as tasks:
        for number in range(READERS):
            tasks.start_soon(read, number)
        for _ in range(ENTRIES // BATCH):
            await live.write(BATCH)
            for step in disturb or ():
                await anext(step, None)
        all_written.set()
    expected = await live.numbers(head.n)
    assert len(expected) >= ENTRIES
    for number, numbers in seen.items():
        assert numbers == expected[: len(numbers)], number
        assert numbers[-1] >= last


@pytest.mark.parametrize("most", [500, 100_000], ids=["slow-ones-fall-behind", "all-from-memory"])
async def test_fifty_readers_each_see_every_entry_once_and_in_order(
    tmp_path: Path, store_url: str, most: int
) -> None:
    async with live_on(tmp_path, store_url, most=most) as live:
        with anyio.fail_after(120):
            await fifty_readers(live)
        await until(lambda: is_empty(live.service.tail), "what was kept for them is let go")


async def is_empty(tail: Tail) -> bool:
    return not tail.kept and not tail.readers


async def test_readers_go_on_after_the_store_was_restarted(tmp_path: Path, own_server: OwnServer) -> None:
    own_server.execute("CREATE DATABASE tail")

    async def restarts() -> AsyncIterator[None]:
        while True:
            for _ in range(3):
                yield
            await anyio.to_thread.run_sync(own_server.restart, "immediate")
            await until(lambda: answers(live), "the store is back")

    async with live_on(tmp_path, own_server.url("tail")) as live:
        with anyio.fail_after(180):
            await fifty_readers(live, [restarts()])


async def answers(live: Live) -> bool:
    await live.tree.ledger.store.head()
    return True


async def test_a_reader_who_does_not_read_holds_up_nobody_and_costs_no_memory(live: Live) -> None:
    head = await live.tree.ledger.store.head()
    async with (
        Client(live.address) as idle,
        Client(live.address) as busy,
        aclosing(idle.changes(str(head))) as changes,
    ):
        await live.write(1)
        await anext(changes)
        for _ in range(50):
            await live.write(BATCH)
        with anyio.fail_after(30):
            assert len(await read_all(busy, str(head), head.n + 5001)) == 5001
        assert live.service.tail.kept <= 1000


async def test_a_reader_of_one_repository_sees_only_that(live: Live) -> None:
    head = await live.tree.ledger.store.head()
    other = await Shelf.new(live.tree.ledger.store, "other")
    await other.add("a", "b")
    await live.write(2)
    async with (
        Client(live.address) as client,
        aclosing(client.changes(str(head), repository="other")) as changes,
    ):
        assert [(await anext(changes)).path for _ in range(2)] == ["a", "b"]
        await live.write(2)
        await other.add("c")
        assert (await anext(changes)).path == "c"


async def test_a_reader_of_one_repository_knows_where_he_is_while_another_is_busy(live: Live) -> None:
    store, tail = live.tree.ledger.store, live.service.tail
    head = await store.head()

    async def keep_busy() -> None:
        while True:
            await live.write(1)

    events = follow(tail, head, live.tree.repository.id, ping_every=0.2)
    numbers: list[int] = []
    with anyio.fail_after(60):
        async with anyio.create_task_group() as tasks, aclosing(events):
            tasks.start_soon(keep_busy)
            while len(set(numbers)) < 3:  # the store may be slower than a ping
                ping = await anext(events)
                assert isinstance(ping, Ping)
                numbers.append(int(str(ping.id).rpartition(":")[2]))
            tasks.cancel_scope.cancel()
    assert numbers[0] == head.n
    assert numbers == sorted(numbers)


async def test_a_client_goes_on_when_the_server_comes_back(tmp_path: Path) -> None:
    async with live_on(tmp_path, f"sqlite:{tmp_path / 'ledger.db'}") as live:
        head = await live.tree.ledger.store.head()
        settings = ApiSettings(socket=str(tmp_path / "again"))
        async with (
            Client(f"unix:{settings.socket}") as client,
            aclosing(client.changes(str(head))) as changes,
        ):
            seen = []
            for _ in range(3):
                async with serving(live.service, settings, tmp_path):
                    await live.write(2)
                    with anyio.fail_after(30):
                        seen += [(await anext(changes)).n for _ in range(2)]
                await live.write(1)
            async with serving(live.service, settings, tmp_path):
                seen.append((await anext(changes)).n)
    assert seen == [head.n + 1 + n for n in range(len(seen))]


async def test_without_a_cursor_a_reader_begins_now(live: Live) -> None:
    await live.write(3)
    seen: list[Change] = []

    async def read() -> None:
        async with Client(live.address) as client, aclosing(client.changes()) as changes:
            seen.append(await anext(changes))

    with anyio.fail_after(30):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(read)
            await until(lambda: has_readers(live), "it reads")
            await live.write(1)
    assert seen[0].path == "000003"


async def has_readers(live: Live) -> bool:
    return live.service.tail.readers > 0


@pytest.mark.parametrize("cursor", ["0123456789abcdef:1", "999999"])
async def test_who_cannot_go_on_is_told_to_start_afresh(live: Live, cursor: str) -> None:
    async with Client(live.address) as client:
        with pytest.raises(CursorExpired, match="afresh"):
            await anext(client.changes(cursor))
        with pytest.raises(CursorExpired, match="afresh"):
            await client.journal(since=cursor)


async def test_what_is_no_cursor_and_no_time_is_said_to_be_none(live: Live) -> None:
    async with Client(live.address) as client:
        for since in ("yesterday", "9" * 5000):
            with pytest.raises(UsageError, match="neither"):
                await anext(client.changes(since))
        with pytest.raises(RepositoryNotFound):
            await client.journal(repository="nothing")


async def test_pages_of_the_journal_neither_skip_nor_double(live: Live) -> None:
    await live.write(25)
    numbers: list[int] = []
    async with Client(live.address) as client:
        since: str | None = "0"
        while since is not None:
            page = await client.journal(since=since, limit=10)
            numbers += [item.n for item in page.items]
            since = page.next
        newest = await client.journal(limit=5)
        recent = await client.journal(since="1h", limit=1000)
    assert numbers == await live.numbers() == [item.n for item in recent.items]
    assert [item.n for item in newest.items] == numbers[-5:]
    assert newest.head == str(await live.tree.ledger.store.head())


async def test_the_tail_begins_at_a_time(live: Live) -> None:
    before = datetime.now(UTC)
    await live.write(3)
    tail = live.service.tail
    first = (await live.numbers())[-3]
    assert (await tail.begin(Since(at=before))).n == first - 1
    assert await tail.begin(Since(at=datetime.now(UTC))) == await tail.head()


async def test_a_tail_of_another_history_ends_for_all(live: Live) -> None:
    with pytest.raises(CursorExpired):
        await live.service.tail.after(Cursor("another", 0))


# what goes on


async def test_operations_are_told_from_their_beginning_to_their_end(live: Live) -> None:
    async with Client(live.address) as client:
        told: list[tuple[str, object]] = []

        async def listen() -> None:
            async with aclosing(client.events()) as events:
                async for event in events:
                    told.append((event.name, event.data))
                    if event.name == "finished" and isinstance(event.data, Operation):
                        return

        with anyio.fail_after(30):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(listen)
                await until(lambda: is_connected(told), "it listens")
                live.tree.write("new")
    names = [name for name, _ in told]
    assert names.index("began") < names.index("finished")


async def is_connected(told: list[tuple[str, object]]) -> bool:
    return bool(told)


async def test_who_comes_back_hears_what_he_missed_and_who_was_away_too_long_is_told(live: Live) -> None:
    hub, news = live.tree.ledger.hub, live.service.news
    before = f"{news.run}:{news.head.n}"
    hub.tell(AttentionChanged(1))
    hub.tell(AttentionChanged(2))
    async with Client(live.address) as client:
        async with aclosing(client.events(before)) as events:
            heard = [one.data for one in await heard_of(events, 3)]
        assert heard == [Connected(), Attention(waiting=1), Attention(waiting=2)]
        for n in range(1100):
            hub.tell(AttentionChanged(n))
        for since in (before, "another:1", "nonsense"):
            async with aclosing(client.events(since)) as events:
                assert [one.name for one in await heard_of(events, 2)] == ["connected", "afresh"]
                hub.tell(AttentionChanged(7))
                [told] = await heard_of(events, 1)
                assert told.data == Attention(waiting=7)


async def heard_of(events: AsyncIterator[Happened], count: int) -> list[Happened]:
    """So many that come next, without the health of the watch, which is told whenever it changed."""
    heard: list[Happened] = []
    async for event in events:
        if event.name != "health":
            heard.append(event)
        if len(heard) == count:
            break
    return heard


async def test_who_is_too_slow_for_what_is_kept_is_told(live: Live) -> None:
    hub, news = live.tree.ledger.hub, live.service.news
    async with aclosing(report(news, news.head)) as events:
        assert isinstance(await anext(events), Ping)
        for n in range(1100):
            hub.tell(AttentionChanged(n))
        assert (await next_of(events)).name == "afresh"
        hub.tell(AttentionChanged(7))
        assert (await next_of(events)).data == Attention(waiting=7)


async def next_of(events: AsyncIterator[Sent]) -> Event:
    """The next event but those of the health of the watch."""
    while True:
        event = await anext(events)
        assert isinstance(event, Event)
        if event.name != "health":
            return event


async def test_how_many_read_is_known(live: Live) -> None:
    async def are(changes: int, events: int) -> None:
        async def are_so() -> bool:
            return (await readings.read(live.service)).readers == {"changes": changes, "events": events}

        await until(are_so, f"{changes} readers of changes, {events} of events")

    async with Client(live.address) as client:
        async with aclosing(client.events()) as events, aclosing(client.changes("0")) as changes:
            await live.write(1)
            await anext(events)
            await anext(changes)
            await are(1, 1)
        await are(0, 0)


async def test_of_progress_only_the_last_is_kept(live: Live) -> None:
    for n in range(300):
        live.tree.write(f"{n % 10}/{n}")
    news = live.service.news
    operation = await live.tree.ledger.scan(live.tree.repository, rehash=True)
    assert operation.counts.files_scanned
    heard = await news.after(Cursor(news.run, 0))
    assert any(isinstance(one.event, Finished) for one in heard)
    assert sum(isinstance(one.event, Progress) for one in heard) <= 1
