"""The webhook keeps the contract of actions, and delivers what it says as it says."""

from __future__ import annotations

import hashlib
import hmac
import logging
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from receiver import Receiver, receiving

from treeledger.config.tables import PluginTables
from treeledger.errors import ConfigurationError, PermanentFailure, RetryLater, TreeledgerError
from treeledger.model import ChangeKind
from treeledger.plugins import receivers
from treeledger.plugins.receivers import is_never_a_receiver
from treeledger.plugins.webhook import Options, Webhook, actions, attention, retry_after
from treeledger.protocols import Action
from treeledger.testing.actions import PHOTOS, REMOVED, ActionContract, entry, job_of, journal
from treeledger.waiting import Notice, Waiting, WaitingKind

KNOWN = {PHOTOS.id: PHOTOS}
PLACE = "/hooks/T0K3N"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


def webhook(receiver: Receiver, **options: Any) -> Webhook:
    return Webhook("phone", Options(url=receiver.url + PLACE, **options))


def configured(**options: Any) -> list[Webhook]:
    return actions(PluginTables({"phone": {"use": "webhook", **options}}))


class TestWebhook(ActionContract):
    module = "treeledger.plugins.webhook"
    plugin = "webhook"

    @pytest.fixture
    def options(self, receiver: Receiver) -> dict[str, Any]:
        return {
            "url": receiver.url.replace("://", "://me:pa55word@") + PLACE,
            "secret": "s3cr3t",
            "headers": {"Authorization": "Bearer b34r3r"},
            "batch": 7,
        }

    @pytest.fixture
    def secrets(self) -> list[str]:
        return ["s3cr3t", "b34r3r", "T0K3N", "pa55word"]

    def test_repr_of_its_options_tells_no_secret(self, options: dict[str, Any], secrets: list[str]) -> None:
        assert not [secret for secret in secrets if secret in repr(Options(**options))]


# --- what is sent --------------------------------------------------------------------------------


@pytest.mark.anyio
async def test_changes_arrive_as_json(receiver: Receiver) -> None:
    action = webhook(receiver, headers={"X-Room": "attic"})
    moved = entry(7, ChangeKind.MOVED, "b.jpg", path_before="a.jpg", record_id=3, operation_id=9)
    [job] = action.plan([moved, entry(8, repository_id=REMOVED, hash_algorithm="sha256", hash="ab")], KNOWN)
    await action.run(job_of("phone", job))
    [delivery] = receiver.deliveries
    assert delivery.path == PLACE
    assert delivery.headers["content-type"] == "application/json"
    assert delivery.headers["treeledger-delivery"] == "7-8"
    assert delivery.headers["x-room"] == "attic"
    assert "treeledger-signature" not in delivery.headers
    assert delivery.json["action"] == "phone"
    first, second = delivery.json["changes"]
    assert first == {
        "n": 7,
        "at": "2026-11-20T08:30:07+00:00",
        "repository": "photos",
        "repository_id": str(PHOTOS.id),
        "kind": "moved",
        "path": "b.jpg",
        "path_before": "a.jpg",
        "id": 3,
        "size": 1,
        "mtime_ns": 2**62,
        "hash": None,
        "hash_algorithm": None,
        "hash_before": None,
        "operation": 9,
    }
    assert (second["repository"], second["hash_algorithm"], second["hash"]) == (str(REMOVED), "sha256", "ab")


@pytest.mark.anyio
async def test_the_signature_covers_time_and_body(receiver: Receiver) -> None:
    action = webhook(receiver, secret="hush")
    [job] = action.plan([entry(1)], KNOWN)
    before = int(time.time())
    await action.run(job_of("phone", job))
    [delivery] = receiver.deliveries
    stamp, digest = delivery.headers["treeledger-signature"].removeprefix("t=").split(",v1=")
    assert before <= int(stamp) <= time.time()
    expected = hmac.digest(b"hush", stamp.encode() + b"." + delivery.body, hashlib.sha256)
    assert hmac.compare_digest(expected.hex(), digest)


@pytest.mark.anyio
async def test_a_delivery_that_is_repeated_is_the_same(receiver: Receiver) -> None:
    action = webhook(receiver)
    [job] = action.plan(journal(), KNOWN)
    receiver.answers.append((503, {}))
    with pytest.raises(RetryLater):
        await action.run(job_of("phone", job))
    await action.run(job_of("phone", job))
    first, second = receiver.deliveries
    assert first.body == second.body
    assert first.headers["treeledger-delivery"] == second.headers["treeledger-delivery"]


