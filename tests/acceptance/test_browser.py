"""`treeledger tui --web` in a real browser: what a person sees, and what is left when it ends."""

from __future__ import annotations

import re
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urlsplit

import anyio
import httpx
import pytest
from aiohttp import ClientSession, CookieJar
from chromium import Page, chromium
from command_line import CommandLine
from daemons import CONFIGURATION, daemon, photos
from executable import WITHIN, Executable, Running, is_running, until

TOKEN = "0123456789abcdef-web"


pytestmark = pytest.mark.slow


def address(server: Running) -> str:
    server.until("Ctrl-C ends it")
    [found] = re.findall(r"^dashboard: (\S+)", server.text, re.MULTILINE)
    return str(found)


@contextmanager
def kept_port() -> Iterator[int]:
    """A port that nobody else is given meanwhile; servers that let addresses be used again may listen at it,
    one after another."""
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", 0))
        yield holder.getsockname()[1]


def interrupt(server: Running) -> None:
    """Ctrl-C, after which nothing is left of it."""
    children = server.children()
    assert server.stop(signal.SIGINT, group=True, within=15.0) == 0, server.text
    until(lambda: not any(map(is_running, children)), "nothing is left")


def test_a_browser_shows_the_dashboard_and_asks_nobody_but_this_host(tmp_path: Path) -> None:
    folder = photos(tmp_path)
    with (
        Executable(tmp_path).started("tui", "--web", "--port", "0", folder) as server,
        chromium(tmp_path / "profile") as page,
    ):
        url = address(server)
        assert "No engine was running" in server.text
        page.open(url)
        page.until(r"photos +● watching +1 ")
        (folder / "b.jpg").write_text("two")
        page.until(r"added +b\.jpg")
        page.press("2")
        page.until(r"photos +startup")
        assert "token" not in page.evaluate("location.href")
        assert page.errors == []
        assert {urlsplit(one).netloc for one in page.requests} == {urlsplit(url).netloc}
        engine_and_window = server.children()
        assert len(engine_and_window) == 2

        page.press("q")
        page.until_said("You left the dashboard")
        until(lambda: len(server.children()) == 1, "the window's process ends")
        page.act("document.getElementById('again').click()")
        page.until(r"photos +● watching +2 ")
        page.open("about:blank")
        until(lambda: len(server.children()) == 1, "the window's process ends with its page")
        page.open(url.partition("?")[0])
        page.until(r"photos +● watching +2 ")
        interrupt(server)
        page.until_said("The server is away")


def show_token(page: Page, token: str) -> None:
    page.act(f"document.getElementById('token').value = '{token}'; document.forms[0].submit()")


def test_a_page_finds_back_to_a_server_that_was_away(tmp_path: Path) -> None:
    photos(tmp_path)
    settings = f'[api]\ntoken = "{TOKEN}"\n'
    with (
        daemon(tmp_path, settings) as running,
        chromium(tmp_path / "profile") as page,
        kept_port() as port,
    ):
        serving = ("tui", "--web", "--port", str(port))
        treeledger = Executable(tmp_path)
        with treeledger.started(*serving) as server:
            url = address(server)
            assert TOKEN not in server.text
            page.open(url)
            page.until_said("The token")
            show_token(page, "wrong")
            page.until_said("none of mine")
            show_token(page, TOKEN)
            page.until(r"photos +● watching +1 ")
            page.until("daemon .*sqlite ledger")
            until(lambda: len(server.children()) == 1, "a process for the window")
            [window] = server.children()
            server.signal(signal.SIGKILL)
            server.wait()
            until(lambda: not is_running(window), "a window ends with a server that was killed")
        page.until_said("The server is away")
        with treeledger.started(*serving) as server:
            page.until(r"photos +● watching +1 ")
            interrupt(server)
        assert running.process.poll() is None
    assert (tmp_path / CONFIGURATION).read_text() == settings


def test_a_dashboard_that_cannot_begin_says_where_the_reason_is(tmp_path: Path) -> None:
    photos(tmp_path)
    with (
        daemon(tmp_path, '[tui]\ntheme = "pink"\n'),
        Executable(tmp_path).started("tui", "--web", "--port", "0") as server,
    ):
        assert anyio.run(why_a_window_closed, address(server)) == 4001
        server.until("theme: there is no 'pink'")
        interrupt(server)


async def why_a_window_closed(url: str) -> int | None:
    async with ClientSession(cookie_jar=CookieJar(unsafe=True)) as session:  # for addresses, too
        async with session.get(url):
            pass
        async with session.ws_connect(url.partition("?")[0] + "ws") as window:
            async for _ in window:
                pass
            return window.close_code


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--web", "--host", "0.0.0.0"], "takes a token; set token of [api], or listen on 127.0.0.1"),
        (["--web", "--token", TOKEN], "--token: whoever lists processes would see it"),
        (["--web", "--token", "env:ABSENT"], "env:ABSENT: the environment has no variable ABSENT"),
        (["--web", "--token", "env:SHORT"], "--token: a token has 16 letters and digits at least"),
        (["--web", "--port", "65536"], "--host and --port: '127.0.0.1:65536' is no HOST:PORT"),
        (["--web", "--host", "no.such.host.invalid"], "no.such.host.invalid:8137"),
        (["--port", "80"], "--port is for the dashboard in a browser"),
    ],
)
def test_what_cannot_be_served_is_refused_before_anything_starts(
    arguments: list[str], said: str, treeledger: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHORT", "short")
    done = treeledger("tui", *arguments, str(treeledger.folder), code=2)
    assert said in done.err
    assert TOKEN not in done.err
    assert "No repository yet" in treeledger("status").text


def test_a_port_that_is_taken_is_named(treeledger: CommandLine) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = treeledger("tui", "--web", "--port", str(port), code=2)
    assert f"127.0.0.1:{port}: Address already in use" in done.err


def missing(name: str) -> None:
    raise ModuleNotFoundError(name="aiohttp.web")


def test_what_it_takes_is_named_where_it_is_not_installed(
    treeledger: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("treeledger.cli.browser.import_module", missing)
    done = treeledger("tui", "--web", code=2)
    assert "pip install 'treeledger[web]'" in done.err


def test_beyond_this_machine_it_takes_the_token(tmp_path: Path) -> None:
    folder = photos(tmp_path)
    arguments = ("tui", "--web", "--host", "0.0.0.0", "--port", "0", "--token", "env:WEB", folder)
    with Executable(tmp_path).started(*arguments, WEB=TOKEN) as server:
        url = address(server).replace("0.0.0.0", "127.0.0.1")
        assert "without encryption" in server.text
        assert httpx.get(url, timeout=WITHIN).status_code == HTTPStatus.UNAUTHORIZED
        assert httpx.get(url, params={"token": TOKEN}, timeout=WITHIN).is_redirect
        interrupt(server)
