"""Serves the dashboard to browsers: pages that ask nobody but this host, for whoever has the token."""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Final

import anyio
import textual_serve
from aiohttp import web
from textual_serve.server import Server

from treeledger.api.routing import Refusal
from treeledger.tui.web.gate import Gate
from treeledger.tui.web.window import Closed, show_in, web_socket

_PAGES: Final = Path(__file__).with_name("pages")
_TERMINAL: Final = Path(str(textual_serve.__file__)).with_name("static")  # xterm.js, its style, a font
_MOST_WINDOWS: Final = 16  # each is a process
_ENDING: Final = 5.0  # seconds that windows have to end with the server
_LARGEST_FORM: Final = 4096  # bytes
_OPEN_TO_ALL: Final = ("/login", "/alive", "/pages/", "/terminal/")
_ALWAYS: Final = {
    "Cache-Control": "no-cache",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; font-src 'self'; "
        "img-src 'self' data:; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; "
        "base-uri 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


async def serve(listener: socket.socket, gate: Gate, command: Sequence[str]) -> None:
    """Answers browsers by a listening socket until cancelled; `command` runs the dashboard of one window.

    Then every window ends, within seconds.
    """
    runner = web.AppRunner(
        Pages(gate, command).application(),
        handle_signals=False,
        access_log=None,  # it would tell tokens
        shutdown_timeout=_ENDING,
    )
    await runner.setup()
    try:
        await web.SockSite(runner, listener).start()
        await anyio.sleep_forever()
    finally:
        with anyio.CancelScope(shield=True):
            await runner.cleanup()


class Pages:
    """The routes, and the windows that are open."""

    def __init__(self, gate: Gate, command: Sequence[str]) -> None:
        self._gate = gate
        self._command = command
        self._open: set[web.WebSocketResponse] = set()
        self._textual = Server("treeledger tui")  # of which only what hands out files is used

    def application(self) -> web.Application:
        application = web.Application(middlewares=[self._guarded], client_max_size=_LARGEST_FORM)
        application.add_routes(
            (
                web.get("/", self._index),
                web.get("/login", self._login),
                web.post("/login", self._take_token),
                web.get("/alive", self._alive),
                web.get("/ws", self._window),
                web.get("/download/{key}", self._textual.handle_download),
                web.static("/pages", _PAGES),
                web.static("/terminal", _TERMINAL),
            )
        )
        application.on_response_prepare.append(_add_headers)
        application.on_shutdown.append(self._close_windows)
        return application

    @web.middleware
    async def _guarded(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            self._gate.check_page(request.headers)
        except Refusal as refusal:
            return web.Response(status=refusal.status, text=f"{refusal.message}\n")
        if request.path == "/" or request.path.startswith(_OPEN_TO_ALL) or self._gate.admits(request.cookies):
            return await handler(request)
        return web.Response(status=HTTPStatus.UNAUTHORIZED, text="show the token first, at /login\n")

    async def _index(self, request: web.Request) -> web.Response:
        token = request.query.get("token")
        if token is not None and self._gate.knows(token):
            return self._admitted()
        if not self._gate.admits(request.cookies):
            return _page("login.html", HTTPStatus.UNAUTHORIZED)
        return _page("index.html")

    def _admitted(self) -> web.Response:
        """To the dashboard, with the cookie, and without the token in the address."""
        answer = web.Response(status=HTTPStatus.SEE_OTHER, headers={"Location": "./"})
        answer.set_cookie(self._gate.cookie, self._gate.proof, httponly=True, samesite="Strict", path="/")
        return answer

    async def _login(self, request: web.Request) -> web.Response:
        return _page("login.html")

    async def _take_token(self, request: web.Request) -> web.Response:
        token = (await request.post()).get("token")
        if isinstance(token, str) and self._gate.knows(token):
            return self._admitted()
        return web.Response(status=HTTPStatus.SEE_OTHER, headers={"Location": "login#wrong"})

    async def _alive(self, request: web.Request) -> web.Response:
        return web.Response(status=HTTPStatus.NO_CONTENT)

    async def _window(self, request: web.Request) -> web.WebSocketResponse:
        shown = web_socket()
        await shown.prepare(request)
        if len(self._open) >= _MOST_WINDOWS:
            await shown.close(code=Closed.TOO_MANY)
            return shown
        self._open.add(shown)
        try:
            size = _number(request, "width", 80), _number(request, "height", 24)
            await show_in(shown, self._command, size, self._textual.download_manager)
        finally:
            self._open.discard(shown)
        return shown

    async def _close_windows(self, application: web.Application) -> None:
        async with anyio.create_task_group() as tasks:
            for one in list(self._open):
                tasks.start_soon(_close, one)


def _page(name: str, status: HTTPStatus = HTTPStatus.OK) -> web.Response:
    text = (_PAGES / name).read_text(encoding="utf-8")
    return web.Response(status=status, text=text, content_type="text/html")


async def _close(window: web.WebSocketResponse) -> None:
    await window.close(code=Closed.AWAY)


async def _add_headers(request: web.Request, answer: web.StreamResponse) -> None:
    answer.headers.update(_ALWAYS)


def _number(request: web.Request, key: str, default: int) -> int:
    text = request.query.get(key, "")
    return int(text) if text.isdecimal() and len(text) < 6 else default
