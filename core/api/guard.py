"""Who may ask what: by the listener a request came through, its token, and the host it was meant for.

Over TCP the name in `Host` must be one of ours: a page of a stranger who has his own name point here (DNS
rebinding) is refused, and so is any page of another origin.
"""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

from treeledger.api.routing import Refusal, Right

_ORDER: Final = (Right.NONE, Right.READ, Right.ADMIN)
_BEARER: Final = "bearer "


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: `name` is what decisions are recorded under."""

    name: str
    right: Right

    def may(self, wanted: Right) -> bool:
        return _ORDER.index(self.right) >= _ORDER.index(wanted)


@dataclass(frozen=True, slots=True)
class Guard:
    """Of one listener. `is_local`: a Unix socket, whose file says who may open it.

    `token` is for everything, `read_token` for looking, None where there is none. `hosts`: the names, in
    lower case, by which we are addressed beside localhost and our addresses. `paths`: all there is to ask
    for, None for all routes.
    """

    is_local: bool
    token: str | None = None
    read_token: str | None = None
    hosts: frozenset[str] = frozenset()
    paths: frozenset[str] | None = None

    def caller(self, headers: Mapping[str, str], peer: str | None) -> Caller:
        """Who asks; `peer` is what the listener knows of them. `headers` in lower case. Raises Refusal."""
        if self.is_local:
            return Caller(peer or "socket", Right.ADMIN)
        self.check_page(headers)
        given = headers.get("authorization")
        if given is None:
            return Caller(peer or "http", self._without_token)
        if not given.lower().startswith(_BEARER):
            raise Refusal(HTTPStatus.UNAUTHORIZED, "write: Authorization: Bearer TOKEN")
        token = given[len(_BEARER) :].strip()
        if _equal(token, self.token):
            return Caller("token", Right.ADMIN)
        if _equal(token, self.read_token):
            return Caller("read_token", Right.READ)
        raise Refusal(HTTPStatus.UNAUTHORIZED, "this token is none of mine")

    def check_page(self, headers: Mapping[str, str]) -> None:
        """Raises Refusal for what was meant for another host, or was sent by a page of another origin."""
        self._check_host(headers.get("host", ""))
        self._check_origin(headers.get("origin"), headers.get("host", ""))

    @property
    def _without_token(self) -> Right:
        """Where no token is set, whoever reaches the listener (on loopback, see `server`) may look."""
        return Right.READ if self.token is None and self.read_token is None else Right.NONE

    def _check_host(self, header: str) -> None:
        host = _host(f"//{header}")
        # An address is ours: who rebinds a name has that name in `Host`.
        if host is None or not (host == "localhost" or host in self.hosts or _is_address(host)):
            raise Refusal(
                HTTPStatus.MISDIRECTED_REQUEST,
                f"I do not go by the name {header!r}; list it in hosts of [api] if I should",
            )

    def _check_origin(self, origin: str | None, host: str) -> None:
        if origin is None or _host(origin) in self.hosts or _place(origin) == host.lower():
            return
        raise Refusal(HTTPStatus.FORBIDDEN, f"pages of {origin!r} may not ask me")


def check_right(caller: Caller, wanted: Right) -> None:
    """Raises Refusal."""
    if caller.may(wanted):
        return
    if caller.right is Right.NONE:
        raise Refusal(HTTPStatus.UNAUTHORIZED, "this takes a token: Authorization: Bearer TOKEN")
    raise Refusal(
        HTTPStatus.FORBIDDEN, "this takes the token of [api]; over TCP nothing is changed without it"
    )


def _host(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None


def _place(url: str) -> str | None:
    """Host and port, in lower case."""
    try:
        return urlsplit(url).netloc.lower()
    except ValueError:
        return None


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _equal(given: str, known: str | None) -> bool:
    return known is not None and hmac.compare_digest(given.encode(), known.encode())
