"""Where a webhook may deliver to: by its address as written, and by the one that is really reached; and with
which headers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from ipaddress import IPv6Address, ip_address
from typing import TYPE_CHECKING, Any, Final

from treeledger.errors import PermanentFailure

if TYPE_CHECKING:
    import httpx

_NEVER: Final = frozenset(
    ("100.100.100.200", "168.63.129.16", "192.0.0.192", "fd00:ec2::254", "255.255.255.255")
)
"""Metadata services of clouds that are not link-local, and everybody."""
_HEADER_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_OURS: Final = re.compile(r"content-(type|length)|transfer-encoding|treeledger-.*", re.IGNORECASE)


def checked_url(text: str) -> httpx.URL:
    """The address. Raises ValueError with a reason that does not quote it."""
    import httpx

    try:
        url = httpx.URL(text)
    except httpx.InvalidURL:
        raise ValueError("url: is malformed") from None
    if any(character.isspace() for character in text):
        raise ValueError("url: has white space in it")
    if url.scheme not in ("http", "https"):
        raise ValueError("url: must start with http:// or https://")
    if not url.host:
        raise ValueError("url: names no host")
    if is_never_a_receiver(url.host):
        raise ValueError("url: this address is never a receiver's; write that of yours")
    return url


async def check_peer(event: str, info: Mapping[str, Any]) -> None:
    """Hangs up on an address that is never a receiver's before anything is sent; a name may lead anywhere.

    Called by httpcore (see "Trace extension" in its documentation). Raises PermanentFailure.
    """
    if event != "connection.connect_tcp.complete":
        return
    stream = info["return_value"]
    address = str(stream.get_extra_info("server_addr")[0])
    if is_never_a_receiver(address):
        await stream.aclose()
        raise PermanentFailure(
            f"the name leads to {address}, which is never a receiver's; nothing was sent. "
            "Once that is mended: treeledger jobs retry"
        )


def is_never_a_receiver(host: str) -> bool:
    """Whether an address is link-local, of a cloud's metadata service, or stands for many or none.

    False for a name: what it stands for is only known of the connection.
    """
    try:
        address = ip_address(host.partition("%")[0].strip("[]"))
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    is_odd = address.is_link_local or address.is_multicast or address.is_unspecified
    return is_odd or str(address) in _NEVER


def is_here(host: str) -> bool:
    """Whether the host is this machine."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def check_headers(headers: Mapping[str, str]) -> None:
    """Raises ValueError with a reason that does not quote a value."""
    for name, value in headers.items():
        if not _HEADER_NAME.fullmatch(name):
            raise ValueError(f"headers: {name!r} is no name of a header")
        if _OURS.fullmatch(name):
            raise ValueError(f"headers: {name} is set by the webhook itself")
        if not (value.isascii() and value.isprintable() and value == value.strip()):
            raise ValueError(f"headers: the value of {name} must be printable ASCII, without spaces around")
