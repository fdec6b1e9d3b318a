"""The HTTP server in front of a running engine, asked by friends and by others, over real sockets."""

# ruff: noqa: ASYNC240 - what is looked at on the disk is looked at at once

from __future__ import annotations

import asyncio
import grp
import json
import os
import pwd
import socket
import stat
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio
import httpx
import msgspec
import pytest
from anyio.abc import ByteStream
from support import Tree, tree_on, until

from treeledger.api import connections
from treeledger.api.app import build
from treeledger.api.asking import LARGEST_BODY
from treeledger.api.catalog import all_routes
from treeledger.api.events import Event
from treeledger.api.guard import Guard
from treeledger.api.routing import Asked, Form, Paged, Right, Route
from treeledger.api.server import serving
from treeledger.api.service import Service
from treeledger.api.sockets import bound_sockets
from treeledger.config.settings import ApiSettings
from treeledger.errors import (
    ConfigurationError,
    CursorExpired,
    RepositoryNotFound,
    RootOffline,
    StoreDataError,
    StoreUnavailable,
    UsageError,
)

pytestmark = pytest.mark.anyio
TOKEN = "0123456789abcdef-all"
READ_TOKEN = "0123456789abcdef-read"
WITHIN = 20.0  # seconds that an answer may take on a busy machine: less than one may be silent
FEW = 8  # connections, where a test limits them


# --- a server with routes of its own -------------------------------------------------------------


class Query(Paged, frozen=True, kw_only=True):
    words: tuple[str, ...] = ()
    repository: str | None = None
    number: int | None = None


class Body(Form, frozen=True, kw_only=True):
    text: str = ""
    number: int = 0
    settings: dict[str, Any] = msgspec.field(default_factory=dict)


class Echo(msgspec.Struct):
    by: str
    path: dict[str, str]
    query: Query
    body: Body | None


async def echo(service: Service, asked: Asked) -> Echo:
    query = asked.query if isinstance(asked.query, Query) else Query()
    return Echo(asked.by, dict(asked.path), query, asked.body)


async def nothing(service: Service, asked: Asked) -> None: ...


async def endless(service: Service, asked: Asked) -> AsyncIterator[Event]:
    async def events() -> AsyncIterator[Event]:
        yield Event("first", {"by": asked.by}, "1")
        await anyio.sleep_forever()

    return events()


async def ending(service: Service, asked: Asked) -> AsyncIterator[Event]:
    async def events() -> AsyncIterator[Event]:
        yield Event("first", 1)
        raise CursorExpired("start afresh")

    return events()


async def stubborn(service: Service, asked: Asked) -> None:
    await anyio.sleep_forever()


async def broken(service: Service, asked: Asked) -> None:
    raise RuntimeError("the password is hunter2")


FAILURES = {
    "unknown": (404, RepositoryNotFound),
    "usage": (400, UsageError),
    "expired": (410, CursorExpired),
    "data": (422, StoreDataError),
    "away": (503, StoreUnavailable),
    "offline": (409, RootOffline),
}


async def failing(service: Service, asked: Asked) -> None:
    raise FAILURES[asked.path["kind"]][1]("postgresql://me:hunter2@db/x says no")


ROUTES = (
    Route("GET", "/api/echo", "", echo, Echo, Query),
    Route("POST", "/api/echo", "", echo, Echo, body=Body, right=Right.ADMIN),
    Route("GET", "/api/echo/{name}", "", echo, Echo),
    Route("GET", "/api/nothing", "", nothing),
    Route("GET", "/api/endless", "", endless, streams=True),
    Route("GET", "/api/ending", "", ending, streams=True),
    Route("GET", "/api/stubborn", "", stubborn),
    Route("GET", "/api/broken", "", broken),
    Route("GET", "/api/failing/{kind}", "", failing),
    Route("GET", "/open", "", nothing, right=Right.NONE),
    Route("GET", "/metrics", "", nothing),
)


@pytest.fixture
async def tree(tmp_path: Path) -> AsyncIterator[Tree]:
    async with tree_on(tmp_path / "tree", f"sqlite:{tmp_path / 'ledger.db'}") as tree, tree.watched():
        yield tree


def service_of(tree: Tree) -> Service:
    return Service(tree.ledger, tree.engine, "test", datetime.now(UTC))


