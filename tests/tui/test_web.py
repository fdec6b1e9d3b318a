"""The dashboard's server for browsers: who gets in, what is sent, how windows end. No browser takes part."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import NamedTuple

import anyio
import httpx
import pytest
from aiohttp import ClientSession, ClientWebSocketResponse, WSMsgType, web
from hypothesis import example, given
from hypothesis import strategies as st
from support import WITHIN, until
from textual_serve.download_manager import DownloadManager

from treeledger.api.guard import Guard
from treeledger.api.sockets import bind_tcp
from treeledger.tui.web.gate import Gate
from treeledger.tui.web.server import serve
from treeledger.tui.web.window import Closed, Window

pytestmark = pytest.mark.anyio
TOKEN = "0123456789abcdef-web"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
DASHBOARD = """
import io, os, sys
from textual.app import App
from textual.widgets import Label
class Dashboard(App):
    BINDINGS = [("q", "quit"), ("c", "crash"), ("d", "deliver")]
    def compose(self):
        yield Label(f"pid {os.getpid()} of {self.size.width}x{self.size.height}")
    def on_resize(self, event):
        self.query_one(Label).update(f"pid {os.getpid()} of {event.size.width}x{event.size.height}")
    def action_deliver(self):
        self.deliver_text(io.StringIO("a picture"), save_filename="it.svg", mime_type="image/svg+xml")
    def action_crash(self):
        os._exit(1)
