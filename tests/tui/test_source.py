"""Where news come from: engines that come, go and are others then, and feeds of who changes rarely."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from stage import stage
from support import Tree, tree_on, until
from test_pictures import NEWS

from treeledger import wire
from treeledger.api.server import serving
from treeledger.api.service import Service
from treeledger.client import Client
from treeledger.config.settings import ApiSettings
from treeledger.errors import CursorExpired, StoreUnavailable
from treeledger.tui.app import Dashboard
from treeledger.tui.model import MOST_CHANGES
from treeledger.tui.widgets.toned import Toned

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def answering(tree: Tree, folder: Path, name: str) -> AsyncIterator[str]:
    """The address of an engine on a tree."""
    async with tree.watched() as engine:
        service = Service(tree.ledger, engine, "test", datetime.now(UTC))
        async with serving(service, ApiSettings(socket=str(folder / name)), folder) as [address]:
            yield address


@asynccontextmanager
async def of_another_version(path: Path) -> AsyncIterator[str]:
    """Somebody who answers all with `{}`."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):  # nobody waits for the answer any more
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}")
        writer.close()

    async with await asyncio.start_unix_server(answer, path):
        yield f"unix:{path}"


async def test_an_engine_of_another_version_address_and_ledger_is_shown_as_it_is(
    tree: Tree, tmp_path: Path
) -> None:
    addresses: list[str] = []

    async def find() -> str | None:
        return addresses[-1] if addresses else None

    async with stage(Dashboard(find)) as shown:
        async with answering(tree, tmp_path, "one") as address:
            addresses.append(address)
            await shown.until(r"photos +● watching +31 ")
            await shown.until("added +notes.txt")
        async with of_another_version(tmp_path / "two") as address:
            addresses.append(address)
            await shown.until("engine away")
            await shown.until("what answers at")
            assert "no engine of this version" in shown.app.snapshot.message
        (tmp_path / "films").mkdir()
        (tmp_path / "films/one.mkv").write_text("film")
        async with (
            tree_on(tmp_path / "films", f"sqlite:{tmp_path / 'another.db'}") as films,
            answering(films, tmp_path, "three") as address,
        ):
            addresses.append(address)
            await shown.until(r"films +● watching +1 ")
            await shown.until("added +one.mkv")

            async def is_as_it_is() -> bool:
                snapshot = shown.app.snapshot
                told = {one.repository for one in snapshot.operations}
                head = (await films.ledger.store.head()).n
                return told == set(snapshot.feeds) == {"films"} and snapshot.head == head

            await until(is_as_it_is, "only what is of the other ledger")


async def test_a_ledger_that_is_away_is_said_to_be_until_it_is_back(tree: Tree, tmp_path: Path) -> None:
    troubles: list[Exception] = [StoreUnavailable("the ledger postgresql:x is away: no route")]

    async def find() -> str | None:
        if troubles:
            raise troubles[0]
        return address

    async with stage(Dashboard(find)) as shown:
        await shown.until("○ ledger away")
        await shown.press("3")
        await shown.until("the ledger is away; nothing was done")
        async with answering(tree, tmp_path, "one") as address:
            troubles.clear()
            await shown.until("31 by path")
            await shown.press("1")
            await shown.until(r"photos +● watching +31 ")
            assert "ledger away" not in shown.text


async def test_the_last_changes_of_a_quiet_repository_are_shown_whatever_a_busy_one_does(
    tree: Tree, tmp_path: Path
) -> None:
    (tmp_path / "archive").mkdir()
    (tmp_path / "archive/old.txt").write_text("old")

    async def find() -> str | None:
        return f"unix:{tmp_path / 's'}"

    async with tree.watched() as engine:
        await tree.until_equal()
        service = Service(tree.ledger, engine, "test", datetime.now(UTC))
        async with (
            serving(service, ApiSettings(socket=str(tmp_path / "s")), tmp_path),
            Client(f"unix:{tmp_path / 's'}") as client,
        ):
            await client.add_repository(str(tmp_path / "archive"))
            async with stage(Dashboard(find)) as first:
                await first.until(r"archive +● watching +1 ")
            for number in range(MOST_CHANGES):
                tree.write(f"busy/{number:03}", "text")
            await tree.until_equal()
            async with stage(Dashboard(find)) as shown:
                await shown.until(r"▸ archive +● watching +1 ")
                await shown.until("added +old.txt")


async def test_a_journal_that_cannot_be_gone_on_is_begun_afresh(
    tree: Tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    follow, times = Client.changes, []

    def expiring(self: Client, *arguments: Any, **named: Any) -> AsyncGenerator[wire.Change, None]:
        times.append(arguments)
        return expired() if len(times) == 1 else follow(self, *arguments, **named)

    async def expired() -> AsyncGenerator[wire.Change, None]:
        tree.write("2025/missed.jpg")
        await tree.until_present("2025/missed.jpg")
        raise CursorExpired("start afresh")
        yield

    monkeypatch.setattr(Client, "changes", expiring)
    async with answering(tree, tmp_path, "s") as address:

        async def find() -> str | None:
            return address

        async with stage(Dashboard(find)) as shown:
            await shown.until("added +2025/missed.jpg")
            tree.write("2025/after.jpg")
            await shown.until("added +2025/after.jpg")
            feed = [one.n for one in shown.app.snapshot.feed("photos")]
            assert feed == list(range(feed[0], 0, -1))


async def test_while_nothing_changes_nothing_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    async with stage() as shown:
        await shown.tell(*NEWS)
        drawn: list[Toned] = []
        monkeypatch.setattr(Toned, "refresh", lambda self, *_, **__: drawn.append(self) or self)
        for _ in range(3):
            shown.app._tick()
            await shown.tell(*NEWS[:2])
        assert drawn == []


async def test_a_second_that_begins_while_it_ends_is_no_error() -> None:
    async with stage() as shown:
        pass
    shown.app._tick()