@pytest.fixture(autouse=True)
def _nowhere_to_run(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RUNTIME_DIRECTORY", "XDG_RUNTIME_DIR"):
        monkeypatch.delenv(name, raising=False)


@asynccontextmanager
async def served(tree: Tree, folder: Path, **settings: Any) -> AsyncIterator[list[str]]:
    """The addresses of a server in front of the tree's engine."""
    routes = (lambda plugins: (*ROUTES, *all_routes(plugins)),)
    async with serving(service_of(tree), ApiSettings(**settings), folder, routes=routes[0]) as addresses:
        yield addresses


def client_of(address: str, **headers: str) -> httpx.AsyncClient:
    if address.startswith("unix:"):
        transport = httpx.AsyncHTTPTransport(uds=address.removeprefix("unix:"))
        address = "http://localhost"
    else:
        transport = httpx.AsyncHTTPTransport()
    return httpx.AsyncClient(transport=transport, base_url=address, headers=headers, timeout=WITHIN)


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture
async def client(tree: Tree, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """Of the Unix socket."""
    async with served(tree, tmp_path / "run") as [address], client_of(address) as client:
        yield client


@pytest.fixture
async def unix(tree: Tree, tmp_path: Path) -> AsyncIterator[str]:
    """The path of the Unix socket."""
    async with served(tree, tmp_path / "run") as [address]:
        yield address.removeprefix("unix:")


async def raw(path: str, *pieces: bytes) -> bytes:
    """All that is answered to some bytes until the server closes the connection."""
    with anyio.fail_after(WITHIN):
        async with await anyio.connect_unix(path) as stream:
            with suppress(anyio.BrokenResourceError):  # it has heard enough
                for piece in pieces:
                    await stream.send(piece)
            return await rest(stream)


async def rest(stream: ByteStream) -> bytes:
    received = b""
    try:
        while True:
            received += await stream.receive()
    except (anyio.EndOfStream, anyio.BrokenResourceError):
        return received


def status_of(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


def check_failure(answer: httpx.Response, status: int) -> dict[str, str]:
    """A failure has a status, and JSON that says why."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    failure: dict[str, str] = answer.json()
    assert set(failure) == {"error", "message"}
    assert failure["message"]
    return failure


# --- what is asked, and what comes of it ---------------------------------------------------------


async def test_a_request_comes_decoded_to_its_handler_and_its_value_goes_back_as_json(
    client: httpx.AsyncClient,
) -> None:
    answer = await client.get("/api/echo?words=a&words=b&limit=7&repository=null")
    assert answer.status_code == 200
    told = answer.json()
    assert {key: value for key, value in told["query"].items() if value is not None} == {
        "words": ["a", "b"],
        "limit": 7,
        "repository": "null",
    }
    answer = await client.post("/api/echo", json={"text": "ä\n"})
    assert answer.json()["body"] == {"text": "ä\n", "number": 0, "settings": {}}
    assert (await client.post("/api/echo")).json()["body"]["text"] == ""
    assert (await client.get("/api/nothing")).status_code == 204


async def test_who_decides_through_the_unix_socket_is_its_user(client: httpx.AsyncClient) -> None:
    answer = await client.post("/api/echo", json={})
    assert answer.json()["by"] == pwd.getpwuid(os.getuid()).pw_name


async def test_answers_are_for_programs_and_are_kept_by_nobody(client: httpx.AsyncClient) -> None:
    for path in ("/api/echo", "/api/none"):
        headers = (await client.get(path)).headers
        assert headers["cache-control"] == "no-store"
        assert headers["x-content-type-options"] == "nosniff"
        assert "server" not in headers
        assert headers["date"]


@pytest.mark.parametrize(
    "query",
    [
        "wrods=a",
        "limit=0",
        "limit=1001",
        "limit=x",
        "limit=9223372036854775808",
        "limit=1&limit=2",
        "number=null",
        "=",
        "repository=%00",
        "repository=%ff",
        "words=%ed%a0%80",
    ],
)
async def test_a_query_that_means_nothing_is_refused(client: httpx.AsyncClient, query: str) -> None:
    check_failure(await client.get(f"/api/echo?{query}"), 400)


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[]",
        b"null",
        b"\xff",
        b'{"text": 1}',
        b'{"texts": ""}',
        b'{"text": "\\u0000"}',
        b'{"text": "\\ud800"}',
        b'{"settings": {"\\u0000": 1}}',
        b'{"number": 9223372036854775808}',
        b'{"number": 1e400}',
        b'{"settings": {"x": 123456789012345678901234567890}}',
        b'{"settings": {"x": ' + b"[" * 100 + b"]" * 100 + b"}}",
        b'{"settings": {"x": ' + b"[" * 400_000,
    ],
    ids=lambda body: body[:30],
)
async def test_a_body_that_means_nothing_is_refused(client: httpx.AsyncClient, body: bytes) -> None:
    check_failure(await client.post("/api/echo", content=body), 400)


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/api/../etc/passwd",
        "/api/echo/../../etc/passwd",
        "/api/echo/%2e%2e%2fetc",
        "/api/echo/..%2f..%2fetc",
        "/api/echo/%2F",
        "/api/echo/a/b",
        "/api/echo/",
        "//api/echo",
        "/api;/echo",
        "/api/ECHO",
    ],
)
async def test_a_path_leads_to_its_route_or_nowhere(unix: str, path: str) -> None:
    answer = await raw(unix, f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    assert status_of(answer) == 404
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["error"] == "not_found"


@pytest.mark.parametrize("name", ["%00", "a%00b", "%ff", "%ed%a0%80", "%c0%ae%c0%ae"])
async def test_a_name_that_nothing_can_have_is_refused(unix: str, name: str) -> None:
    answer = await raw(
        unix, f"GET /api/echo/{name} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()
    )
    assert status_of(answer) == 400


async def test_dots_are_a_name_like_others(unix: str) -> None:
    answer = await raw(unix, b"GET /api/echo/%2e%2e HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["path"] == {"name": ".."}


async def test_other_methods_are_told_what_the_path_is_for(client: httpx.AsyncClient) -> None:
    for method in ("DELETE", "OPTIONS", "TRACE", "PATCH", "BREW"):
        answer = await client.request(method, "/api/echo")
        check_failure(answer, 405)
        assert answer.headers["allow"] == "GET, HEAD, POST"


async def test_head_gives_what_get_does_without_the_body(client: httpx.AsyncClient) -> None:
    get, head = await client.get("/api/echo"), await client.head("/api/echo")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == get.headers["content-length"]
    assert (await client.head("/api/none")).status_code == 404
    assert (await client.head("/api/endless")).headers["content-type"].startswith("text/event-stream")


@pytest.mark.parametrize("kind", FAILURES)
async def test_errors_of_the_ledger_have_their_status_and_hold_no_secret(
    client: httpx.AsyncClient, kind: str
) -> None:
    answer = await client.get(f"/api/failing/{kind}")
    failure = check_failure(answer, FAILURES[kind][0])
    assert "says no" in failure["message"]
    assert "hunter2" not in answer.text
    assert ("retry-after" in answer.headers) == (kind == "away")


async def test_a_bug_is_logged_and_tells_nothing(
    client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    answer = await client.get("/api/broken")
    check_failure(answer, 500)
    assert "hunter2" not in answer.text
    assert [record.message for record in caplog.records] == ["GET /api/broken failed"]
    assert (await client.get("/api/nothing")).status_code == 204


# --- tokens, names, origins ----------------------------------------------------------------------


async def test_over_tcp_each_token_opens_what_it_is_for(tree: Tree, tmp_path: Path) -> None:
    tokens = {"listen": "127.0.0.1:0", "token": TOKEN, "read_token": READ_TOKEN}
    async with served(tree, tmp_path / "run", **tokens) as [_, tcp], client_of(tcp) as client:
        for headers, read, decide in (
            ({}, 401, 401),
            (bearer(READ_TOKEN), 200, 403),
            (bearer(TOKEN), 200, 200),
            (bearer(TOKEN + "x"), 401, 401),
            (bearer("x"), 401, 401),
            ({"Authorization": TOKEN}, 401, 401),
            ({"Authorization": f"Basic {TOKEN}"}, 401, 401),
        ):
            answers = [
                await client.get("/api/echo", headers=headers),
                await client.post("/api/echo", json={}, headers=headers),
            ]
            assert [answer.status_code for answer in answers] == [read, decide], headers
            if read == 401:
                assert answers[0].headers["www-authenticate"] == "Bearer"
        assert (await client.get("/open")).status_code == 204
        assert (await client.get("/healthz")).status_code == 200
        assert (await client.post("/api/echo", json={}, headers=bearer(TOKEN))).json()["by"] == "token"


async def test_on_loopback_without_tokens_one_may_look_only(tree: Tree, tmp_path: Path) -> None:
    async with served(tree, tmp_path / "run", listen="localhost:0") as [_, tcp], client_of(tcp) as client:
        assert (await client.get("/api/echo")).status_code == 200
        check_failure(await client.post("/api/echo", json={}), 403)


async def test_the_name_in_host_and_the_origin_of_a_page_must_be_ours(tree: Tree, tmp_path: Path) -> None:
    settings = {"listen": "127.0.0.1:0", "token": TOKEN, "hosts": ("nas.local",)}
    async with (
        served(tree, tmp_path / "run", **settings) as [_, tcp],
        client_of(tcp, **bearer(TOKEN)) as client,
    ):
        for header, value, status in (
            ("Host", "evil.example", 421),
            ("Host", "nas.local:8733", 200),
            ("Origin", "https://evil.example", 403),
            ("Origin", "null", 403),
            ("Origin", tcp, 200),
        ):
            for path in ("/api/echo", "/healthz", "/none"):
                answer = await client.get(path, headers={header: value})
                wanted = 404 if status == 200 and path == "/none" else status
                assert answer.status_code == wanted, (header, value, path)


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"listen": "0.0.0.0:0"}, "takes a token"),
        ({"listen": ":0"}, "takes a token"),
        ({"metrics_listen": "[::]:0"}, "takes a token"),
        ({"listen": "127.0.0.1"}, "is no HOST:PORT"),
        ({"listen": "127.0.0.1:99999"}, "is no HOST:PORT"),
        ({"listen": "no.such.host.invalid:80"}, "listen of"),
        ({"listen": "x" * 300 + ":80"}, "listen of"),
        ({"token": "short"}, "16 letters"),
        ({"token": ""}, "16 letters"),
        ({"token": TOKEN, "read_token": TOKEN}, "are the same"),
        ({"token": "env:NO_SUCH_VARIABLE"}, "NO_SUCH_VARIABLE"),
        ({"socket": "/dev/null/api.sock"}, "File exists"),
        ({"socket": "/" + "x" * 200}, "too long"),
        ({"socket": "a\0b"}, "null byte"),
        ({"socket_group": "no such group"}, "socket_group"),
    ],
)
async def test_where_it_cannot_or_should_not_listen_it_says_so(
    tmp_path: Path, settings: dict[str, Any], why: str
) -> None:
    with (
        pytest.raises(ConfigurationError, match=why),
        bound_sockets(ApiSettings(**settings), tmp_path / "run"),
    ):
        pass
    assert not list((tmp_path / "run").glob("*"))


async def test_with_a_token_it_listens_for_others(tmp_path: Path) -> None:
    settings = ApiSettings(listen="0.0.0.0:0", token=TOKEN)
    with bound_sockets(settings, tmp_path / "run") as [_, tcp]:
        assert tcp.guard.token == TOKEN


async def test_a_port_that_is_taken_is_told(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        settings = ApiSettings(listen=f"127.0.0.1:{other.getsockname()[1]}")
        with (
            pytest.raises(ConfigurationError, match="in use"),
            bound_sockets(settings, tmp_path / "run"),
        ):
            pass


async def test_the_metrics_listener_has_nothing_else(tree: Tree, tmp_path: Path) -> None:
    async with (
        served(tree, tmp_path / "run", metrics_listen="127.0.0.1:0") as [_, tcp],
        client_of(tcp) as client,
    ):
        assert (await client.get("/metrics")).status_code == 200
        assert (await client.get("/healthz")).status_code == 200
        assert (await client.get("/api/echo")).status_code == 404


# --- too much, too slow, no HTTP -----------------------------------------------------------------


async def test_a_head_that_is_too_large_is_refused(client: httpx.AsyncClient) -> None:
    for query, headers in (({"x": "y" * 20_000}, {}), ({}, {"x-large": "y" * 20_000})):
        answer = await client.get("/api/echo", params=query, headers=headers)
        assert answer.status_code in (400, 431)
    assert (await client.get("/healthz")).status_code == 200


async def test_a_body_that_is_too_large_is_refused_by_its_length_and_by_its_chunks(
    client: httpx.AsyncClient,
) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(LARGEST_BODY // 65536 + 1):
            yield b" " * 65536

    check_failure(await client.post("/api/echo", content=b" " * (LARGEST_BODY + 1)), 413)
    check_failure(await client.post("/api/echo", content=chunks()), 413)
    assert (await client.post("/api/echo", content=b" " * (LARGEST_BODY - 2) + b"{}")).status_code == 200


async def test_a_length_that_is_too_large_is_refused_before_anything_comes(unix: str) -> None:
    async with await anyio.connect_unix(unix) as stream:
        await stream.send(
            b"POST /api/echo HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n"
        )
        with anyio.fail_after(WITHIN):
            assert status_of(await stream.receive()) in (400, 413)


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # a TLS hello
        b"\0" * 70_000,
        b"GET\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",  # without a Host
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"y" * 1_000_000 + b"\r\n\r\n",
        b"POST /api/echo HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        b"POST /api/echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"GET / HTTP/2\r\nHost: a\r\n\r\n",
        b"GET /api/echo/\xff HTTP/1.1\r\nHost: a\r\n\r\n",
    ],
    ids=lambda garbage: garbage[:40],
)
async def test_what_is_no_http_is_told_so_and_left(
    unix: str, garbage: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    answer = await raw(unix, garbage)
    assert status_of(answer) == 400
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["error"] == "bad_request"
    assert caplog.records == []


async def test_a_body_that_turns_out_to_be_no_http_ends_the_connection(
    unix: str, caplog: pytest.LogCaptureFixture
) -> None:
    head = b"POST /api/echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert await raw(unix, head, b"zz\r\n") == b""
    assert await raw(unix, head + b"zz\r\n") == b""
    assert caplog.records == []


async def test_requests_that_come_together_are_answered_in_their_order(unix: str) -> None:
    one = "GET /api/echo/{} HTTP/1.1\r\nHost: x\r\n\r\n"
    last = "GET /api/echo/last HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    answer = await raw(unix, ("".join(map(one.format, range(20))) + last).encode())
    assert answer.count(b"HTTP/1.1 200 OK") == 21
    places = [answer.index(f'"name":"{name}"'.encode()) for name in (*range(20), "last")]
    assert places == sorted(places)


async def test_half_a_request_and_a_reader_that_goes_disturb_nobody(
    unix: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with AsyncExitStack() as streams:
        for begin in (
            b"GET /api/ec",
            b"POST /api/echo HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{",
            b"",
        ):
            stream = await streams.enter_async_context(await anyio.connect_unix(unix))
            if begin:
                await stream.send(begin)
        async with client_of(f"unix:{unix}") as client:
            assert (await client.get("/api/echo")).status_code == 200
    async with client_of(f"unix:{unix}") as client:
        assert (await client.get("/api/echo")).status_code == 200
    assert caplog.records == []


async def test_a_thousand_idle_connections_do_not_keep_others_from_their_answers(unix: str) -> None:
    async with AsyncExitStack() as idle, client_of(f"unix:{unix}") as client:
        for _ in range(1000):
            await idle.enter_async_context(await anyio.connect_unix(unix))
        for _ in range(20):
            with anyio.fail_after(WITHIN):
                assert (await client.get("/api/echo")).status_code == 200


@asynccontextmanager
async def limited(tree: Tree, folder: Path, **limits: float) -> AsyncIterator[str]:
    """The path of a Unix socket whose connections are limited more than usual."""
    application = build(service_of(tree), ROUTES, Guard(is_local=True))
    with bound_sockets(ApiSettings(), folder) as [unix]:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(
                connections.serve,
                unix.socket,
                application,
                connections.Limits(**limits),  # type: ignore[arg-type]
            )
            yield unix.address.removeprefix("unix:")
            tasks.cancel_scope.cancel()


ECHO = b"GET /api/echo HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"GET /api/ec",
        ECHO,
        ECHO + b"GET",
        b"POST /api/echo HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{",
        b"POST /api/none HTTP/1.1\r\nHost: x\r\nContent-Length: 99999\r\n\r\n",
    ],
    ids=["nothing", "half a request", "an idle one", "half of the second", "half a body", "a refused body"],
)
async def test_who_does_not_go_on_is_let_go(tree: Tree, tmp_path: Path, sent: bytes) -> None:
    async with limited(tree, tmp_path / "run", silence=0.2, swallow=0.1) as path:
        await raw(path, *([sent] if sent else []))


async def test_an_answer_may_take_longer_than_silence(tree: Tree, tmp_path: Path) -> None:
    loop = asyncio.get_running_loop()
    async with limited(tree, tmp_path / "run", silence=0.05) as path:
        with socket.socket(socket.AF_UNIX) as asking:
            asking.connect(path)
            asking.sendall(b"GET /api/endless HTTP/1.1\r\nHost: x\r\n\r\n")  # before it is accepted
            asking.setblocking(False)
            assert await raw(path) == b""  # so more than the time has passed
            received = b""
            with anyio.fail_after(WITHIN):
                while b"event: first" not in received:
                    received += await loop.sock_recv(asking, 65536)
            with pytest.raises(BlockingIOError):  # neither more nor an end has come
                asking.recv(65536)


async def test_when_there_are_too_many_the_longest_silent_is_let_go(tree: Tree, tmp_path: Path) -> None:
    async with limited(tree, tmp_path / "run", most=FEW) as path, AsyncExitStack() as streams:
        reading = await streams.enter_async_context(await anyio.connect_unix(path))
        await reading.send(b"GET /api/endless HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"200 OK" in await reading.receive()
        idle = [await streams.enter_async_context(await anyio.connect_unix(path)) for _ in range(FEW)]
        with anyio.fail_after(WITHIN):
            assert await rest(idle[0]) == b""
            await idle[-1].send(ECHO)
            assert status_of(await idle[-1].receive()) == 200


# --- streams, and the end ------------------------------------------------------------------------


async def test_events_come_as_they_are_and_an_error_is_the_last(client: httpx.AsyncClient) -> None:
    async with client.stream("GET", "/api/ending") as answer:
        assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
        text = (await answer.aread()).decode()
    assert text == (
        'event: first\ndata: 1\n\nevent: error\ndata: {"error":"CursorExpired","message":"start afresh"}\n\n'
    )


async def test_it_ends_at_once_with_streams_open_and_soon_whatever_is_asked(
    tree: Tree, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with AsyncExitStack() as clients:
        async with served(tree, tmp_path / "run") as [address]:
            path = address.removeprefix("unix:")
            reading = await clients.enter_async_context(await anyio.connect_unix(path))
            await reading.send(b"GET /api/endless HTTP/1.1\r\nHost: x\r\n\r\n")
            assert b"200 OK" in await reading.receive()
            waiting = await clients.enter_async_context(await anyio.connect_unix(path))
            await waiting.send(b"GET /api/stubborn HTTP/1.1\r\nHost: x\r\n\r\n")
            idle = await clients.enter_async_context(await anyio.connect_unix(path))
            begin = anyio.current_time()
        assert anyio.current_time() - begin < 8.0, "two seconds, and those that others have the machine"
        with anyio.fail_after(WITHIN):
            assert (await rest(reading)).endswith(b"0\r\n\r\n")  # the stream is complete
            await rest(waiting)
            await rest(idle)
    assert not Path(path).exists()
    assert caplog.records == []


async def test_nothing_of_a_web_server_is_imported_before_somebody_asks(tmp_path: Path) -> None:
    program = (
        "import sys, treeledger.api.server, treeledger.api.service\n"
        "print([name for name in ('uvicorn', 'starlette', 'h11', 'httpx') if name in sys.modules])"
    )
    done = await anyio.run_process([sys.executable, "-c", program])
    assert done.stdout.strip() == b"[]"


# --- the socket's file ---------------------------------------------------------------------------


async def test_only_its_owner_may_open_the_socket_and_its_folder(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        with bound_sockets(ApiSettings(), tmp_path / "run") as [unix]:
            path = Path(unix.address.removeprefix("unix:"))
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
            assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
            assert [file.name for file in path.parent.iterdir()] == ["api.sock"]
    finally:
        os.umask(before)


async def test_a_group_may_be_given_the_socket(tmp_path: Path) -> None:
    group = grp.getgrgid(os.getgid())
    with bound_sockets(ApiSettings(socket_group=group.gr_name), tmp_path / "run") as [unix]:
        found = Path(unix.address.removeprefix("unix:")).stat()
        assert (stat.S_IMODE(found.st_mode), found.st_gid) == (0o660, group.gr_gid)


async def test_the_socket_is_where_the_system_has_what_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def address() -> str:
        with bound_sockets(ApiSettings(), tmp_path / "state") as [unix]:
            return unix.address

    assert address() == f"unix:{tmp_path}/state/api.sock"
    monkeypatch.setenv("XDG_RUNTIME_DIR", f"{tmp_path}/user")
    assert address() == f"unix:{tmp_path}/user/treeledger/api.sock"
    monkeypatch.setenv("RUNTIME_DIRECTORY", f"{tmp_path}/system:{tmp_path}/other")
    assert address() == f"unix:{tmp_path}/system/api.sock"


async def test_the_socket_of_a_dead_engine_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "api.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(os.fspath(path))
    with bound_sockets(ApiSettings(), tmp_path) as [unix]:
        assert unix.address == f"unix:{path}"
        with socket.socket(socket.AF_UNIX) as caller:
            caller.connect(os.fspath(path))
    assert not path.exists()


async def test_beside_an_engine_that_lives_another_path_is_taken(tmp_path: Path) -> None:
    with (
        bound_sockets(ApiSettings(), tmp_path) as [first],
        bound_sockets(ApiSettings(), tmp_path) as [second],
    ):
        assert first.address == f"unix:{tmp_path}/api.sock"
        assert second.address == f"unix:{tmp_path}/api-{os.getpid()}.sock"
        given = ApiSettings(socket=f"{tmp_path}/api.sock")
        with (
            pytest.raises(ConfigurationError, match="another program listens"),
            bound_sockets(given, tmp_path),
        ):
            pass
        assert Path(tmp_path / "api.sock").exists()


@pytest.mark.parametrize("is_given", [True, False])
async def test_what_is_no_socket_is_left_where_it_is(tmp_path: Path, is_given: bool) -> None:
    path = tmp_path / "api.sock"
    path.write_text("mine")
    settings = ApiSettings(socket=str(path)) if is_given else ApiSettings()
    with (
        pytest.raises(ConfigurationError, match="is no socket, and stays"),
        bound_sockets(settings, tmp_path),
    ):
        pass
    assert path.read_text() == "mine"


async def test_a_socket_that_another_has_put_in_its_place_is_left(tmp_path: Path) -> None:
    path = tmp_path / "api.sock"
    with bound_sockets(ApiSettings(), tmp_path):
        path.unlink()
        with socket.socket(socket.AF_UNIX) as other:
            other.bind(os.fspath(path))
    assert path.exists()


# --- health --------------------------------------------------------------------------------------


async def test_it_is_ready_while_its_repositories_are_watched_and_its_store_answers(
    tree: Tree, client: httpx.AsyncClient
) -> None:
    watching = {"status": "ready", "repositories": {tree.repository.name: "watching"}}

    async def is_ready() -> bool:  # the store may be a second late
        answer = await client.get("/readyz")
        return answer.status_code == 200 and answer.json() == watching

    assert (await client.get("/healthz")).json() == {"status": "alive"}
    await until(is_ready, "ready")
    ledger = Path(tree.ledger.store.url.removeprefix("sqlite:"))
    away = ledger.rename(ledger.with_suffix(".away"))

    async def is_unready() -> bool:
        return (await client.get("/readyz")).status_code == 503

    await until(is_unready, "not ready while the ledger is away")
    assert (await client.get("/healthz")).status_code == 200
    away.rename(ledger)
    await until(is_ready, "ready again")


async def test_all_that_the_routes_are_is_told_by_the_document(client: httpx.AsyncClient) -> None:
    page = (await client.get("/api/openapi.json")).json()
    assert page["openapi"].startswith("3.1")
    assert {"/healthz", "/readyz", "/api/openapi.json"} <= set(page["paths"])