Dashboard().run()
"""
STUCK = "import time; print('__GANGLION__', flush=True); time.sleep(600)"


class Served(NamedTuple):
    """A server, and somebody who has shown it the token."""

    address: str
    session: ClientSession

    @asynccontextmanager
    async def window(self, query: str = "") -> AsyncIterator[Shown]:
        async with self.session.ws_connect(f"{self.address}/ws{query}") as socket:
            yield Shown(socket)


class Shown:
    """A window, as its browser has it."""

    def __init__(self, socket: ClientWebSocketResponse) -> None:
        self.socket = socket
        self.printed = ""

    async def until(self, text: str) -> None:
        with anyio.fail_after(WITHIN):
            while text not in self.printed:
                message = await self.socket.receive()
                assert message.type is WSMsgType.BINARY, (message, self.printed)
                self.printed += message.data.decode()

    async def pid(self) -> int:
        await self.until(" of ")
        return int(self.printed.partition("pid ")[2].partition(" of")[0])

    async def closed(self) -> int | None:
        """The code that says why."""
        with anyio.fail_after(WITHIN):
            while not self.socket.closed:
                await self.socket.receive()
        return self.socket.close_code


@asynccontextmanager
async def serving(program: str = DASHBOARD) -> AsyncIterator[Served]:
    listener, _ = bind_tcp("here", "127.0.0.1:0", has_token=False)
    port = listener.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    gate = Gate(Guard(False, hosts=frozenset({"nas"})), TOKEN, port)
    shown = {"Cookie": f"{gate.cookie}={gate.proof}"}
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(serve, listener, gate, [sys.executable, "-c", program])
        async with ClientSession(headers=shown) as session:
            yield Served(address, session)
            tasks.cancel_scope.cancel()


async def ask(served: Served, method: str = "GET", path: str = "/", **more: object) -> httpx.Response:
    """As somebody who has not shown the token."""
    async with httpx.AsyncClient(base_url=served.address) as client:
        return await client.request(method, path, **more)  # type: ignore[arg-type]


def has_ended(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


async def until_ended(pid: int) -> None:
    async def is_so() -> bool:
        return has_ended(pid)

    await until(is_so, "the window's process ends")


async def test_the_token_becomes_a_cookie_that_no_script_reads_and_no_other_site_sends() -> None:
    async with serving() as served:
        for answer in (
            await ask(served, path=f"/?token={TOKEN}"),
            await ask(served, "POST", "/login", data={"token": f" {TOKEN}\n"}),
        ):
            assert (answer.status_code, answer.headers["location"]) == (HTTPStatus.SEE_OTHER, "./")
            said = answer.headers["set-cookie"]
            assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(said.split("; "))
            assert TOKEN not in said
            name, _, value = said.partition(";")[0].partition("=")
            inside = await ask(served, headers={"Cookie": f"{name}={value}"})
            assert 'id="terminal"' in inside.text


async def test_without_the_token_there_is_only_the_question_for_it() -> None:
    async with serving() as served:
        for token in ("", "wrong", TOKEN[:-1], TOKEN + "x", "%F0%9F%98%80", "%FF"):
            answer = await ask(served, path=f"/?token={token}")
            assert answer.status_code == HTTPStatus.UNAUTHORIZED
            assert "set-cookie" not in answer.headers
            assert 'name="token"' in answer.text
            assert 'id="terminal"' not in answer.text
            posted = await ask(served, "POST", "/login", content=f"token={token}", headers=FORM)
            assert posted.headers["location"] == "login#wrong"
            assert "set-cookie" not in posted.headers


@pytest.mark.parametrize("path", ["/ws", "/download/x", "/nothing", "/pages/../gate.py"])
async def test_nothing_else_is_answered_without_it(path: str) -> None:
    async with serving() as served:
        assert (await ask(served, path=path)).status_code in (HTTPStatus.UNAUTHORIZED, HTTPStatus.NOT_FOUND)
        with pytest.raises(Exception, match="401"):
            async with ClientSession() as stranger:
                await stranger.ws_connect(f"{served.address}/ws")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example"}, HTTPStatus.MISDIRECTED_REQUEST),
        ({"Origin": "http://evil.example"}, HTTPStatus.FORBIDDEN),
        ({"Origin": "null"}, HTTPStatus.FORBIDDEN),
        ({"Host": "nas", "Origin": "https://nas"}, HTTPStatus.OK),
    ],
)
async def test_names_and_pages_of_others_are_refused_even_with_the_cookie(
    headers: Mapping[str, str], status: HTTPStatus
) -> None:
    async with serving() as served:
        async with served.session.get(served.address, headers=headers) as answer:
            assert answer.status == status
        if status is not HTTPStatus.OK:
            with pytest.raises(Exception, match=str(status.value)):
                await served.session.ws_connect(f"{served.address}/ws", headers=headers)


async def test_every_answer_forbids_what_the_page_does_not_need() -> None:
    async with serving() as served:
        for path in ("/", "/login", "/pages/page.js", "/terminal/js/textual.js", "/nothing"):
            answer = await ask(served, path=path)
            policy = answer.headers["content-security-policy"]
            assert "default-src 'none'" in policy
            assert "script-src 'self';" in policy
            assert "frame-ancestors 'none'" in policy
            assert answer.headers["x-content-type-options"] == "nosniff"


async def test_the_pages_name_no_other_host() -> None:
    async with serving() as served:
        async with served.session.get(served.address) as answer:
            page = await answer.text()
        for name in ("page.js", "page.css", "icon.svg"):
            page += (await ask(served, path=f"/pages/{name}")).text
        login = (await ask(served)).text
        assert "//" not in (page + login).replace("// ", "").replace("http://www.w3.org/2000/svg", "")


async def test_a_window_is_a_process_that_has_the_size_of_its_browser_and_ends_with_it() -> None:
    async with serving() as served, served.window("?width=100&height=30") as window:
        await window.until("of 100x30")
        await window.socket.send_str('["resize", {"width": 70, "height": 20}]')
        await window.until("of 70x20")
        async with served.window() as other:
            assert await other.pid() != await window.pid()
        await until_ended(await other.pid())
        assert not has_ended(await window.pid())


async def test_leaving_a_window_closes_it_and_says_so() -> None:
    async with serving() as served, served.window() as window:
        pid = await window.pid()
        await window.socket.send_str('["stdin", "q"]')
        assert await window.closed() == Closed.LEFT
        await until_ended(pid)


async def test_what_a_window_saves_is_handed_out_once_to_who_has_shown_the_token() -> None:
    async with serving() as served, served.window() as window:
        await window.pid()
        await window.socket.send_str('["stdin", "d"]')
        with anyio.fail_after(WITHIN):
            while (message := await window.socket.receive()).type is not WSMsgType.TEXT:
                pass
        kind, key = message.json()
        assert kind == "deliver_file_start"
        assert (await ask(served, path=f"/download/{key}")).status_code == HTTPStatus.UNAUTHORIZED
        async with served.session.get(f"{served.address}/download/{key}") as answer:
            assert await answer.text() == "a picture"
        async with served.session.get(f"{served.address}/download/{key}") as answer:
            assert answer.status == HTTPStatus.NOT_FOUND


async def test_a_dashboard_that_fails_is_told_from_one_that_was_left() -> None:
    async with serving() as served, served.window() as window:
        await window.pid()
        await window.socket.send_str('["stdin", "c"]')
        assert await window.closed() == Closed.FAILED


async def test_the_end_of_the_server_is_the_end_of_every_window() -> None:
    async with serving() as served, served.window() as one, served.window() as other:
        pids = [await one.pid(), await other.pid()]
    for pid in pids:
        await until_ended(pid)


async def test_a_window_that_does_not_end_is_ended() -> None:
    with anyio.fail_after(WITHIN):
        async with serving(STUCK) as served, served.window():
            pass


async def test_a_window_is_ended_though_nobody_waits_for_its_end() -> None:
    ended: list[Closed] = []

    async def close(why: Closed) -> None:
        ended.append(why)

    window = Window([sys.executable, "-c", STUCK], web.WebSocketResponse(), close, DownloadManager())
    await window.start(80, 24)
    with anyio.move_on_after(0.1):
        await window.stop()

    async def is_over() -> bool:
        return bool(ended)

    await until(is_over, "the window's process ends")


WRONG = [
    *("", "{", "[]", "1", "null", '["stdin"]', '["stdin", 1]', '["resize", {"width": "x"}]', '["quit"]'),
    *("[" * 99_999, '["resize", {"width": -1, "height": 99999999}]', '["stdin", "\\ud800"]'),
]


async def test_what_a_browser_sends_breaks_nothing() -> None:
    async with serving() as served, served.window("?width=abc&height=-1") as window:
        await window.pid()
        for message in WRONG:
            await window.socket.send_str(message)
        await window.socket.send_str('["resize", {"width": 44, "height": 20}]')
        await window.until("of 44x20")


async def test_there_are_not_more_windows_than_the_machine_can_bear(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("treeledger.tui.web.server._MOST_WINDOWS", 1)
    async with serving() as served, served.window() as window:
        await window.pid()
        async with served.window() as more:
            assert await more.closed() == Closed.TOO_MANY


@given(st.text(), st.text())
@example("\ud800", "\udcff")
def test_only_the_token_and_what_is_made_of_it_open(token: str, cookie: str) -> None:
    gate = Gate(Guard(False), TOKEN, 1)
    assert gate.knows(token) == (token.strip() == TOKEN)
    assert not gate.admits({gate.cookie: cookie})
    assert not gate.admits({gate.cookie: Gate(Guard(False), TOKEN + "x", 1).proof})
    assert gate.admits({gate.cookie: gate.proof})
