"""Where a server is, and how it is connected to."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from treeledger.errors import ConfigurationError
from treeledger.protocols import StoreOptions

_PASSWORD: Final = re.compile(r"(://[^/:@?]*):[^/?]*@")
_PORTS: Final = re.compile(r"[0-9,]*")
# A server that vanished with its machine is given up after a minute, not after the two hours of TCP.
_KEEPALIVE: Final = "keepalives_idle=30 keepalives_interval=10 keepalives_count=3 tcp_user_timeout=60000"
_DEFAULTS: Final = f"connect_timeout=10 {_KEEPALIVE}"


@dataclass(frozen=True, slots=True)
class Address:
    """`url` may be shown; `conninfo` is what psycopg connects with, and may hold a password."""

    url: str
    conninfo: str = field(repr=False)


def without_password(url: str) -> str:
    """A URL that may be shown."""
    place, _, query = _PASSWORD.sub(r"\1@", url).partition("?")
    shown = "&".join(part for part in query.split("&") if "password" not in part.partition("=")[0])
    return f"{place}?{shown}" if shown else place


def address_of(options: StoreOptions) -> Address:
    """A password of its own stands for the one in the URL.

    Raises ConfigurationError, without quoting it, for a URL in which a password is not where it belongs.
    """
    _, _, place = options.url.partition("?")[0].partition("://")
    try:
        given = conninfo_to_dict(options.url)
        is_right = "@" not in place.partition("/")[2] and _PORTS.fullmatch(str(given.get("port", "")))
    except ProgrammingError:
        is_right = None
    if not is_right:
        raise ConfigurationError(
            "the URL of the store is malformed: write postgresql://USER@HOST:PORT/DATABASE, the password in "
            "`password` of [store], or in the URL with %40 for @, %2F for / and %25 for %"
        )
    password = {} if options.password is None else {"password": options.password}
    return Address(without_password(options.url), make_conninfo(options.url, **password))


def completed(conninfo: str) -> str:
    """With what holds for every connection unless it is said otherwise."""
    return make_conninfo(_DEFAULTS, **conninfo_to_dict(conninfo, client_encoding="UTF8"))