@given(
    st.lists(st.sampled_from(ChangeKind), max_size=40),
    st.integers(1, 7),
    st.sets(st.sampled_from(ChangeKind)),
)
def test_every_wanted_change_is_in_one_batch_in_order(
    kinds: list[ChangeKind], batch: int, wanted: set[ChangeKind]
) -> None:
    action = Webhook("phone", Options(url="http://localhost/", batch=batch, kinds=tuple(wanted)))
    jobs = action.plan([entry(n, kind) for n, kind in enumerate(kinds, 1)], KNOWN)
    batches = [[change["n"] for change in job.payload["changes"]] for job in jobs]
    expected = [n for n, kind in enumerate(kinds, 1) if not wanted or kind in wanted]
    assert [n for numbers in batches for n in numbers] == expected
    assert all(1 <= len(numbers) <= batch for numbers in batches)
    assert [job.key for job in jobs] == [f"{numbers[0]}-{numbers[-1]}" for numbers in batches]


SINCE = datetime(2026, 11, 21, 8, 30, tzinfo=UTC)
HELD = Waiting("held:7", WaitingKind.HELD, PHOTOS.id, "photos: 50 of 60 files are gone", SINCE, SINCE, 1)
DEAD = Waiting("dead_job:phone", WaitingKind.DEAD_JOB, None, "phone: 1 job", SINCE)


@pytest.mark.anyio
async def test_what_waits_for_a_person_arrives_as_json_and_signed(receiver: Receiver) -> None:
    action = webhook(receiver, secret="hush")
    over = replace(DEAD, told=2, over_at=SINCE)
    await action.send([Notice(HELD, "photos"), Notice(over, None)])
    [delivery] = receiver.deliveries
    assert delivery.json == {
        "action": "phone",
        "attention": [
            {
                "key": "held:7",
                "kind": "held",
                "repository": "photos",
                "repository_id": str(PHOTOS.id),
                "message": "photos: 50 of 60 files are gone",
                "since": "2026-11-21T08:30:00+00:00",
                "told": 1,
                "over": False,
            },
            {
                "key": "dead_job:phone",
                "kind": "dead_job",
                "repository": None,
                "repository_id": None,
                "message": "phone: 1 job",
                "since": "2026-11-21T08:30:00+00:00",
                "told": 2,
                "over": True,
            },
        ],
    }
    stamp, digest = delivery.headers["treeledger-signature"].removeprefix("t=").split(",v1=")
    assert digest == hmac.digest(b"hush", stamp.encode() + b"." + delivery.body, hashlib.sha256).hex()


@pytest.mark.anyio
async def test_a_delivery_of_what_waits_is_the_same_when_it_is_repeated(receiver: Receiver) -> None:
    action = webhook(receiver)
    receiver.answers.append((503, {}))
    with pytest.raises(RetryLater):
        await action.send([Notice(HELD, "photos")])
    await action.send([Notice(HELD, "photos")])
    await action.send([Notice(replace(HELD, told=2), "photos")])
    first, second, reminder = (one.headers["treeledger-delivery"] for one in receiver.deliveries)
    assert first == second != reminder


def test_a_table_may_be_told_only_what_waits() -> None:
    tables = PluginTables({"phone": {"use": "webhook", "url": "http://localhost/", "changes": False}})
    assert actions(tables) == []
    assert [one.name for one in attention(tables)] == ["phone"]


# --- what becomes of a job -----------------------------------------------------------------------


