"""People are told what waits for them: once, across restarts, though receivers fail and the store is away."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from receiver import Receiver, receiving
from support import until

from treeledger.config.settings import AttentionSettings, Duration
from treeledger.daemon import attention
from treeledger.daemon.attention import Attention
from treeledger.engine.hub import AttentionChanged
from treeledger.errors import StoreUnavailable
from treeledger.ledger import Ledger
from treeledger.model import Cursor, HoldStatus, NewJob
from treeledger.protocols import Store
from treeledger.waiting import Waiting

pytestmark = pytest.mark.anyio


@pytest.fixture
def phone() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


@pytest.fixture
def mail() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, seconds in (("_EVERY", 0.1), ("_LEAST", 0.0), ("_FIRST_RETRY", 0.1)):
        monkeypatch.setattr(attention, name, seconds)


@asynccontextmanager
async def running(
    folder: Path, store_url: str, receivers: dict[str, Receiver], top: str = ""
) -> AsyncIterator[Ledger]:
    """A ledger under watch whose attention is told to these receivers."""
    (folder / "photos").mkdir(exist_ok=True)
    tables = [
        f'[plugins.{name}]\nuse = "webhook"\nurl = "{one.url}"\nchanges = false\n'
        for name, one in receivers.items()
    ]
    file = folder / "plugins.toml"
    declared = f'[[repositories]]\nname = "photos"\nroot = "{folder}/photos"\n'
    declared += "max_delete = { files = 3, floor = 3 }\n"
    file.write_text(f"[attention]\nnotify = {list(receivers)}\n{top}\n{declared}{''.join(tables)}")
    file.chmod(0o600)
    async with (
        Ledger.open(store=store_url, config=file) as ledger,
        ledger.started(command="daemon", root_check=0.2) as engine,
    ):
        plugins = ledger.plugins.receivers()
        follow = Attention(ledger, engine, actions=["phone"], receivers=plugins).follow
        engine.start(follow)
        yield ledger


async def buried(store: Store, key: str) -> None:
    """A dead job of the action `phone`."""
    cursor = await store.action_cursor("phone")
    await store.plan_jobs("phone", Cursor("e", 1), [NewJob(key, {})], after=cursor)
    [job] = await store.claim_jobs("phone", "me", limit=1, seconds=60)
    await store.fail_job(job, "HTTP 410", retry_in=None)


def told(receiver: Receiver) -> list[tuple[str, bool]]:
    """Kind of everything that arrived, and whether it was over."""
    return [
        (one["kind"], one["over"]) for delivery in receiver.deliveries for one in delivery.json["attention"]
    ]


async def until_told(receiver: Receiver, *expected: tuple[str, bool]) -> None:
    async def is_so() -> bool:
        return told(receiver) == list(expected)

    try:
        await until(is_so, f"told {expected}")
    except AssertionError as error:
        raise AssertionError(f"{error}; told was {told(receiver)}") from None


async def until_noted(ledger: Ledger, *expected: int) -> None:
    """Until the store has it on record that each of what waits was told so often."""

    async def is_so() -> bool:
        return [one.told for one in await ledger.store.waiting(over=True)] == list(expected)

    await until(is_so, f"noted as told {expected}")


async def test_held_deletions_are_told_once_and_once_that_they_are_decided(
    tmp_path: Path, store_url: str, phone: Receiver
) -> None:
    (tmp_path / "photos").mkdir()
    for n in range(10):
        (tmp_path / f"photos/{n}").write_text("x")
    async with running(tmp_path, store_url, {"phone": phone}) as ledger:

        async def are_known() -> bool:
            return (await ledger.repository("photos")).files == 10

        await until(are_known, "10 files")
        for n in range(9):
            (tmp_path / f"photos/{n}").unlink()
        await until_told(phone, ("held", False))
        [notice] = phone.deliveries[0].json["attention"]
        assert (notice["repository"], notice["told"]) == ("photos", 0)
        assert "treeledger deletions show" in notice["message"]
        await until_noted(ledger, 1)
    async with running(tmp_path, store_url, {"phone": phone}) as ledger:
        await buried(ledger.store, "a")
        await until_told(phone, ("held", False), ("dead_job", False))
        [hold] = await ledger.store.holds(None, statuses=(HoldStatus.OPEN,))
        await ledger.store.set_hold(hold.id, HoldStatus.REJECTED, by="me")
        await until_told(phone, ("held", False), ("dead_job", False), ("held", True))
        await until_noted(ledger, 1)


async def test_a_receiver_that_fails_is_tried_again_and_the_other_is_told_once(
    tmp_path: Path, store_url: str, phone: Receiver, mail: Receiver
) -> None:
    phone.answers.extend([(503, {}), (404, {})])
    async with running(tmp_path, store_url, {"phone": phone, "mail": mail}) as ledger:
        await buried(ledger.store, "a")
        await until_told(phone, *[("dead_job", False)] * 3)
        await until_noted(ledger, 1)
        ids = {delivery.headers["treeledger-delivery"] for delivery in phone.deliveries}
        assert len(ids) == 1
        await ledger.store.clear_jobs([job.id for job in await ledger.store.jobs(limit=9)])
        await until_told(mail, ("dead_job", False), ("dead_job", True))


async def test_what_waits_is_listed_while_a_receiver_takes_its_time(
    tmp_path: Path, store_url: str, phone: Receiver
) -> None:
    gate = threading.Event()
    phone.answers.append(gate.wait)
    try:
        async with running(tmp_path, store_url, {"phone": phone}) as ledger:
            await buried(ledger.store, "a")
            await until_told(phone, ("dead_job", False))
            await until_noted(ledger, 0)
    finally:
        gate.set()


async def test_what_is_over_while_nothing_ran_is_told_by_the_next_engine(
    tmp_path: Path, store_url: str, phone: Receiver
) -> None:
    async with running(tmp_path, store_url, {"phone": phone}) as ledger:
        await buried(ledger.store, "a")
        await until_noted(ledger, 1)
        jobs = await ledger.store.jobs(limit=9)
    async with Ledger.open(store=store_url) as ledger:
        await ledger.store.clear_jobs([job.id for job in jobs])
    async with running(tmp_path, store_url, {"phone": phone}) as ledger:
        await until_told(phone, ("dead_job", False), ("dead_job", True))
        await until_noted(ledger)


async def test_an_offline_root_is_listed_at_once_and_forgotten_if_it_returns(
    tmp_path: Path, store_url: str, phone: Receiver
) -> None:
    async with running(tmp_path, store_url, {"phone": phone}) as ledger:
        (tmp_path / "photos").rename(tmp_path / "away")
        await until_noted(ledger, 0)
        [waiting] = await ledger.store.waiting()
        assert (waiting.kind, waiting.repository_id) == ("offline", (await ledger.repository("photos")).id)
        (tmp_path / "away").rename(tmp_path / "photos")
        await until_noted(ledger)
    assert told(phone) == []


async def test_only_wanted_kinds_are_told_and_what_waits_still_again(
    tmp_path: Path, store_url: str, phone: Receiver
) -> None:
    top = 'kinds = ["dead_job"]\nremind = "1s"'
    async with running(tmp_path, store_url, {"phone": phone}, top) as ledger:
        await buried(ledger.store, "a")
        await until(lambda: _is_reminded(phone), "told again")
        notices = [one for delivery in phone.deliveries for one in delivery.json["attention"]]
        assert {one["kind"] for one in notices} == {"dead_job"}
        assert [one["told"] for one in notices] == list(range(len(notices)))
        configuration = ledger.configuration
        settings = AttentionSettings(notify=("phone",), remind=Duration(3600))
        ledger.configuration = replace(configuration, attention=settings)
        await buried(ledger.store, "b")
        await ledger.store.clear_jobs([job.id for job in await ledger.store.jobs(limit=9)])
        await until(lambda: _is_over(phone), "told that it is over")


async def _is_reminded(receiver: Receiver) -> bool:
    return len(told(receiver)) > 1


async def _is_over(receiver: Receiver) -> bool:
    return ("dead_job", True) in told(receiver)


async def test_without_receivers_it_is_listed_and_nothing_counts_as_told(
    tmp_path: Path, store_url: str
) -> None:
    async with running(tmp_path, store_url, {}) as ledger:
        heard: list[int] = []
        stop = ledger.hub.listen(
            lambda event: heard.append(event.waiting) if isinstance(event, AttentionChanged) else None
        )

        async def until_heard(*waiting: int) -> None:
            async def is_so() -> bool:
                return heard == [*waiting]

            await until(is_so, f"who looks on has heard of {waiting}, and only of changes")

        await buried(ledger.store, "a")
        await until_heard(1)
        await until_noted(ledger, 0)
        await ledger.store.clear_jobs([job.id for job in await ledger.store.jobs(limit=9)])
        await until_heard(1, 0)
        await until_noted(ledger)
        stop()


async def test_people_are_told_though_the_store_is_away_and_it_is_noted_later(
    tmp_path: Path, phone: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store of this test is away for everything that attention asks of it."""
    url = f"sqlite:{tmp_path / 'ledger.db'}"
    async with running(tmp_path, url, {"phone": phone}) as ledger:
        note = ledger.store.note_waiting
        tries: list[Sequence[object]] = []

        async def away(noted: Sequence[object], over: Sequence[str]) -> None:
            tries.append(noted)
            raise StoreUnavailable("the ledger is away")

        monkeypatch.setattr(ledger.store, "note_waiting", away)
        await buried(ledger.store, "a")
        await until_told(phone, ("dead_job", False))

        async def was_tried() -> bool:
            return len(tries) > 2

        await until(was_tried, "tried to note it")
        monkeypatch.setattr(ledger.store, "note_waiting", note)
        await until_noted(ledger, 1)
        assert told(phone) == [("dead_job", False)]


async def test_what_was_noted_though_the_store_could_not_say_so_is_ended_as_well(
    tmp_path: Path, store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(tmp_path, store_url, {}) as ledger:
        note = ledger.store.note_waiting

        async def lost(noted: Sequence[Waiting], over: Sequence[str]) -> None:
            await note(noted, over)
            raise StoreUnavailable("its answer was lost")

        monkeypatch.setattr(ledger.store, "note_waiting", lost)
        await buried(ledger.store, "a")
        await until_noted(ledger, 0)

        async def away(noted: Sequence[Waiting], over: Sequence[str]) -> None:
            raise StoreUnavailable("the ledger is away")

        monkeypatch.setattr(ledger.store, "note_waiting", away)
        await ledger.store.clear_jobs([job.id for job in await ledger.store.jobs(limit=9)])
        monkeypatch.setattr(ledger.store, "note_waiting", note)
        await until_noted(ledger)