async def failure(receiver: Receiver, **options: Any) -> Exception:
    action = webhook(receiver, secret="s3cr3t", **options)
    [job] = action.plan([entry(1)], KNOWN)
    with pytest.raises(TreeledgerError) as caught:
        await action.run(job_of("phone", job))
    assert "T0K3N" not in str(caught.value)
    assert "s3cr3t" not in str(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    return caught.value


@pytest.mark.anyio
@pytest.mark.parametrize("status", [400, 401, 404, 410, 413, 422, 499])
async def test_what_the_receiver_refuses_for_good_is_permanent(receiver: Receiver, status: int) -> None:
    receiver.answers.append((status, {"Retry-After": "1"}))
    error = await failure(receiver)
    assert isinstance(error, PermanentFailure)
    assert f"127.0.0.1 answered {status}" in str(error)


@pytest.mark.anyio
@pytest.mark.parametrize("status", [302, 308, 408, 425, 429, 500, 503, 599])
async def test_what_may_pass_is_tried_again(receiver: Receiver, status: int) -> None:
    receiver.answers.append((status, {}))
    error = await failure(receiver)
    assert isinstance(error, RetryLater)
    assert (str(status) in str(error), error.seconds) == (True, 0.0)


@pytest.mark.anyio
async def test_it_waits_as_long_as_the_receiver_asks(receiver: Receiver) -> None:
    receiver.answers.append((429, {"Retry-After": "120"}))
    error = await failure(receiver)
    assert isinstance(error, RetryLater)
    assert error.seconds == 120


@pytest.mark.anyio
@pytest.mark.parametrize("location", ["/elsewhere", "http://[broken"])
async def test_a_redirect_is_not_followed(receiver: Receiver, location: str) -> None:
    receiver.answers.append((307, {"Location": location}))
    assert isinstance(await failure(receiver), RetryLater)
    assert [delivery.path for delivery in receiver.deliveries] == [PLACE]


@pytest.mark.anyio
async def test_a_receiver_that_never_answers_is_given_up(receiver: Receiver) -> None:
    answer = threading.Event()
    receiver.answers.append(lambda: answer.wait(10))
    try:
        error = await failure(receiver, timeout=0.05)
    finally:
        answer.set()
    assert isinstance(error, RetryLater)
    assert "did not answer within 0.05 s" in str(error)


@pytest.mark.anyio
async def test_a_receiver_that_hangs_up_or_is_away_is_tried_again(receiver: Receiver) -> None:
    receiver.answers.append(lambda: None)
    assert isinstance(await failure(receiver), RetryLater)
    with socket.socket() as deaf:  # nobody listens at a port that nobody else can have
        deaf.bind(("127.0.0.1", 0))
        error = await failure(Receiver(f"http://127.0.0.1:{deaf.getsockname()[1]}"))
    assert isinstance(error, RetryLater)
    assert "127.0.0.1 cannot be reached" in str(error)


NOW = datetime(2026, 11, 20, 8, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, 0),
        ("", 0),
        ("0", 0),
        (" 90 ", 90),
        ("-5", 0),
        ("1e9", 0),
        ("soon", 0),
        (format_datetime(NOW + timedelta(seconds=30), usegmt=True), 30),
        ("Fri, 20 Nov 2026 08:31:00 -0000", 60),
        (format_datetime(NOW - timedelta(days=1), usegmt=True), 0),
    ],
)
def test_retry_after_is_a_number_or_a_date(value: str | None, seconds: float) -> None:
    assert retry_after(value, NOW) == seconds


@given(st.text())
def test_retry_after_takes_whatever_a_receiver_sends(value: str) -> None:
    assert retry_after(value, NOW) >= 0


# --- its table -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "needs the key 'url'"),
        ({"url": "ftp://h/T0K3N"}, "url: must start with http:// or https://"),
        ({"url": "h/T0K3N"}, "url: must start with http:// or https://"),
        ({"url": "https:///T0K3N"}, "url: names no host"),
        ({"url": "https://h:port/T0K3N"}, "url: is malformed"),
        ({"url": "https://h/T0K3N\n"}, "url: is malformed"),
        ({"url": "https://h/T0K3N "}, "url: has white space in it"),
        ({"url": "env:NO_SUCH_URL"}, "url: env:NO_SUCH_URL: the environment has no variable"),
        ({"url": "http://h/", "secret": "env:NO_SUCH"}, "secret: env:NO_SUCH: the environment has no"),
        ({"url": "http://h/", "secret": ""}, "secret: is empty"),
        ({"url": "http://h/", "kinds": ["movd"]}, "there is no kind 'movd'; did you mean 'moved'"),
        ({"url": "http://h/", "batch": 0}, "batch = 0"),
        ({"url": "http://h/", "timeout": "0s"}, "must be more than nothing"),
        ({"url": "http://h/", "headers": {"Content-Type": "T0K3N"}}, "headers: Content-Type is set by"),
        ({"url": "http://h/", "headers": {"treeledger-x": "T0K3N"}}, "headers: treeledger-x is set by"),
        ({"url": "http://h/", "headers": {"A B": "T0K3N"}}, "headers: 'A B' is no name of a header"),
        ({"url": "http://h/", "headers": {"A": "T0K3N\r\nB: c"}}, "headers: the value of A must be"),
        ({"url": "http://h/", "headers": {"A": " T0K3N"}}, "headers: the value of A must be"),
    ],
)
def test_a_mistake_is_named_with_its_table_and_key(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        configured(**options)
    assert "[plugins.phone]" in str(caught.value)
    assert message in str(caught.value)
    assert "T0K3N" not in str(caught.value)


@pytest.mark.anyio
async def test_address_secret_and_headers_may_be_references(
    receiver: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PHONE_URL", receiver.url + PLACE)
    (tmp_path / "token").write_text("Bearer 1\n")
    [action] = configured(url="env:PHONE_URL", headers={"Authorization": f"file:{tmp_path}/token"})
    [job] = action.plan([entry(1)], KNOWN)
    await action.run(job_of("phone", job))
    [delivery] = receiver.deliveries
    assert (delivery.path, delivery.headers["authorization"]) == (PLACE, "Bearer 1")


@pytest.mark.parametrize(
    ("url", "warned"),
    [
        ("http://nas.lan/", True),
        ("http://192.168.0.2:8/", True),
        ("https://nas.lan/", False),
        ("http://127.0.0.1/", False),
        ("http://[::1]:80/", False),
        ("http://localhost/", False),
    ],
)
def test_a_secret_beside_an_open_way_is_warned_about(
    url: str, warned: bool, caplog: pytest.LogCaptureFixture
) -> None:
    configured(url=url, secret="hush")
    assert [record.levelno for record in caplog.records] == [logging.WARNING] * warned
    caplog.clear()
    configured(url=url)
    assert not caplog.records


def test_httpx_is_not_imported_before_there_is_a_webhook() -> None:
    code = (
        "import sys; from treeledger.config.tables import PluginTables;"
        "from treeledger.plugins import webhook; assert webhook.actions(PluginTables()) == [];"
        "assert 'httpx' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_it_is_an_action_in_order() -> None:
    [action] = configured(url="http://localhost/")
    assert isinstance(action, Action)
    assert action.ordered


# --- where it may deliver to ---------------------------------------------------------------------

METADATA = ("169.254.169.254", "169.254.170.2", "fe80::1", "::ffff:169.254.169.254", "fd00:ec2::254")
ODD = ("100.100.100.200", "0.0.0.0", "::", "224.0.0.1", "ff02::1", "255.255.255.255")


@pytest.mark.parametrize("address", METADATA + ODD)
def test_an_address_that_is_never_a_receivers_is_refused(address: str) -> None:
    host = f"[{address}]" if ":" in address else address
    with pytest.raises(ConfigurationError, match="never a receiver's"):
        configured(url=f"http://{host}/latest/meta-data")


@pytest.mark.parametrize("address", ["127.0.0.1", "192.168.0.2", "10.1.2.3", "fd12::1", "8.8.8.8", "nas.lan"])
def test_receivers_in_the_own_network_are_allowed(address: str) -> None:
    assert not is_never_a_receiver(address)


@pytest.mark.anyio
async def test_nothing_is_sent_where_a_name_leads_to_such_an_address(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The receiver stands for a metadata service: its address is declared to be one."""
    monkeypatch.setattr(receivers, "_NEVER", frozenset(("127.0.0.1",)))
    url = receiver.url.replace("127.0.0.1", "localhost")
    action = Webhook("phone", Options(url=url, secret="hush"))
    [job] = action.plan([entry(1)], KNOWN)
    with pytest.raises(PermanentFailure, match=r"127\.0\.0\.1.* nothing was sent"):
        await action.run(job_of("phone", job))
    assert not receiver.deliveries


@pytest.mark.anyio
async def test_numbers_written_oddly_lead_nowhere_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """`http://2130706433/` is 127.0.0.1 to the resolver; what counts is what is reached."""
    with receiving() as receiver:
        monkeypatch.setattr(receivers, "_NEVER", frozenset(("127.0.0.1",)))
        action = Webhook("phone", Options(url=receiver.url.replace("127.0.0.1", "2130706433")))
        [job] = action.plan([entry(1)], KNOWN)
        with pytest.raises(PermanentFailure, match="nothing was sent"):
            await action.run(job_of("phone", job))
        assert not receiver.deliveries


@pytest.mark.anyio
async def test_names_of_files_neither_break_the_json_nor_become_headers(receiver: Receiver) -> None:
    action = webhook(receiver)
    name = 'a\r\nX-Evil: 1\x00"}],"action":"\u2028\U0010ffff\x1b[31m'
    [job] = action.plan([entry(1, path=name)], KNOWN)
    await action.run(job_of("phone", job))
    [delivery] = receiver.deliveries
    assert "x-evil" not in delivery.headers
    assert delivery.body.isascii()
    assert (delivery.json["action"], delivery.json["changes"][0]["path"]) == ("phone", name)
